"""Bytes of a picture, from anybody, to pixels: checked, turned upright, in RGB, small."""

from __future__ import annotations

import importlib.util
import io
import warnings
from typing import TYPE_CHECKING

from retrieval.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

# What Pillow reads by itself; no format that is run as a program, such as PostScript.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MOST_PIXELS = 64_000_000
"""Of a picture as it comes: what is larger is refused before a pixel of it is unpacked."""
SIDE = 320
"""Pixels of the longer side of a picture as it is kept; encoders look at less."""
_BYTES = 30_000  # of a picture as it is kept: 40,000 as a word, so that Milvus has room for text
_QUALITIES = (92, 80, 65, 45, 25)


def small_jpeg(data: bytes, most_pixels: int = MOST_PIXELS) -> bytes:
    """Return a picture as it is kept: upright, RGB, at most `SIDE` pixels long, as JPEG.

    A JPEG that is so already stays as it is, to the last byte. Of several frames the first counts;
    what is see-through lies on white.

    Args:
        data: A picture of one of `FORMATS`.
        most_pixels: Refuse what has more.

    Raises:
        InputError: It is no picture, damaged, or too large. Pillow is not installed.
    """
    picture, is_kept = _upright(data, most_pixels)
    if is_kept:
        return data
    for quality in _QUALITIES:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality)
        if stream.tell() <= _BYTES:
            break
    return stream.getvalue()


def open_jpeg(data: bytes) -> Image:
    """Return the pixels of a picture that `small_jpeg` made.

    Raises:
        InputError: It is none: somebody else made it.
    """
    return _upright(data, most_pixels=4 * SIDE * SIDE)[0]


def _upright(data: bytes, most_pixels: int) -> tuple[Image, bool]:
    """Return the pixels, small, and whether the data are what is to be kept of them."""
    _require_pillow()
    from PIL import Image as image, ImageOps, UnidentifiedImageError  # noqa: N813

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # odd metadata, which nobody reads here
            opened = image.open(io.BytesIO(data), formats=FORMATS)
            _require_size(opened.size, most_pixels)
            is_kept = (
                opened.format == "JPEG"
                and opened.mode == "RGB"
                and max(opened.size) <= SIDE
                and len(data) <= _BYTES
                and opened.getexif().get(0x0112, 1) == 1  # which way is up
            )
            opened.draft("RGB" if opened.mode == "RGB" else None, (2 * SIDE, 2 * SIDE))
            opened.load()
            turned = ImageOps.exif_transpose(opened)
            small = _on_white(turned)
            small.thumbnail((SIDE, SIDE), image.Resampling.BICUBIC)
    except (image.DecompressionBombError, image.DecompressionBombWarning):
        raise InputError(f"has more than {most_pixels:,} pixels") from None
    except UnidentifiedImageError:
        raise InputError(f"is no picture ({', '.join(FORMATS)})") from None
    except InputError:
        raise
    except Exception as error:  # a decoder of damaged data raises anything
        raise InputError(f"is a damaged picture ({type(error).__name__})") from None
    return small, is_kept


def _require_size(size: tuple[int, int], most_pixels: int) -> None:
    if size[0] * size[1] > most_pixels:
        raise InputError(f"has {size[0]:,} by {size[1]:,} pixels, more than {most_pixels:,}")


def _on_white(picture: Image) -> Image:
    if picture.mode == "P" or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode in ("RGBA", "LA", "PA"):
        whole = picture.convert("RGBA")
        from PIL import Image as image  # noqa: N813

        ground = image.new("RGBA", whole.size, "white")
        ground.alpha_composite(whole)
        return ground.convert("RGB")
    if picture.mode.startswith("I;16") or picture.mode == "I":  # 16 bits of gray
        return picture.point(lambda level: level / 256).convert("L").convert("RGB")
    return picture.convert("RGB")


def _require_pillow() -> None:
    if importlib.util.find_spec("PIL") is None:
        raise InputError("pictures need Pillow: pip install 'likewise[images]'")
