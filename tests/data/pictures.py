"""Small pictures for tests, drawn and saved."""

import numpy
from PIL import Image


def drawn(width=40, height=40, seed=0, cells=4):
    """Draw a smooth picture, different for every seed, whose corners differ."""
    noise = numpy.random.default_rng(seed).integers(0, 256, (cells, cells, 3), numpy.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def save(picture, file, **options):
    """Save a picture, its folder made where need be; return the path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, **options)
    return file


def pixels(picture):
    """Numbers of a picture that can be subtracted: (H, W, 3) int."""
    return numpy.asarray(picture).astype(int)
