"""Stage 4 · RFC 6381 codec strings, read from the decoder configuration itself and never guessed from a profile's name."""

from __future__ import annotations

from dataclasses import dataclass

_DECODER_CONFIG = 0x04
_DECODER_SPECIFIC_INFO = 0x05
_ES_DESCRIPTOR = 0x03
_MPEG4_AUDIO = 0x40
_ESCAPED_OBJECT_TYPE = 31
_EXPLICIT_RATE = 15
_SEVEN_POINT_ONE = 7  # channel configurations count channels, up to this one, which means eight
_SAMPLE_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


def avc_codec(configuration: bytes, sample_entry: str = "avc1") -> str:
    """`avc1.PPCCLL` from an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1). Raises ValueError."""
    if len(configuration) < 4 or configuration[0] != 1:
        raise ValueError("not an AVC decoder configuration record")
    return f"{sample_entry}.{configuration[1:4].hex()}"


@dataclass(frozen=True, slots=True)
class AacConfiguration:
    """`sample_rate` (Hz) and `channels` are 0 where the configuration leaves them to the sample entry."""

    codec: str
    sample_rate: int
    channels: int


def aac_configuration(descriptor: bytes) -> AacConfiguration:
    """What an ES_Descriptor (ISO/IEC 14496-1, 7.2.6.5) says of its audio; `codec` is `mp4a.40.N`, N the audio object type.

    It is more to be trusted than the sample entry around it, where FFmpeg writes two channels for mono too. Raises ValueError.
    """
    try:
        return _aac_configuration(descriptor)
    except IndexError:
        raise ValueError("an ES descriptor ends too early") from None


def _aac_configuration(descriptor: bytes) -> AacConfiguration:
    es = _payload(descriptor, _ES_DESCRIPTOR)
    flags = es[2]
    position = 3
    if flags & 0x80:
        position += 2  # depends on another stream
    if flags & 0x40:
        position += 1 + es[position]  # URL
    if flags & 0x20:
        position += 2  # clock reference
    config = _payload(es[position:], _DECODER_CONFIG)
    object_type_indication = config[0]
    if object_type_indication != _MPEG4_AUDIO:
        return AacConfiguration(f"mp4a.{object_type_indication:02x}", 0, 0)
    return _audio_specific_config(_payload(config[13:], _DECODER_SPECIFIC_INFO))


def _audio_specific_config(data: bytes) -> AacConfiguration:
    """ISO/IEC 14496-3, 1.6.2.1."""
    if len(data) < 2:
        raise ValueError("an AudioSpecificConfig has at least two bytes")
    bits = int.from_bytes(data[:8].ljust(8, b"\0"), "big")
    left = 64

    def take(count: int) -> int:
        nonlocal left
        left -= count
        return bits >> left & (1 << count) - 1

    object_type = take(5)
    if object_type == _ESCAPED_OBJECT_TYPE:
        object_type = 32 + take(6)
    rate_index = take(4)
    rate = take(24) if rate_index == _EXPLICIT_RATE else _SAMPLE_RATES[rate_index] if rate_index < 13 else 0
    layout = take(4)
    channels = 8 if layout == _SEVEN_POINT_ONE else layout if layout < _SEVEN_POINT_ONE else 0
    return AacConfiguration(f"mp4a.40.{object_type}", rate, channels)


def _payload(data: bytes, tag: int) -> bytes:
    """The payload of the descriptor that `data` begins with; its length is written seven bits a byte."""
    if not data or data[0] != tag:
        raise ValueError(f"no descriptor {tag:#04x} where one was expected")
    length = 0
    for position in range(1, 5):
        length = length << 7 | data[position] & 0x7F
        if not data[position] & 0x80:
            return data[position + 1 : position + 1 + length]
    raise ValueError("a descriptor's length is longer than four bytes")
