"""Stage 4, in · what an H.264 decoder configuration says about the picture (ISO/IEC 14496-15, 5.3.3; ITU-T H.264, 7.3.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

_PROFILES_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
# Table E-1: sample aspect ratios 1 to 16
_ASPECTS = (
    (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11),
    (80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip
_EXTENDED_ASPECT = 255
_MAX_SIDE = 16_384


class MalformedConfiguration(ValueError):
    """The sequence header cannot be read, so the stream cannot be decoded either."""


@dataclass(frozen=True, slots=True)
class AvcConfiguration:
    profile: int
    width: int  # luma samples after cropping
    height: int
    bit_depth: int
    chroma_format: int  # 1 is 4:2:0
    interlaced: bool
    sample_aspect: tuple[int, int]
    frame_rate: float | None  # from the VUI, when it says so

    @property
    def is_8_bit_420(self) -> bool:
        return self.bit_depth == 8 and self.chroma_format == 1


def parse_configuration(record: bytes) -> AvcConfiguration:
    """An AVCDecoderConfigurationRecord. Raises MalformedConfiguration."""
    try:
        if record[0] != 1 or record[5] & 0x1F == 0:
            raise MalformedConfiguration("no sequence parameter set")
        length = int.from_bytes(record[6:8], "big")
        sps = record[8 : 8 + length]
        if len(sps) != length or sps[0] & 0x1F != 7:
            raise MalformedConfiguration("a broken sequence parameter set")
        return _parse_sps(sps)
    except IndexError as error:
        raise MalformedConfiguration("a truncated sequence header") from error


def _parse_sps(sps: bytes) -> AvcConfiguration:
    bits = _Bits(sps[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile = bits.read(8)
    bits.read(16)  # constraint flags, level
    bits.golomb()  # seq_parameter_set_id
    chroma_format, bit_depth, separate_planes = 1, 8, False
    if profile in _PROFILES_WITH_CHROMA:
        chroma_format = bits.golomb()
        if chroma_format == 3:
            separate_planes = bool(bits.read(1))
        bit_depth = max(8 + bits.golomb(), 8 + bits.golomb())
        bits.read(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.read(1):
            _skip_scaling_lists(bits, 8 if chroma_format != 3 else 12)
    bits.golomb()  # log2_max_frame_num_minus4
    order_type = bits.golomb()
    if order_type == 0:
        bits.golomb()
    elif order_type == 1:
        bits.read(1)
        bits.golomb()
        bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb()  # max_num_ref_frames
    bits.read(1)  # gaps_in_frame_num_value_allowed_flag
    width = (bits.golomb() + 1) * 16
    height_units = bits.golomb() + 1
    frames_only = bits.read(1)
    if not frames_only:
        bits.read(1)  # mb_adaptive_frame_field_flag
    height = height_units * 16 * (2 - frames_only)
    bits.read(1)  # direct_8x8_inference_flag
    if bits.read(1):
        planes = 0 if separate_planes else chroma_format
        unit_x = 2 if planes in (1, 2) else 1
        unit_y = (2 if planes == 1 else 1) * (2 - frames_only)
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise MalformedConfiguration(f"a picture of {width}x{height}")
    aspect, frame_rate = _parse_vui(bits) if bits.read(1) else ((1, 1), None)
    return AvcConfiguration(profile, width, height, bit_depth, chroma_format, not frames_only, aspect, frame_rate)


def _skip_scaling_lists(bits: _Bits, count: int) -> None:
    for index in range(count):
        if not bits.read(1):
            continue
        last, following = 8, 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed_golomb()) % 256
            last = following or last


def _parse_vui(bits: _Bits) -> tuple[tuple[int, int], float | None]:
    """Sample aspect and frame rate. A VUI that breaks off is one that says nothing: decoders take it so, too."""
    aspect, frame_rate = (1, 1), None
    try:
        if bits.read(1):
            number = bits.read(8)
            if number == _EXTENDED_ASPECT:
                aspect = (bits.read(16), bits.read(16))
            elif 1 <= number <= len(_ASPECTS):
                aspect = _ASPECTS[number - 1]
        if bits.read(1):
            bits.read(1)  # overscan_appropriate_flag
        if bits.read(1):
            bits.read(4)  # video_format, video_full_range_flag
            if bits.read(1):
                bits.read(24)  # colour primaries, transfer, matrix
        if bits.read(1):
            bits.golomb()
            bits.golomb()  # chroma sample locations
        if bits.read(1):
            units, scale = bits.read(32), bits.read(32)
            if units and 1 <= scale / units / 2 <= 240:
                frame_rate = scale / units / 2  # a tick is a field
    except IndexError:
        pass
    return (aspect if all(aspect) else (1, 1)), frame_rate


class _Bits:
    """Big-endian bits. Raises IndexError at the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | (self._data[self._at >> 3] >> (7 - (self._at & 7)) & 1)
            self._at += 1
        return value

    def golomb(self) -> int:
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise IndexError(zeros)
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        code = self.golomb()
        return (code + 1) // 2 if code & 1 else -(code // 2)
