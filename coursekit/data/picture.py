"""The one reader of pictures: training, display, upload and prediction see the same pixels."""

from __future__ import annotations

import contextlib
import io
import threading
from pathlib import Path
from typing import Any

import numpy
from PIL import Image, ImageOps

from coursekit.arguments import checked
from coursekit.console import CourseError, choose, reason

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")  # told by content, whatever the file's name
RESIZES = ("crop", "squish")
MOST_PIXELS = 75_000_000  # at the size that is decoded: a JPEG may be decoded smaller
LARGE = 12_000_000  # pixels; larger ones are decoded one at a time, since each takes up to 1 GB
_one_large = threading.Lock()


@checked
def read_picture(picture: Any, *, size: int | None = None, resize: str = "crop") -> Image.Image:
    """Read a picture as upright 8-bit RGB, made a square where ``size`` is given.

    The EXIF orientation is applied, transparency is laid on white, 16-bit and float greys are
    scaled to 8 bits, CMYK and palettes are converted, and an animation gives its first frame.

    Args:
        picture: a path, the bytes of a file, a ``PIL.Image``, or an array or tensor: bytes or
            floats in 0..1, of shape (H, W), (H, W, 1), (H, W, 3), (H, W, 4) or (3, H, W).
        size: side of the square in pixels; None keeps the shape.
        resize: "crop" cuts the middle square out, "squish" keeps everything and changes the shape.

    Returns:
        PIL.Image.Image: mode RGB.

    Raises:
        CourseError: there is no such file, it is no picture of the formats that the course reads
            (JPEG, PNG, GIF, BMP, WebP, TIFF), it is damaged, or it has too many pixels.
    """
    if size is not None:
        check_size(size)
    choose("resize", resize, RESIZES)
    try:
        if isinstance(picture, Image.Image):
            return _square(picture.copy(), size, resize)
        file = picture
        if isinstance(picture, (str, Path)):
            file = Path(picture).expanduser()
            if not file.is_file():  # a pipe would be waited for
                raise CourseError(f"There is no picture file {picture}; check the path.")
        elif isinstance(picture, (bytes, bytearray, memoryview)):
            file = io.BytesIO(picture)
        else:
            return _square(_from_array(picture), size, resize)
        with Image.open(file, formats=FORMATS) as opened:
            if size is not None:
                opened.draft("RGB", (size, size))  # a JPEG at 1/2, 1/4 or 1/8: much faster
            pixels = opened.width * opened.height
            if pixels > MOST_PIXELS:
                raise Image.DecompressionBombError
            with _one_large if pixels > LARGE else contextlib.nullcontext():
                return _square(opened, size, resize)
    except CourseError:
        raise
    except Exception as error:  # decoders raise many kinds
        name = picture if isinstance(picture, (str, Path)) else "This file"
        why = why_unreadable(error)
        message = f"{name} cannot be read as a picture ({why}); give a JPEG or PNG file."
        raise CourseError(message) from error


def check_size(size: int) -> None:
    """Raise a CourseError where ``size`` is no side of a picture in pixels."""
    if not 1 <= size <= 4096:
        raise CourseError(f"size={size!r} makes no picture; give a side in pixels, such as 224.")


def why_unreadable(error: BaseException) -> str:
    """Say in a few words why a picture could not be read."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is no picture"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MOST_PIXELS // 10**6} million pixels"
    return reason(error)


def _square(opened: Image.Image, size: int | None, resize: str) -> Image.Image:
    """Decode, turn upright, and make a square where ``size`` is given."""
    opened.load()
    with contextlib.suppress(Exception):  # damaged EXIF asks for nothing
        ImageOps.exif_transpose(opened, in_place=True)
    rgb = _rgb(opened)
    rgb.info.clear()  # its orientation, which is applied now
    if size is None:
        return rgb
    if resize == "squish":
        return rgb.resize((size, size), Image.Resampling.BILINEAR)
    return ImageOps.fit(rgb, (size, size), Image.Resampling.BILINEAR)


def _from_array(array: Any) -> Image.Image:
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = (array.float() if array.is_floating_point() else array).numpy()
    array = numpy.asarray(array)
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)  # (3, H, W), as networks take it
    array = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise CourseError(f"Give one picture, of shape (height, width, 3), not {array.shape}.")
    if array.dtype in (numpy.uint8, numpy.uint16):  # bytes, or 16 bits of grey as a file may have
        return Image.fromarray(array)
    array = numpy.nan_to_num(array)
    white, low, high = 1 if array.dtype.kind in "fb" else 255, array.min(), array.max()
    if low < -0.02 * white or high > 1.02 * white:
        raise CourseError(
            f"{array.dtype} pictures go from 0 to {white}, and this array from {low:.4g} to "
            f"{high:.4g}; use (x - x.min()) / (x.max() - x.min()), say."
        )
    return Image.fromarray((array.clip(0, white) * (255 / white)).round().astype(numpy.uint8))


def _rgb(picture: Image.Image) -> Image.Image:
    """Copy a picture of any mode as RGB, what is transparent as white."""
    if picture.mode[0] in "IF":
        picture = _grey_bytes(picture)
    elif picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")


def _grey_bytes(picture: Image.Image) -> Image.Image:
    """Scale greys of 16 or 32 bits to 8; white is 65,535, or the first usual maximum that fits."""
    values = numpy.nan_to_num(numpy.asarray(picture, numpy.float32), posinf=0, neginf=0)
    white = 65_535
    if not picture.mode.startswith("I;16"):
        scales = (*([1] if picture.mode == "F" else []), 255, 65_535, values.max())
        white = next(scale for scale in scales if values.max() <= scale)
    return Image.fromarray((values * (255 / white) + 0.5).clip(0, 255).astype(numpy.uint8))
