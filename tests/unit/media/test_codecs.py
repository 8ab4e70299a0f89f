"""Codec strings from decoder configurations as encoders write them."""

from __future__ import annotations

import pytest

from headwater.media.codecs import AacConfiguration, aac_configuration, avc_codec


@pytest.mark.parametrize(
    ("configuration", "codec"),
    [
        ("0142c01effe1", "avc1.42c01e"),  # constrained baseline 3.0
        ("014d401fffe1", "avc1.4d401f"),  # main 3.1
        ("01640033ffe1", "avc1.640033"),  # high 5.1
    ],
)
def test_avc_takes_profile_constraints_and_level_from_the_record(configuration: str, codec: str) -> None:
    assert avc_codec(bytes.fromhex(configuration)) == codec


@pytest.mark.parametrize(
    ("descriptor", "configuration"),
    [
        # FFmpeg: lengths padded to four bytes
        (
            "0380808025 0001 00 0480808017 40 15 000000 0001f400 0001f400 0580808005 119056e500 068080800102",
            ("mp4a.40.2", 48_000, 2),
        ),
        ("0319 0001 00 0411 40 15 000000 00000000 00000000 0502 1208 060102", ("mp4a.40.2", 44_100, 1)),
        ("0319 0001 00 0411 40 15 000000 00000000 00000000 0502 2b11 060102", ("mp4a.40.5", 24_000, 2)),  # HE-AAC
        ("031a 0001 00 0412 40 15 000000 00000000 00000000 0503 f94640 060102", ("mp4a.40.42", 48_000, 2)),  # xHE-AAC
        ("031c 0001 00 0414 40 15 000000 00000000 00000000 0505 1780bb8010 060102", ("mp4a.40.2", 96_000, 2)),
        ("0319 0001 00 0411 40 15 000000 00000000 00000000 0502 11b8 060102", ("mp4a.40.2", 48_000, 8)),  # 7.1
        (
            "0319 0001 00 0411 40 15 000000 00000000 00000000 0502 1180 060102",
            ("mp4a.40.2", 48_000, 0),
        ),  # told elsewhere
        ("0315 0001 00 040d 6b 15 000000 00000000 00000000 060102", ("mp4a.6b", 0, 0)),  # MP3
        ("031e 0001 e0 0002 01 61 0003 0411 40 15 000000 00000000 00000000 0502 1190 060102", ("mp4a.40.2", 48_000, 2)),
    ],
)
def test_aac_takes_everything_from_the_specific_configuration(
    descriptor: str, configuration: tuple[str, int, int]
) -> None:
    assert aac_configuration(bytes.fromhex(descriptor)) == AacConfiguration(*configuration)


@pytest.mark.parametrize("broken", ["", "00", "0142", "ff42c01e"])
def test_what_is_no_configuration_record_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match="not an AVC"):
        avc_codec(bytes.fromhex(broken))


@pytest.mark.parametrize("broken", ["", "04", "03ffffffffff", "0304000100 04", "0319 0001 00 0411 40"])
def test_what_is_no_descriptor_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"descriptor|AudioSpecificConfig"):
        aac_configuration(bytes.fromhex(broken))
