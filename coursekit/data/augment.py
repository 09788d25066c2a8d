"""Augmentation of a whole batch of pictures at once, on its device, a fresh draw per picture."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.data.batches import check_count


@checked
@dataclass(frozen=True)
class Augment:
    """Random changes of every picture of a batch, other ones in every epoch.

    Call it with (B, C, H, W) floats in 0..1; it returns the same shape. Each picture gets its own
    draw from torch's random numbers.

    Attributes:
        flip: mirror half of the pictures left to right.
        dihedral: draw one of the eight turns and mirrorings of a square instead (pictures taken
            from above have no upper side).
        rotate: turn by up to so many degrees, either way, 0 to 180.
        zoom: magnify by a factor between 1 and this one, about a point drawn at random; at most 10.
        brightness_contrast: change both by up to this fraction, 0 to 1.
    """

    flip: bool = True
    dihedral: bool = False
    rotate: float = 10.0
    zoom: float = 1.1
    brightness_contrast: float = 0.1

    def __post_init__(self) -> None:
        for name, low, high in (("rotate", 0, 180), ("zoom", 1, 10), ("brightness_contrast", 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise CourseError(f"{name}={value!r} is not between {low} and {high}.")

    def __call__(self, x: Tensor) -> Tensor:
        """Change a batch; a CourseError says where it is none, or not square for ``dihedral``."""
        if not isinstance(x, Tensor) or x.dim() != 4 or not x.is_floating_point():
            raise CourseError("Augment takes a batch of floats in 0..1, of shape (B, C, H, W).")
        if self.dihedral:
            _check_square(x)
        if self.dihedral or self.flip:
            x = torch.where(self._draw(x) < 0.5, x.flip(-1), x)
        if self.dihedral:
            x = torch.where(self._draw(x) < 0.5, x.flip(-2), x)
            x = torch.where(self._draw(x) < 0.5, x.transpose(-1, -2), x)
        if self.rotate or self.zoom != 1:
            x = self._warp(x)
        if self.brightness_contrast:
            contrast = 1 + self.brightness_contrast * (2 * self._draw(x) - 1)
            brightness = self.brightness_contrast * (self._draw(x) - 0.5)
            x = torch.addcmul(0.5 - 0.5 * contrast + brightness, x, contrast).clamp_(0, 1)
        return x

    @checked
    def tta_views(self, count: int) -> list[Callable[[Tensor], Tensor]]:
        """List ``count`` functions of a batch, for test-time augmentation.

        With ``dihedral`` they are the turns and mirrorings of a square that change it, each once
        and nothing else; without, each is this augmentation with its random draws.

        Raises:
            CourseError: ``count`` is 0 or less, or more than the seven of a square.
        """
        check_count("tta", count)
        if not self.dihedral:
            return [self] * count
        if count > 7:
            raise CourseError(f"A square has seven other symmetries, not {count}; use tta=7.")
        return [functools.partial(_turned, number=number) for number in range(1, count + 1)]

    @staticmethod
    def _draw(x: Tensor) -> Tensor:
        return torch.rand(len(x), 1, 1, 1, device=x.device)

    def _warp(self, x: Tensor) -> Tensor:
        """Turn and magnify: one affine map a picture, edges continued by reflection."""
        height, width = x.shape[-2:]
        draw = torch.rand(4, len(x), device=x.device)[:, :, None, None]  # (4, B, 1, 1)
        angle = (2 * draw[0] - 1) * self.rotate * torch.pi / 180
        shrink = 1 / (1 + (self.zoom - 1) * draw[1])  # the part of the picture that stays visible
        cosine, sine = angle.cos() * shrink, angle.sin() * shrink
        left, top = (2 * draw[2:] - 1) * (1 - shrink)
        across = (2 * torch.arange(width, device=x.device) + 1) / width - 1  # (W,) in -1..1
        down = ((2 * torch.arange(height, device=x.device) + 1) / height - 1)[:, None]  # (H, 1)
        ratio = height / width
        x_there = cosine * across - sine * ratio * down + left
        y_there = sine / ratio * across + cosine * down + top
        grid = torch.stack([x_there, y_there], -1)  # (B, H, W, 2); far cheaper than F.affine_grid
        edges = "reflection" if self.rotate else "border"  # a zoom alone never looks beyond
        return F.grid_sample(x, grid, padding_mode=edges, align_corners=False)


def _check_square(x: Tensor) -> None:
    if x.shape[-1] != x.shape[-2]:
        raise CourseError(
            f"Pictures of {x.shape[-1]} x {x.shape[-2]} have no eight symmetries; make them "
            "square, or use an augmentation without dihedral=True."
        )


def _turned(x: Tensor, *, number: int) -> Tensor:
    """The symmetry of (B, C, S, S) pictures with a number: mirrored from 4 on, then turned."""
    _check_square(x)
    return torch.rot90(x.flip(-1) if number >= 4 else x, number % 4, (-2, -1))


side_on = Augment()
top_down = Augment(dihedral=True)
