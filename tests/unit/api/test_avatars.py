"""Pictures that anybody may send: what becomes of good ones, and that bad ones harm nobody."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, features

from functions.picture_maker.render_picture import UnusablePicture, render_picture
from headwater.domain.avatars import SIZES, upload_of
from headwater.domain.ids import UserId, new_id
from headwater.media.object_keys import avatar_upload

RED, BLUE = (255, 0, 0), (0, 0, 255)


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def opened(body: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(body))
    picture.load()
    return picture


def is_about(found: object, wanted: tuple[int, int, int]) -> bool:
    return isinstance(found, tuple) and all(abs(a - b) < 40 for a, b in zip(found[:3], wanted, strict=True))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_picture_becomes_squares_of_every_size(form: str) -> None:
    assert features.check("webp")
    rendered = render_picture(encoded(Image.new("RGB", (640, 360), RED), form), SIZES)
    for size, body in rendered.items():
        made = opened(body)
        assert (made.format, made.size) == ("WEBP", (size, size))
        assert is_about(made.convert("RGB").getpixel((size // 2, size // 2)), RED)
    assert set(rendered) == set(SIZES)


def test_a_small_file_does_not_take_minutes() -> None:
    """Each scan of a progressive JPEG goes over the whole picture, and an empty one is 50 bytes long."""
    good = encoded(Image.new("L", (320, 320), 128), "JPEG", progressive=True)
    last_scan = good[good.rindex(b"\xff\xc4", 0, good.rindex(b"\xff\xda")) : -2]
    assert set(render_picture(good, SIZES)) == set(SIZES)
    with pytest.raises(UnusablePicture, match="too long"):
        render_picture(good[:-2] + last_scan * 200 + good[-2:], SIZES)


def test_what_the_file_says_about_itself_does_not_survive_but_the_way_it_is_held_counts() -> None:
    picture = Image.new("RGB", (400, 400), RED)
    picture.paste(BLUE, (0, 0, 400, 200))  # blue above red, as the sensor saw it
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    exif[0x010F] = "A maker of cameras"
    gps = exif.get_ifd(0x8825)
    gps[2] = (43.0, 7.0, 12.0)
    body = encoded(picture, "JPEG", exif=exif, icc_profile=b"profile", comment=b"A comment", quality=95)
    made = render_picture(body, (64,))[64]
    for said in (b"A maker", b"A comment", b"EXIF", b"ICCP", b"XMP"):
        assert said not in made
    shown = opened(made).convert("RGB")
    assert is_about(shown.getpixel((32, 8)), RED)
    assert is_about(shown.getpixel((32, 56)), BLUE)


def test_of_an_animation_the_first_frame_is_kept() -> None:
    frames = [Image.new("RGB", (80, 80), colour) for colour in (RED, BLUE)]
    for form in ("GIF", "WEBP", "PNG"):
        body = encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=100)
        made = opened(render_picture(body, (64,))[64])
        assert getattr(made, "n_frames", 1) == 1
        assert is_about(made.convert("RGB").getpixel((32, 32)), RED)


def test_what_is_transparent_stays_so() -> None:
    made = opened(render_picture(encoded(Image.new("RGBA", (80, 80), (0, 0, 0, 0)), "PNG"), (64,))[64])
    assert made.mode == "RGBA"
    pixel = made.getpixel((32, 32))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


def png_bomb(width: int, height: int) -> bytes:
    """A few kilobytes that say they are gigabytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "not a JPEG", id="empty"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "not a JPEG", id="svg"),
        pytest.param(encoded(Image.new("RGB", (64, 64)), "TIFF"), "not a JPEG", id="tiff"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", "not a JPEG", id="postscript"),
        pytest.param(encoded(Image.new("RGB", (64, 64), RED), "PNG")[:60], "damaged|not a JPEG", id="cut off"),
        pytest.param(encoded(Image.new("RGB", (640, 640), RED), "JPEG")[:400], "damaged", id="cut off jpeg"),
        pytest.param(png_bomb(50_000, 50_000), "million pixels", id="bomb"),
        pytest.param(png_bomb(1_000_000, 41), "million pixels", id="ribbon"),
        pytest.param(encoded(Image.new("RGB", (8, 8)), "PNG"), "too small", id="small"),
    ],
)
def test_what_is_no_usable_picture_is_refused_with_words_for_its_sender(body: bytes, reason: str) -> None:
    with pytest.raises(UnusablePicture, match=reason):
        render_picture(body, SIZES)


def test_whose_an_upload_is_follows_from_its_key_alone() -> None:
    user_id, upload_id = UserId(new_id()), new_id()
    assert upload_of(avatar_upload(user_id, upload_id)) == (user_id, upload_id)
    for other in ("", "avatars", f"avatars/{user_id}", f"exports/{user_id}/{upload_id}", f"avatars/../{upload_id}"):
        assert upload_of(other) is None
