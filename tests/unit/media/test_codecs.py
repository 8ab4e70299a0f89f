"""Codec strings from decoder configurations as encoders write them."""

from __future__ import annotations

import pytest

from headwater.media.codecs import aac_codec, avc_codec


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
    ("descriptor", "codec"),
    [
        # FFmpeg: lengths padded to four bytes
        (
            "0380808025 0001 00 0480808017 40 15 000000 0001f400 0001f400 0580808005 119056e500 068080800102",
            "mp4a.40.2",
        ),
        ("0319 0001 00 0411 40 15 000000 00000000 00000000 0502 1208 060102", "mp4a.40.2"),  # 44.1 kHz, mono
        ("0319 0001 00 0411 40 15 000000 00000000 00000000 0502 2b11 060102", "mp4a.40.5"),  # HE-AAC, said openly
        ("0319 0001 00 0411 40 15 000000 00000000 00000000 0502 f940 060102", "mp4a.40.42"),  # escaped: xHE-AAC
        ("0315 0001 00 040d 6b 15 000000 00000000 00000000 060102", "mp4a.6b"),  # MP3
        (
            "031e 0001 e0 0002 01 61 0003 0411 40 15 000000 00000000 00000000 0502 1190 060102",
            "mp4a.40.2",
        ),  # all options
    ],
)
def test_aac_takes_the_object_type_from_the_specific_configuration(descriptor: str, codec: str) -> None:
    assert aac_codec(bytes.fromhex(descriptor)) == codec


@pytest.mark.parametrize("broken", ["", "00", "0142", "ff42c01e"])
def test_what_is_no_configuration_record_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match="not an AVC"):
        avc_codec(bytes.fromhex(broken))


@pytest.mark.parametrize("broken", ["", "04", "03ffffffffff", "0304000100 04", "0319 0001 00 0411 40"])
def test_what_is_no_descriptor_is_refused(broken: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        aac_codec(bytes.fromhex(broken))
