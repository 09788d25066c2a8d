"""The small backbone that comes with the course: a residual network, trained on drawings."""

from collections import OrderedDict
from pathlib import Path

from torch import nn

from coursekit.console import CourseError

MEAN, STD = (0.49, 0.49, 0.44), (0.22, 0.21, 0.22)  # of the drawings it was trained on
WEIGHTS = Path(__file__).with_name("backbone.safetensors")


class Block(nn.Module):
    """Two convolutions and a shortcut around them (arXiv 1512.03385).

    Args:
        inputs, outputs: channels in and out.
        stride: 2 halves height and width.
    """

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        """Return maps (B, outputs, h / stride, w / stride) of maps (B, inputs, h, w)."""
        inner = self.relu(self.norm1(self.conv1(x)))
        inner = self.norm2(self.conv2(inner))
        return self.relu(inner + self.shortcut(x))


class SmallResNet(nn.Sequential):
    """Normalized pictures (B, 3, H, W) to maps (B, 192, H / 16, W / 16), in five named stages."""

    channels = 192

    def __init__(self):
        stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
        )
        stages = {
            "stem": stem,
            "stage1": Block(32, 32, 1),
            "stage2": Block(32, 64, 2),
            "stage3": Block(64, 128, 2),
            "stage4": Block(128, self.channels, 2),
        }
        super().__init__(OrderedDict(stages))


def body(pretrained=True):
    """Return the backbone, for pictures of 64 to 224 pixels normalized with ``MEAN`` and ``STD``.

    Args:
        pretrained: False starts it from random weights.

    Raises:
        CourseError: the file of weights is missing or damaged.
    """
    net = SmallResNet()
    if pretrained:
        net.load_state_dict(_weights())
    return net


def _weights():
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CourseError(
            f"The bundled weights {WEIGHTS} cannot be read ({error}); install coursekit again."
        ) from error
    return {name: value.float() if value.is_floating_point() else value
            for name, value in stored.items()}  # fmt: skip
