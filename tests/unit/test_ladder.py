"""The ladder: what each kind of source becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.domain.ladder import Source, choose_audio, choose_ladder

FULL_HD = Source(
    width=1920,
    height=1080,
    frame_rate=30.0,
    video_codec="h264",
    h264_profile_ok=True,
    video_bits_per_second=5_000_000,
    audio_codec="aac_lc",
    audio_sample_rate=48_000,
    audio_channels=2,
    audio_bits_per_second=128_000,
)


def rungs(source: Source, *, copy_allowed: bool = False) -> list[tuple[str, int, int]]:
    return [(rung.track_id, rung.width, rung.height) for rung in choose_ladder(source, copy_allowed=copy_allowed)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), [("1080p", 1920, 1080), ("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]),
        ((1280, 720), [("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]),
        ((640, 360), [("360p", 640, 360)]),
        ((3840, 2160), [("1080p", 1920, 1080), ("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]),
        ((1080, 1920), [("1080p", 1080, 1920), ("720p", 720, 1280), ("480p", 480, 854), ("360p", 360, 640)]),
        ((1440, 1080), [("1080p", 1440, 1080), ("720p", 960, 720), ("480p", 640, 480), ("360p", 480, 360)]),
        ((1600, 900), [("900p", 1600, 900), ("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]),
        ((400, 400), [("400p", 400, 400), ("360p", 360, 360)]),
        ((321, 181), [("180p", 320, 180)]),
        ((182, 320), [("182p", 182, 320)]),
        ((1921, 1081), [("1080p", 1920, 1080), ("720p", 1280, 720), ("480p", 852, 480), ("360p", 640, 360)]),
    ],
)
def test_the_rungs_of_a_source(size: tuple[int, int], expected: list[tuple[str, int, int]]) -> None:
    assert rungs(replace(FULL_HD, width=size[0], height=size[1])) == expected


def test_the_rates_are_those_of_the_design() -> None:
    rates = [
        (rung.bits_per_second, rung.max_bits_per_second, rung.buffer_bits)
        for rung in choose_ladder(FULL_HD, copy_allowed=False)
    ]
    assert rates == [
        (5_000_000, 5_500_000, 5_000_000),
        (2_800_000, 3_080_000, 2_800_000),
        (1_400_000, 1_540_000, 1_400_000),
        (800_000, 880_000, 800_000),
    ]


def test_sixty_frames_stay_above_480p_and_are_halved_below() -> None:
    limits = [rung.max_frame_rate for rung in choose_ladder(replace(FULL_HD, frame_rate=60.0), copy_allowed=True)]
    assert limits == [None, None, 30.0, 30.0]
    assert {rung.max_frame_rate for rung in choose_ladder(FULL_HD, copy_allowed=True)} == {None}
    fast = choose_ladder(replace(FULL_HD, frame_rate=120.0), copy_allowed=True)
    assert (fast[0].max_frame_rate, fast[0].copy) == (60.0, False)


@pytest.mark.parametrize("frame_rate", [59.94, 60.02, 29.97, 30.03])
def test_a_measured_frame_rate_a_little_off_is_not_limited(frame_rate: float) -> None:
    assert choose_ladder(replace(FULL_HD, frame_rate=frame_rate), copy_allowed=True)[0].max_frame_rate is None


def test_only_the_top_rung_is_ever_copied() -> None:
    assert [rung.copy for rung in choose_ladder(FULL_HD, copy_allowed=True)] == [True, False, False, False]


@pytest.mark.parametrize(
    "change",
    [
        {"video_codec": "hevc"},
        {"h264_profile_ok": False},
        {"video_bits_per_second": 8_250_001},
        {"width": 3840, "height": 2160},
        {"width": 1919},
        {"width": 854, "height": 480, "frame_rate": 60.0},
    ],
)
def test_the_top_rung_is_encoded_when_the_source_is_not_fit_to_be_copied(change: dict[str, Any]) -> None:
    source = replace(FULL_HD, **change)
    assert not any(rung.copy for rung in choose_ladder(source, copy_allowed=True))


def test_nothing_is_copied_when_the_keyframes_do_not_allow_it() -> None:
    assert not any(rung.copy for rung in choose_ladder(FULL_HD, copy_allowed=False))


def test_a_bitrate_that_is_one_and_a_half_times_the_cap_is_still_copied() -> None:
    assert choose_ladder(replace(FULL_HD, video_bits_per_second=8_250_000), copy_allowed=True)[0].copy


def test_a_source_between_two_rungs_has_a_bitrate_between_theirs() -> None:
    top = choose_ladder(replace(FULL_HD, width=1600, height=900), copy_allowed=False)[0]
    assert 2_800_000 < top.bits_per_second < 5_000_000


def test_without_video_there_is_no_rung_and_without_audio_no_audio() -> None:
    assert choose_ladder(replace(FULL_HD, video_codec=None, width=0, height=0), copy_allowed=True) == ()
    assert choose_audio(replace(FULL_HD, audio_codec=None)) is None


@pytest.mark.parametrize("size", [(0, 0), (1, 1080), (1920, -1)])
def test_a_picture_of_no_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be encoded"):
        choose_ladder(replace(FULL_HD, width=size[0], height=size[1]), copy_allowed=True)


@given(
    width=st.integers(2, 8000),
    height=st.integers(2, 8000),
    frame_rate=st.floats(1, 240),
    bits=st.integers(0, 100_000_000),
    copy_allowed=st.booleans(),
)
def test_rungs_are_even_never_upscaled_keep_the_aspect_and_fall(
    width: int, height: int, frame_rate: float, bits: int, copy_allowed: bool
) -> None:
    source = replace(FULL_HD, width=width, height=height, frame_rate=frame_rate, video_bits_per_second=bits)
    ladder = choose_ladder(source, copy_allowed=copy_allowed)
    assert ladder
    for rung in ladder:
        assert rung.width % 2 == rung.height % 2 == 0
        assert 2 <= rung.width <= width and 2 <= rung.height <= height
        assert rung.track_id == f"{min(rung.width, rung.height)}p"
        # Each side is within one pixel of the exact one for this rung's scale; rounding to even moved it no further.
        scale = min(rung.width, rung.height) / min(width, height)
        assert abs(rung.width - width * scale) <= 2 and abs(rung.height - height * scale) <= 2
        assert rung.bits_per_second < rung.max_bits_per_second
    sides = [min(rung.width, rung.height) for rung in ladder]
    assert sides == sorted(set(sides), reverse=True)
    rates = [rung.bits_per_second for rung in ladder]
    assert rates == sorted(rates, reverse=True)


def test_plain_aac_is_copied_as_it_is() -> None:
    audio = choose_audio(replace(FULL_HD, audio_sample_rate=44_100, audio_channels=1, audio_bits_per_second=96_000))
    assert audio is not None
    assert (audio.track_id, audio.copy, audio.sample_rate, audio.channels, audio.bits_per_second) == (
        "audio",
        True,
        44_100,
        1,
        96_000,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"audio_codec": "mp3"},
        {"audio_codec": "he_aac"},
        {"audio_sample_rate": 22_050},
        {"audio_sample_rate": 96_000},
        {"audio_channels": 6},
        {"audio_bits_per_second": 192_001},
    ],
)
def test_any_other_audio_becomes_48_khz_stereo(change: dict[str, Any]) -> None:
    audio = choose_audio(replace(FULL_HD, **change))
    assert audio is not None
    assert (audio.copy, audio.sample_rate, audio.channels, audio.bits_per_second) == (False, 48_000, 2, 128_000)
