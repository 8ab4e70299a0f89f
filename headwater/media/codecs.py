"""Stage 4 · RFC 6381 codec strings, read from the decoder configuration itself and never guessed from a profile's name."""

from __future__ import annotations

from dataclasses import dataclass

AAC_LC = 2
_ESCAPED_OBJECT_TYPE = 31
_EXPLICIT_RATE = 15
_SEVEN_POINT_ONE = 7  # channel configurations count channels, up to this one, which means eight
_SAMPLE_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


def avc_codec(configuration: bytes) -> str:
    """`avc1.PPCCLL` from an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1). Raises ValueError."""
    if len(configuration) < 4 or configuration[0] != 1:
        raise ValueError("not an AVC decoder configuration record")
    return f"avc1.{configuration[1:4].hex()}"


@dataclass(frozen=True, slots=True)
class AacConfiguration:
    """AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). `channels` is 0 where they are told elsewhere in the stream."""

    object_type: int
    sample_rate: int  # Hz
    channels: int

    @property
    def codec(self) -> str:
        return f"mp4a.40.{self.object_type}"

    @classmethod
    def parse(cls, configuration: bytes) -> AacConfiguration:
        """Raises ValueError."""
        if len(configuration) < 2:
            raise ValueError("a truncated AudioSpecificConfig")
        bits = int.from_bytes(configuration[:8].ljust(8, b"\0"), "big")
        left = 64

        def take(count: int) -> int:
            nonlocal left
            left -= count
            return bits >> left & (1 << count) - 1

        object_type = take(5)
        if object_type == _ESCAPED_OBJECT_TYPE:
            object_type = 32 + take(6)
        rate_index = take(4)
        if rate_index == _EXPLICIT_RATE:
            rate = take(24)
        elif rate_index < len(_SAMPLE_RATES):
            rate = _SAMPLE_RATES[rate_index]
        else:
            raise ValueError("a reserved sampling frequency")
        layout = take(4)
        channels = 8 if layout == _SEVEN_POINT_ONE else layout if layout < _SEVEN_POINT_ONE else 0
        return cls(object_type, rate, channels)
