"""Codec strings from decoder configurations as encoders write them."""

from __future__ import annotations

import pytest

from headwater.media.codecs import AacConfiguration, avc_codec


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
    ("configuration", "codec", "sample_rate", "channels"),
    [
        ("119056e500", "mp4a.40.2", 48_000, 2),
        ("1208", "mp4a.40.2", 44_100, 1),
        ("2b11", "mp4a.40.5", 24_000, 2),  # HE-AAC
        ("f94640", "mp4a.40.42", 48_000, 2),  # xHE-AAC
        ("1780bb8010", "mp4a.40.2", 96_000, 2),  # its rate in full
        ("11b8", "mp4a.40.2", 48_000, 8),  # 7.1
        ("1180", "mp4a.40.2", 48_000, 0),  # told elsewhere
    ],
)
def test_aac_takes_everything_from_the_specific_configuration(
    configuration: str, codec: str, sample_rate: int, channels: int
) -> None:
    aac = AacConfiguration.parse(bytes.fromhex(configuration))
    assert (aac.codec, aac.sample_rate, aac.channels) == (codec, sample_rate, channels)


@pytest.mark.parametrize("broken", ["", "00", "0142", "ff42c01e"])
def test_what_is_no_configuration_record_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match="not an AVC"):
        avc_codec(bytes.fromhex(broken))


@pytest.mark.parametrize("broken", ["", "12", "1680"])
def test_what_is_no_specific_configuration_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"AudioSpecificConfig|reserved"):
        AacConfiguration.parse(bytes.fromhex(broken))
