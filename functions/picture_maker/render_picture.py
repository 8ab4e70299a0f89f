"""Stage 7 · a picture that anybody sent → squares that we made ourselves. Nothing of the file itself survives.

What comes in is hostile until it is shown to be a picture: its format is one of four, whatever it calls itself, and its
dimensions are read and judged before a pixel is decoded, so that a small file cannot unfold into gigabytes; nor into minutes,
for which a JPEG need only go over all of its pixels again and again, at 50 bytes a time. What goes out
holds pixels and nothing else: no EXIF (and so no place where it was taken), no profile, no second frame.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence

from PIL import Image, ImageOps, UnidentifiedImageError

from headwater.domain.avatars import MAX_PIXELS

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
QUALITY = 82
MOST_SCANS = 100  # of a JPEG: encoders write about ten
_START_OF_SCAN = b"\xff\xda"  # ITU-T T.81 §B.1.1.3; never in what is encoded, where zero follows 0xFF
_TOO_LARGE = f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels. Make it smaller."


class UnusablePicture(Exception):
    """`str()` of it is for the person who sent the picture."""


def render_picture(body: bytes, sizes: Sequence[int], *, whole: bool = False) -> Mapping[int, bytes]:
    """The middle of the picture as WebP squares of `sizes` pixels; with `whole`, all of it, with nothing around what is not
    square. Raises UnusablePicture.
    """
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(body), formats=FORMATS) as opened:
            warnings.simplefilter("ignore")  # of metadata that is wrong; none of it is kept
            _check_size(opened)
            _check_scans(opened, body)
            opened.seek(0)
            opened.draft("RGB", (2 * max(sizes), 2 * max(sizes)))  # JPEG alone: decode no more than is needed
            upright = ImageOps.exif_transpose(opened)
            picture = upright.convert("RGBA" if whole or upright.has_transparency_data else "RGB")
    except UnusablePicture:
        raise
    except Image.DecompressionBombError:  # so large that Pillow itself will not open it
        raise UnusablePicture(_TOO_LARGE) from None
    except UnidentifiedImageError:
        raise UnusablePicture("This is not a JPEG, PNG, WebP or GIF picture.") from None
    except Exception as error:  # Pillow's decoders raise whatever a broken file makes them stumble over
        raise UnusablePicture("This picture is damaged and cannot be read.") from error
    return {size: _encoded(picture, size, whole=whole) for size in sizes}


def _check_size(opened: Image.Image) -> None:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise UnusablePicture(_TOO_LARGE)
    if min(width, height) < 16:
        raise UnusablePicture("This picture is too small: it needs at least 16 pixels each way.")


def _check_scans(opened: Image.Image, body: bytes) -> None:
    if opened.format == "JPEG" and body.count(_START_OF_SCAN) > MOST_SCANS:
        raise UnusablePicture("This picture is made in so many layers that it takes too long. Save it anew.")


def _encoded(picture: Image.Image, size: int, *, whole: bool) -> bytes:
    into_square = ImageOps.pad if whole else ImageOps.fit
    square = into_square(picture, (size, size), Image.Resampling.LANCZOS)
    clean = Image.new(square.mode, square.size)
    clean.paste(square)  # pixels only: `info` stays behind
    out = io.BytesIO()
    clean.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()
