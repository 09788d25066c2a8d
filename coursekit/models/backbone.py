"""The small backbone that comes with the course: a residual network trained on drawings."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from coursekit.console import CourseError

MEAN, STD = (0.49, 0.49, 0.44), (0.22, 0.21, 0.22)  # of the drawings it was trained on
WEIGHTS = Path(__file__).with_name("backbone.safetensors")


class Block(nn.Module):
    """Residual block: two convolutions and a shortcut (arXiv:1512.03385); stride 2 halves sides."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, h, w) to (B, out_channels, h / stride, w / stride)."""
        residual = self.relu(self.norm1(self.conv1(x)))  # (B, out_channels, h / stride, ...)
        residual = self.norm2(self.conv2(residual))
        return self.relu(residual + self.shortcut(x))


class SmallResNet(nn.Sequential):
    """Five named stages: normalized pictures (B, 3, H, W) to maps (B, 192, H / 16, W / 16)."""

    channels = 192

    def __init__(self) -> None:
        stem = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        stages = {
            "stem": nn.Sequential(stem, nn.BatchNorm2d(32), nn.ReLU(inplace=True)),
            "stage1": Block(32, 32, 1),
            "stage2": Block(32, 64, 2),
            "stage3": Block(64, 128, 2),
            "stage4": Block(128, self.channels, 2),
        }
        super().__init__(OrderedDict(stages))


def body(pretrained: bool = True) -> SmallResNet:
    """Build the backbone, for pictures of 64 to 224 pixels normalized with ``MEAN`` and ``STD``."""
    net = SmallResNet()
    if pretrained:
        try:
            net.load_state_dict(load_file(WEIGHTS))  # stored as float16, copied into float32
        except (OSError, SafetensorError) as error:
            raise CourseError(
                f"The bundled weights {WEIGHTS} cannot be read ({error}); install coursekit again."
            ) from error
    return net
