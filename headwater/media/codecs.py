"""Stage 4 · RFC 6381 codec strings, read from the decoder configuration itself and never guessed from a profile's name."""

from __future__ import annotations

_DECODER_CONFIG = 0x04
_DECODER_SPECIFIC_INFO = 0x05
_ES_DESCRIPTOR = 0x03
_ESCAPED_OBJECT_TYPE = 31


def avc_codec(configuration: bytes, sample_entry: str = "avc1") -> str:
    """`avc1.PPCCLL` from an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1). Raises ValueError."""
    if len(configuration) < 4 or configuration[0] != 1:
        raise ValueError("not an AVC decoder configuration record")
    return f"{sample_entry}.{configuration[1:4].hex()}"


def aac_codec(descriptor: bytes) -> str:
    """`mp4a.40.N` from an ES_Descriptor (ISO/IEC 14496-1, 7.2.6.5), N being the audio object type. Raises ValueError."""
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
    if object_type_indication != 0x40:
        return f"mp4a.{object_type_indication:02x}"
    specific = _payload(config[13:], _DECODER_SPECIFIC_INFO)
    object_type = specific[0] >> 3
    if object_type == _ESCAPED_OBJECT_TYPE:
        object_type = 32 + ((specific[0] & 0x07) << 3 | specific[1] >> 5)
    return f"mp4a.40.{object_type}"


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
