"""The one reader of pictures: training, display, upload and prediction see the same pixels."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy
from PIL import Image, ImageOps

from coursekit.console import CourseError, nearest, reason

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")  # told by content, whatever the file's name
RESIZES = ("crop", "squish")


def read_picture(picture: Any, *, size: int | None = None, resize: str = "crop") -> Image.Image:
    """Read a picture as upright 8-bit RGB, resized to a square where ``size`` is given.

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
    check_choice("resize", resize, RESIZES)
    try:
        opened = _opened(picture, size)
        with contextlib.suppress(Exception):  # damaged EXIF asks for nothing
            ImageOps.exif_transpose(opened, in_place=True)
        rgb = _rgb(opened)
        rgb.info.clear()  # its orientation, which is applied now
        if size is None:
            return rgb
        if resize == "squish":
            return rgb.resize((size, size), Image.Resampling.BILINEAR)
        return ImageOps.fit(rgb, (size, size), Image.Resampling.BILINEAR)
    except CourseError:
        raise
    except Exception as error:  # decoders raise many kinds
        name = picture if isinstance(picture, (str, Path)) else "This file"
        why = why_unreadable(error)
        message = f"{name} cannot be read as a picture ({why}); give a JPEG or PNG file."
        raise CourseError(message) from error


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise a CourseError where the argument ``name`` has none of the known values."""
    if value not in choices:
        known = " or ".join(map(repr, choices))
        raise CourseError(f"{name}={value!r} is not known; use {known}.{nearest(value, choices)}")


def why_unreadable(error: BaseException) -> str:
    """Say in a few words why a picture could not be read."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is no picture"
    if isinstance(error, Image.DecompressionBombError):
        return "it has too many pixels"
    return reason(error)


def _opened(picture: Any, size: int | None) -> Image.Image:
    """Open and decode a picture; one that is a ``PIL.Image`` already is copied."""
    if isinstance(picture, Image.Image):
        return picture.copy()
    if not isinstance(picture, (str, Path, bytes)):
        return _from_array(picture)
    file = io.BytesIO(picture) if isinstance(picture, bytes) else picture
    with Image.open(file, formats=FORMATS) as opened:
        if size is not None:
            opened.draft("RGB", (size, size))  # a JPEG is decoded at 1/2, 1/4 or 1/8: much faster
        opened.load()
        return opened


def _from_array(array: Any) -> Image.Image:
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = (array.float() if array.is_floating_point() else array).numpy()
    array = numpy.asarray(array)
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)  # (3, H, W), as networks take it
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise CourseError(f"Give one picture, of shape (height, width, 3), not {array.shape}.")
    if array.dtype.kind in "fb":
        array = (numpy.nan_to_num(array).clip(0, 1) * 255).round()
    if array.dtype != numpy.uint16:  # which has 16 bits of grey, as a file may have
        array = array.clip(0, 255).astype(numpy.uint8)
    return Image.fromarray(array)


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
