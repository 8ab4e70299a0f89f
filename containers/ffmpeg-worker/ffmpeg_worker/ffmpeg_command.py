"""Stage 4 · the one FFmpeg command of an epoch, as a pure list of arguments: FLV in on stdin, FLV out on a pipe per track.

One decode, one process, and only what has to be encoded. Every option that is not obvious was tried with FFmpeg 5.1.9; see
docs/decisions/0003.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ffmpeg_worker.transcode_plan import Keyframes, TranscodePlan
from headwater.domain.ladder import AudioRung, Rung
from headwater.media.timeline import SEGMENT_SECONDS

THUMBNAIL_SECONDS = 10
THUMBNAIL_WIDTH = 640
PROGRESS_SECONDS = 0.5
_SLOWEST_RATE, _FASTEST_RATE = 10, 60
_NO_KEYFRAMES_OF_ITS_OWN = 9999  # frames; keyframes are forced, where segments begin
_X264 = "rc-lookahead=0:sync-lookahead=0:sliced-threads=1:mbtree=0:scenecut=0"


@dataclass(frozen=True, slots=True)
class OutputPipes:
    """The writing ends that the process inherits: file descriptor numbers."""

    tracks: Mapping[str, int]  # by track id, of those that are encoded
    progress: int
    thumbnails: int | None  # None without video


def ffmpeg_command(plan: TranscodePlan, pipes: OutputPipes, *, executable: str = "ffmpeg") -> list[str]:
    command = [executable, "-hide_banner", "-nostdin", "-loglevel", "level+error"]
    command += ["-progress", f"pipe:{pipes.progress}", "-stats_period", str(PROGRESS_SECONDS)]
    command += _input(plan)
    if plan.rungs:
        command += ["-filter_complex", _filter_graph(plan)]
    for rung in plan.rungs:
        if not rung.copy:
            command += [*_encoded(rung, plan), *_frames(pipes.tracks[rung.track_id])]
    if plan.audio is not None and not plan.audio.copy:
        command += [*_audio(plan.audio), *_frames(pipes.tracks[plan.audio.track_id])]
    if pipes.thumbnails is not None:
        # One thread: with more, each picture would leave when the next one comes, ten seconds later.
        command += ["-map", "[thumbnails]", "-fps_mode", "passthrough", "-c:v", "mjpeg", "-q:v", "4", "-threads", "1"]
        command += ["-flush_packets", "1", "-f", "image2pipe", f"pipe:{pipes.thumbnails}"]
    return command


def _input(plan: TranscodePlan) -> Iterator[str]:
    # stdin is the only thing it may read, whatever the stream may say.
    # A minute before 32 bits of milliseconds wrap, FFmpeg would make them negative; for us a wrap is a new epoch.
    yield from ("-protocol_whitelist", "pipe", "-copyts", "-correct_ts_overflow", "0")
    # The header names the tracks and their configurations come first, so one frame of each is all that must be seen.
    yield from ("-analyzeduration", "1", "-probesize", "5000000", "-fpsprobesize", "0")
    if plan.rungs:
        # Frame threads would hold back a picture each; a slice thread holds none.
        yield from ("-thread_type:v", "slice")
        if not plan.encodes_video:
            yield from ("-skip_frame:v", "nokey")  # only thumbnails are decoded
    yield from ("-f", "flv", "-i", "pipe:0")


def _filter_graph(plan: TranscodePlan) -> str:
    """One decode; each rung is scaled from the next larger one, which takes much less than from the source (0019)."""
    encoded = [rung for rung in plan.rungs if not rung.copy]
    seldom = rf"select=isnan(prev_selected_t)+gte(t-prev_selected_t\,{THUMBNAIL_SECONDS})"
    thumbnails = [seldom, rf"scale=min({THUMBNAIL_WIDTH}\,iw):-2", "setsar=1", "format=yuvj420p"]
    if not encoded:
        return _chain("[0:v:0]", [*_prepared(plan), *thumbnails], "[thumbnails]")
    chains = [_chain("[0:v:0]", [*_prepared(plan), "split=2"], "[in][seldom]")]
    chains.append(_chain("[seldom]", thumbnails, "[thumbnails]"))
    larger, thinned = "[in]", False
    for rung in encoded:
        limit = [] if thinned else list(_thinned(rung, plan))
        thinned = thinned or bool(limit)
        scaled = [*limit, f"scale={rung.width}:{rung.height}:flags=bicubic", "setsar=1", "format=yuv420p"]
        if rung is encoded[-1]:
            chains.append(_chain(larger, scaled, f"[{rung.track_id}]"))
        else:
            below = f"[below{rung.track_id}]"
            chains.append(_chain(larger, [*scaled, "split=2"], f"[{rung.track_id}]{below}"))
            larger = below
    return ";".join(chains)


def _prepared(plan: TranscodePlan) -> Iterator[str]:
    """What is done to every picture of the source."""
    shown_from, spacing = (plan.shown_from_ms or 0) / 1000, 1 / _steady_rate(plan)
    if plan.shown_from_ms is not None:
        # Where a predecessor's last picture ends is known to a few milliseconds: whatever is nearer to that than to the picture
        # before it has not been shown.
        yield f"trim=start={shown_from - spacing / 2:.4f}"
    if plan.deinterlace:
        yield "yadif=deint=interlaced"
    if plan.keyframes is Keyframes.FORCED:
        # Counted from the first picture: between two points of the grid a millisecond decides which of them a picture gets,
        # and some would get the same one.
        beside_grid = shown_from % spacing
        yield f"setpts=PTS-{beside_grid:.6f}/TB"
        yield f"fps={_steady_rate(plan)}"
        yield f"settb=1/1000,setpts=PTS+{beside_grid:.6f}/TB"


def _chain(source: str, filters: Sequence[str], to: str) -> str:
    return f"{source}{','.join(filters)}{to}"


def _steady_rate(plan: TranscodePlan) -> int:
    """A whole number of pictures a second, so that every 2 s begin with one, whatever the source's pauses."""
    return max(_SLOWEST_RATE, min(_FASTEST_RATE, round(plan.frame_rate)))


def _thinned(rung: Rung, plan: TranscodePlan) -> Iterator[str]:
    """Fewer pictures, where the rung takes no more. A keyframe in one rung must be one in every rung, or their segments
    would begin differently."""
    if plan.keyframes is Keyframes.FORCED and rung.max_frame_rate and _steady_rate(plan) > rung.max_frame_rate:
        yield r"select=not(mod(n\,2))"
    elif plan.keyframes is Keyframes.SOURCE and rung.max_frame_rate:
        # Half a picture early is near enough: timestamps are whole milliseconds, and encoders are not clocks.
        spacing = 1000 / rung.max_frame_rate - 500 / plan.frame_rate
        yield rf"select=isnan(prev_selected_pts)+gte(pts-prev_selected_pts\,{spacing:.0f})+key"


def _encoded(rung: Rung, plan: TranscodePlan) -> Iterator[str]:
    yield from ("-map", f"[{rung.track_id}]")
    yield from ("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-bf", "0")
    yield from ("-g", str(_NO_KEYFRAMES_OF_ITS_OWN), "-x264-params", _X264)
    yield from ("-b:v", str(rung.bits_per_second), "-maxrate:v", str(rung.max_bits_per_second))
    yield from ("-bufsize:v", str(rung.buffer_bits))
    forced = "source" if plan.keyframes is Keyframes.SOURCE else f"expr:gte(t,n_forced*{SEGMENT_SECONDS:g}-0.001)"
    yield from ("-force_key_frames", forced)
    # Without these the encoded rungs gain a frame, and their keyframes lie 33 ms after the copied rung's.
    yield from ("-fps_mode", "passthrough", "-enc_time_base", "-1")


def _audio(audio: AudioRung) -> Iterator[str]:
    # Encoders' clocks drift and pauses happen: sound stays where its timestamps say. Drift is met by two in a thousand more or
    # fewer samples, which nobody hears; with `async=1` it would grow to 100 ms, and then be cut off at once.
    yield from ("-map", "0:a:0", "-af", "aresample=async=96:min_comp=0.01")
    yield from ("-c:a", "aac", "-b:a", str(audio.bits_per_second))
    yield from ("-ar", str(audio.sample_rate), "-ac", str(audio.channels))


def _frames(pipe: int) -> Iterator[str]:
    """Frame by frame, as soon as each is encoded; a fragment of MP4 would leave when the next one begins."""
    yield from ("-avoid_negative_ts", "disabled", "-flush_packets", "1")
    yield from ("-flvflags", "no_duration_filesize+no_metadata+no_sequence_end", "-f", "flv", f"pipe:{pipe}")
