"""The explorers of lesson 7."""

import io

import numpy
import torch
from torch import nn

from coursekit.visuals import explore


class _Net(nn.Sequential):
    """Two convolutions, averages, one linear layer."""

    def __init__(self):
        torch.manual_seed(0)
        super().__init__(
            nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True)),
            nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.ReLU()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        )


def _picture():
    return numpy.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=numpy.uint8)


def photograph():
    """Return a FileUpload's value as ipywidgets 8 gives it: a wider picture of another kind."""
    from PIL import Image

    written = io.BytesIO()
    noise = numpy.random.default_rng(1).integers(0, 256, (40, 60), dtype=numpy.uint8)
    Image.fromarray(noise).save(written, "PNG")
    return written.getvalue()


def _heat():
    classes = ("cats", "dogs", "foxes")
    return explore.grad_cam(_Net(), classes, _picture(), layers=["0", "1"], target="cats")


def _norm():
    torch.manual_seed(0)
    x, y = torch.rand(64, 3, 16, 16), torch.arange(64) % 4
    return explore.batch_norm(nn.BatchNorm2d, x, y, depth=4)


def field(layers):
    """The receptive field of (kernel, stride) a layer, as the lesson writes it."""
    field, step = 1, 1
    for kernel, stride in layers:
        field, step = field + (kernel - 1) * step, step * stride
    return field


EXPLORERS = {
    "grad_cam": (
        _heat,
        [{"layer": "0"}, {"target": "dogs"}, {"pooled": True}],
    ),
    "receptive_field": (
        lambda: explore.receptive_field(field, _picture().repeat(2, 0).repeat(2, 1)),
        [{"kernel": 5}, {"stride": 1}, {"depth": 4}, {"dilation": 2}, {"pooling": True}],
    ),
    "batch_norm": (_norm, [{"on": True}, {"scale": 2.0}, {"depth": 6}, {"lr": 1.0}]),
}
