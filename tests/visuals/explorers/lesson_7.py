"""The explorers of lesson 7."""

import torch
from torch import nn

from coursekit.visuals import explore
from tests.visuals.explorers.lesson_1 import picture


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


def _heat():
    classes = ("cats", "dogs", "foxes")
    return explore.grad_cam(_Net(), classes, picture(side=24), layers=["0", "1"], target="cats")


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
        lambda: explore.receptive_field(field, picture()),
        [{"kernel": 5}, {"stride": 1}, {"depth": 4}, {"dilation": 2}, {"pooling": True}],
    ),
    "batch_norm": (_norm, [{"on": True}, {"scale": 2.0}, {"depth": 6}, {"lr": 1.0}]),
}
