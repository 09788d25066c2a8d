"""Augmentation of a whole batch of pictures at once, on its device, a fresh draw per picture."""

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from coursekit.console import CourseError

NOT_SQUARE = (
    "Pictures of {} x {} have no eight symmetries; make them square, or use an augmentation "
    "without dihedral=True."
)


@dataclass(frozen=True)
class Augment:
    """Change every picture of a batch a little, so that the network never sees the same one twice.

    Call it with (B, C, H, W) floats in 0..1; it returns the same shape. Each picture gets its own
    draw from torch's random numbers.

    Attributes:
        flip: mirror half of the pictures left to right.
        dihedral: draw one of the eight turns and mirrorings of a square instead (pictures taken
            from above have no upper side).
        rotate: turn by up to so many degrees, either way.
        zoom: magnify by a factor between 1 and this one, about a point drawn at random.
        brightness_contrast: brightness and contrast change by up to this share.
    """

    flip: bool = True
    dihedral: bool = False
    rotate: float = 10.0
    zoom: float = 1.1
    brightness_contrast: float = 0.1

    def __call__(self, x):
        """Return (B, C, H, W) floats in 0..1, each picture changed by a draw of its own."""
        if self.dihedral:
            x = self._symmetry(x)
        elif self.flip:
            mirrored = self._draw(x) < 0.5
            x = torch.where(mirrored, x.flip(-1), x)
        if self.rotate or self.zoom != 1:
            x = self._warp(x)
        if self.brightness_contrast:
            contrast = 1 + self.brightness_contrast * (2 * self._draw(x) - 1)
            brightness = self.brightness_contrast * (self._draw(x) - 0.5)
            x = ((x - 0.5) * contrast + 0.5 + brightness).clamp(0, 1)
        return x

    def tta_views(self, count):
        """Return ``count`` functions of a batch, for test-time augmentation.

        With ``dihedral`` they are the turns and mirrorings of a square that change it, each once
        and nothing else; without, each is this augmentation with its random draws.

        Raises:
            CourseError: more than the seven versions of a square are asked for.
        """
        if not self.dihedral:
            return [self] * count
        if count > 7:
            raise CourseError(
                f"A square has seven other symmetries, not {count}; use tta=7, or fewer."
            )
        ways = [(number % 4, number >= 4) for number in range(1, count + 1)]
        return [functools.partial(_turned, quarters=q, mirrored=m) for q, m in ways]

    @staticmethod
    def _draw(x):
        return torch.rand(len(x), 1, 1, 1, device=x.device)

    def _symmetry(self, x):
        if x.shape[-1] != x.shape[-2]:
            raise CourseError(NOT_SQUARE.format(*x.shape[:-3:-1]))
        x = torch.where(self._draw(x) < 0.5, x.flip(-1), x)
        x = torch.where(self._draw(x) < 0.5, x.flip(-2), x)
        return torch.where(self._draw(x) < 0.5, x.transpose(-1, -2), x)

    def _warp(self, x):
        """Turn and magnify: one affine map a picture, edges continued by reflection."""
        count, _, height, width = x.shape
        draw = torch.rand(4, count, device=x.device)
        angle = (2 * draw[0] - 1) * self.rotate * torch.pi / 180
        shrink = 1 / (1 + (self.zoom - 1) * draw[1])  # the part of the picture that stays visible
        cosine, sine = angle.cos() * shrink, angle.sin() * shrink
        ratio = height / width
        theta = torch.stack(
            [
                torch.stack([cosine, -sine * ratio, (2 * draw[2] - 1) * (1 - shrink)], 1),
                torch.stack([sine / ratio, cosine, (2 * draw[3] - 1) * (1 - shrink)], 1),
            ],
            1,
        )
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _turned(x, *, quarters, mirrored):
    """Return (B, C, S, S) pictures mirrored left to right, then turned by quarters."""
    if x.shape[-1] != x.shape[-2]:
        raise CourseError(NOT_SQUARE.format(*x.shape[:-3:-1]))
    return torch.rot90(x.flip(-1) if mirrored else x, quarters, (-2, -1))


side_on = Augment()
top_down = Augment(dihedral=True)
