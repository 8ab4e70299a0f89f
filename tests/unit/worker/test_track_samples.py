"""Frames with times in whole milliseconds become samples that join exactly."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffmpeg_worker.track_samples import AudioSamples, VideoSamples
from headwater.errors import MediaFormatError
from headwater.media.flv import Tag, TagKind
from headwater.media.fmp4 import Sample

_AAC_HEADER = Tag(TagKind.AUDIO, 0, bytes.fromhex("af001190"))
_FRAME_MS = 1024 / 48


def _sound(timestamp: int) -> Tag:
    return Tag(TagKind.AUDIO, timestamp, b"\xaf\x01frame")


def _picture(timestamp: int, shown_after: int = 0, *, key: bool = False) -> Tag:
    offset = (shown_after & 0xFFFFFF).to_bytes(3, "big")
    return Tag(TagKind.VIDEO, timestamp, (b"\x17" if key else b"\x27") + b"\x01" + offset + b"picture")


def _heard(timestamps: list[int]) -> tuple[list[Sample], int]:
    track = AudioSamples()
    track.configure(_AAC_HEADER)
    samples = [track.sample(_sound(timestamp)) for timestamp in timestamps]
    assert track.complete_until is not None
    return samples, track.complete_until


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=300), st.integers(0, 1 << 32))
def test_rounded_and_jittering_times_do_not_disturb_the_count_of_sound(jitter: list[int], begin: int) -> None:
    samples, end = _heard([round(begin + n * _FRAME_MS) + (off if n else 0) for n, off in enumerate(jitter)])
    times = [sample.decode_time for sample in samples]
    assert {after - before for before, after in pairwise([*times, end])} == {1024}
    assert times[0] == begin * 48


@given(st.floats(0.98, 1.02), st.integers(100, 2000))
def test_sound_follows_a_clock_that_drifts(speed: float, count: int) -> None:
    stamps = [round(n * _FRAME_MS * speed) for n in range(count)]
    samples, end = _heard(stamps)
    for stamp, sample in zip(stamps, samples, strict=True):
        assert abs(sample.decode_time / 48 - stamp) <= 7
    times = [sample.decode_time for sample in samples]
    assert all(after - before >= 512 for before, after in pairwise([*times, end]))


def test_after_a_pause_the_frame_before_it_lasts_until_sound_goes_on() -> None:
    samples, end = _heard([0, 21, 300, 321])
    assert [sample.decode_time for sample in samples] == [0, 1024, 300 * 48, 300 * 48 + 1024]
    assert end == 300 * 48 + 2048


def test_frames_that_come_too_densely_are_shortened_until_they_are_in_time() -> None:
    samples, _ = _heard([0, *range(5, 100, 5), *range(121, 600, 21)])
    times = [sample.decode_time for sample in samples]
    assert all(after > before for before, after in pairwise(times))
    assert abs(times[-1] / 48 - 583) <= 6


def test_a_picture_is_decoded_and_shown_when_the_encoder_says() -> None:
    track = VideoSamples()
    samples = [track.sample(tag) for tag in (_picture(1000, 66, key=True), _picture(1033, 100), _picture(1067, 0))]
    assert track.shift == 66 * 90
    assert [(sample.decode_time, sample.composition_offset) for sample in samples] == [
        (90_000, 5940), (92_970, 9000), (96_030, 0)]  # fmt: skip
    assert [sample.is_sync for sample in samples] == [True, False, False]
    assert bytes(samples[0].data) == b"picture"
    track.end()
    assert track.complete_until == 96_030 + 3060, "as long as the one before it"


def test_pictures_with_equal_or_falling_times_are_still_decoded_one_after_the_other() -> None:
    track = VideoSamples()
    samples = [track.sample(tag) for tag in (_picture(100, key=True), _picture(100), _picture(90, 20))]
    assert [sample.decode_time for sample in samples] == [9000, 9001, 9002]
    assert [sample.decode_time + sample.composition_offset for sample in samples] == [9000, 9000, 9900]


@pytest.mark.parametrize("track", [VideoSamples(), AudioSamples()])
def test_a_configuration_that_cannot_be_read_is_told(track: VideoSamples | AudioSamples) -> None:
    with pytest.raises(MediaFormatError):
        track.configure(Tag(TagKind.VIDEO, 0, b"\x17\x00\x16"))
