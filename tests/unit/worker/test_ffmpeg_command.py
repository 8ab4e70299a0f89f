"""The FFmpeg command, word for word: what an epoch is asked of it."""

from __future__ import annotations

from dataclasses import replace

from ffmpeg_worker.ffmpeg_command import OutputPipes, ffmpeg_command
from ffmpeg_worker.transcode_plan import Keyframes, plan_transcode
from headwater.domain.ladder import Source

_SOURCE = Source(
    width=854, height=480, frame_rate=60.0, video_codec="h264", h264_profile_ok=True, video_bits_per_second=900_000,
    audio_codec="aac_lc", audio_sample_rate=48_000, audio_channels=2, audio_bits_per_second=128_000,
)  # fmt: skip
_INPUT = (
    "ffmpeg -hide_banner -nostdin -loglevel level+error -progress pipe:3 -stats_period 0.5 -protocol_whitelist pipe -copyts"
    " -correct_ts_overflow 0 -analyzeduration 1 -probesize 5000000 -fpsprobesize 0"
)
_X264 = "-x264-params rc-lookahead=0:sync-lookahead=0:sliced-threads=1:mbtree=0:scenecut=0"
_FRAMES = (
    "-avoid_negative_ts disabled -flush_packets 1 -flvflags no_duration_filesize+no_metadata+no_sequence_end -f flv"
)
_THUMBNAILS = (
    "-map [thumbnails] -fps_mode passthrough -c:v mjpeg -q:v 4 -threads 1 -flush_packets 1 -f image2pipe pipe:4"
)
_THUMBNAIL_FILTERS = (
    r"select=isnan(prev_selected_t)+gte(t-prev_selected_t\,10),scale=min(640\,iw):-2"
    ",setsar=1,format=yuvj420p[thumbnails]"
)


def _command(source: Source, keyframes: Keyframes, shown_from_ms: int | None = None) -> str:
    plan = replace(plan_transcode(source, keyframes), shown_from_ms=shown_from_ms)
    tracks = {track_id: 5 + index for index, track_id in enumerate(plan.encoded_track_ids)}
    return " ".join(ffmpeg_command(plan, OutputPipes(tracks, 3, 4 if plan.rungs else None)))


def test_what_is_copied_does_not_pass_through_ffmpeg_and_lower_rungs_follow_its_keyframes() -> None:
    source = replace(_SOURCE, frame_rate=30.0)
    assert _command(source, Keyframes.SOURCE) == (
        f"{_INPUT} -thread_type:v slice -f flv -i pipe:0"
        f" -filter_complex [0:v:0]split=2[in][seldom];[seldom]{_THUMBNAIL_FILTERS}"
        ";[in]scale=640:360:flags=bicubic,setsar=1,format=yuv420p[360p]"
        " -map [360p] -c:v libx264 -preset veryfast -profile:v high -bf 0 -g 9999"
        f" {_X264} -b:v 800000 -maxrate:v 880000 -bufsize:v 800000 -force_key_frames source"
        f" -fps_mode passthrough -enc_time_base -1 {_FRAMES} pipe:5"
        f" {_THUMBNAILS}"
    )


def test_half_the_pictures_of_60_fps_are_kept_and_every_keyframe() -> None:
    assert r"select=isnan(prev_selected_pts)+gte(pts-prev_selected_pts\,25)+key," in _command(_SOURCE, Keyframes.SOURCE)


def test_keyframes_of_our_own_come_every_two_seconds_of_steady_pictures() -> None:
    command = _command(_SOURCE, Keyframes.FORCED)
    assert command.count("-c:v libx264") == 2, "nothing is copied"
    assert command.count("-force_key_frames expr:gte(t,n_forced*2-0.001)") == 2
    assert "[0:v:0]setpts=PTS-0.000000/TB,fps=60,settb=1/1000,setpts=PTS+0.000000/TB,split=2" in command


def test_a_successor_shows_what_is_nearer_to_where_it_begins_than_to_the_picture_before_and_counts_from_there() -> None:
    command = _command(_SOURCE, Keyframes.FORCED, shown_from_ms=1021)
    assert "[0:v:0]trim=start=1.0127,setpts=PTS-0.004333/TB,fps=60," in command
    assert command.count(r"select=not(mod(n\,2)),scale=") == 1, "the next smaller rung is made from what is left"


def test_each_rung_is_scaled_from_the_next_larger_one() -> None:
    command = _command(replace(_SOURCE, width=1920, height=1080, frame_rate=30.0), Keyframes.SOURCE)
    scaled = "flags=bicubic,setsar=1,format=yuv420p"
    assert (
        f"[in]scale=1280:720:{scaled},split=2[720p][below720p]"
        f";[below720p]scale=854:480:{scaled},split=2[480p][below480p]"
        f";[below480p]scale=640:360:{scaled}[360p]"
    ) in command


def test_sound_that_not_everyone_plays_is_encoded() -> None:
    command = _command(replace(_SOURCE, audio_codec="mp3"), Keyframes.SOURCE)
    assert f"-map 0:a:0 -af aresample=async=96:min_comp=0.01 -c:a aac -b:a 128000 -ar 48000 -ac 2 {_FRAMES}" in command


def test_sound_alone_that_is_encoded_has_neither_pictures_nor_thumbnails() -> None:
    command = _command(replace(_SOURCE, video_codec=None, width=0, height=0, audio_codec="mp3"), Keyframes.SOURCE)
    assert "-filter_complex" not in command
    assert ":v" not in command


def test_nothing_is_asked_of_ffmpeg_for_sound_alone_that_is_copied() -> None:
    plan = plan_transcode(replace(_SOURCE, video_codec=None, width=0, height=0), Keyframes.SOURCE)
    assert not plan.needs_ffmpeg


def test_a_copied_picture_is_decoded_for_thumbnails_only_at_its_keyframes() -> None:
    source = replace(_SOURCE, width=640, height=360, frame_rate=30.0)
    assert "-skip_frame:v nokey" in _command(source, Keyframes.SOURCE)
