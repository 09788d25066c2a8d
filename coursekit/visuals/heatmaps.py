"""Where a network looks: class activation maps at any layer, laid over the picture."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy
import torch

from coursekit.console import CourseError
from coursekit.data.picture import read_picture
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.layers import eval_mode, outputs_of
from coursekit.visuals.pictures import draw_grid, draw_picture
from coursekit.visuals.style import (
    COLORS,
    counted,
    fit_text,
    labeled_rows,
    sentence,
    use_style,
)


class Gradients:
    """Outputs of some layers for pictures, and the gradients of class scores with respect to them.

    The pictures go through the network once, and back once for each class.

    Args:
        model: a network that gives scores (B, classes).
        x: pictures (B, 3, H, W), as the network takes them.
        layers: names of layers that give maps (B, C, h, w), as in ``model.named_modules()``.

    Raises:
        CourseError: there is no such layer, or it gives no maps.
    """

    def __init__(self, model: torch.nn.Module, x: torch.Tensor, layers: Sequence[str]) -> None:
        x = x.detach().clone().requires_grad_(True)  # or a frozen body would give no gradients
        with eval_mode(model), torch.enable_grad():
            self._scores, self._outputs = outputs_of(model, layers, x)
        for name, output in self._outputs.items():
            if not isinstance(output, torch.Tensor) or output.dim() != 4:
                raise CourseError(f"{name!r} gives no maps (B, C, h, w); name a convolution.")
        self.probabilities = self._scores.detach().float().softmax(1).cpu().numpy()

    @torch.enable_grad()
    def heat(self, target: Any = None, *, pooled: bool = True) -> dict[str, torch.Tensor]:
        """Compute {layer: map (B, h, w)} of a class; the arguments are those of ``heat_map``."""
        scores, count = self._scores, self._scores.shape[1]
        target = scores.argmax(1) if target is None else torch.as_tensor(target).to(scores.device)
        if target.min() < 0 or target.max() >= count:
            raise CourseError(
                f"There is no class {target.tolist()}; this network has {count}, numbered from 0."
            )
        chosen = scores.gather(1, target.expand(len(scores)).view(-1, 1)).sum()
        outputs = list(self._outputs.values())
        heat = {}
        gradients = torch.autograd.grad(chosen, outputs, retain_graph=True)
        for (name, maps), gradient in zip(self._outputs.items(), gradients, strict=True):
            gradient = gradient.float()
            weights = gradient.mean((2, 3), keepdim=True) if pooled else gradient
            heat[name] = (weights * maps.detach().float()).sum(1).relu()
        return heat


def heat_map(
    model: torch.nn.Module, x: torch.Tensor, target: Any = None, *, layer: str, pooled: bool = True
) -> torch.Tensor:
    """Class activation map: how much each location of a layer's feature maps raises a class score.

    Args:
        model: a network that gives scores (B, classes).
        x: pictures (B, 3, H, W), as the network takes them.
        target: number of a class, or one for each picture (B,); None takes each picture's best.
        layer: name of a layer that gives maps (B, C, h, w), as in ``model.named_modules()``.
        pooled: True weights each channel by its mean gradient (Grad-CAM, arXiv:1610.02391); False
            weights each place by the gradient there (HiResCAM, arXiv:2011.08891).

    Returns:
        (B, h, w) float32, 0 where nothing raises the score.

    Raises:
        CourseError: there is no such layer or class, or the layer gives no maps.
    """
    return Gradients(model, x, [layer]).heat(target, pooled=pooled)[layer]


def enlarge(maps: torch.Tensor, size: int | tuple[int, int]) -> torch.Tensor:
    """Enlarge maps (B, h, w) smoothly to (B, height, width); ``size``: one side, or both."""
    size = (size, size) if isinstance(size, int) else size
    how: Any = {"mode": "bilinear", "align_corners": False}
    return torch.nn.functional.interpolate(maps[:, None].float(), size, **how)[:, 0]


def overlay(picture: Any, heat: Any) -> numpy.ndarray:
    """Lay a heat map over a picture made grey: (H, W, 3) bytes.

    Args:
        picture: anything that ``ck.show_pictures`` takes.
        heat: (h, w) numbers from 0; scaled so that the hottest place is 1.
    """
    from matplotlib import colormaps

    array = numpy.asarray(read_picture(picture)) / 255
    heat = enlarge(torch.as_tensor(heat)[None].clamp(min=0), array.shape[:2])[0].cpu().numpy()
    heat = (heat / max(heat.max(), 1e-12))[:, :, None]
    opacity, color = 0.75 * heat**0.5, colormaps["inferno"](heat[:, :, 0])[:, :, :3]
    mixed = array.mean(2, keepdims=True) * (1 - opacity) + color * opacity
    return (mixed * 255).round().astype(numpy.uint8)


@use_style()
def show_heat(
    pictures: Sequence[Any],
    maps: Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 6,
    height: float = 1.65,
) -> numpy.ndarray:
    """Draw pictures with their heat maps laid over them; arguments as for ``ck.show_pictures``.

    Args:
        maps: one heat map (h, w) for each picture.

    Raises:
        CourseError: pictures, maps and titles differ in number.
    """
    if len(pictures) != len(maps):
        raise CourseError(
            f"There are {counted(len(pictures), 'picture')} and {counted(len(maps), 'heat map')}; "
            "give one map for each picture."
        )
    laid = [overlay(picture, heat) for picture, heat in zip(pictures, maps, strict=True)]
    drawn = draw_grid(laid, titles, columns=min(columns, len(maps)), height=height)
    within = []  # the fraction of the places that holds half of the heat
    for heat in maps:
        ordered = torch.as_tensor(heat).flatten().float().sort(descending=True).values
        half = (ordered.cumsum(0) < 0.5 * ordered.sum()).sum().item() + 1
        within.append(half / ordered.numel())
    low, high = f"{min(within):.0%}", f"{max(within):.0%}"
    span = low if low == high else f"{low} to {high}"
    print(f"{counted(len(maps), 'heat map')}: half of the heat lies on {span} of a picture.")
    return drawn


@use_style()
def show_heat_grid(
    model: torch.nn.Module,
    picture: torch.Tensor,
    layers: Sequence[str],
    classes: Sequence[str],
    *,
    pooled: bool = True,
) -> numpy.ndarray:
    """Draw the heat maps of one picture: a row for each class, a column for each layer.

    Args:
        model, pooled: as for ``heat_map``.
        picture: tensor (3, H, W), as the network takes it.
        layers: names of layers.
        classes: names of the classes, in the order of the scores.
    """
    gradients = Gradients(model, picture[None], layers)
    chances = gradients.probabilities[0]
    labels = [f"{name}\n{chance:.1%}" for name, chance in zip(classes, chances, strict=True)]
    cell = (1.9 * picture.shape[2] / picture.shape[1], 2.3)
    drawn = labeled_rows(labels, len(layers), cell=cell, heights=[1] * len(labels), label=0.9)
    for number, row in enumerate(drawn):
        heat = gradients.heat(number, pooled=pooled)
        for axis, layer in zip(row, layers, strict=True):
            title = "" if number else "{}\n{} x {}".format(layer, *heat[layer].shape[1:])
            draw_picture(axis, overlay(picture, heat[layer][0]), title, size=9)
    best = chances.argmax()
    print(f"The network says {classes[best]} ({chances[best]:.1%}).")
    return drawn


# A picture of one's own -----------------------------------------------------------------------

BARS = 8


def _draw_looking(
    axes: Any,
    picture: Any,
    chances: numpy.ndarray,
    classes: Sequence[str],
    number: int,
    heat: torch.Tensor | None,
) -> str:
    """Draw a picture, the heat map of class ``number`` over it, and the probabilities as bars."""
    left, middle, right = axes
    draw_picture(left, picture, "as the network gets it")
    if heat is None:
        draw_picture(middle, picture, "this network has no maps")
    else:
        title = f"heat map for {classes[number]}, {len(heat)} x {heat.shape[1]}"
        draw_picture(middle, overlay(picture, heat), title)
    order = numpy.argsort(-chances, kind="stable")[:BARS]
    order = order if number in order else numpy.append(order[:-1], number)
    colors = [COLORS["orange" if row == number else "blue"] for row in order]
    right.barh(range(len(order)), chances[order], color=colors, height=0.6)
    for place, row in enumerate(order):
        right.text(chances[row] + 0.02, place, f"{chances[row]:.1%}", va="center")
    right.set_yticks(range(len(order)), [fit_text(classes[row], 1.3, lines=1) for row in order])
    right.set(xlim=(0, 1.25), ylim=(max(len(order), 4) - 0.4, -0.6), title="probability")
    right.set_xticks([0, 0.5, 1])
    right.grid(False)
    told = [f"the network says {classes[order[0]]} ({chances[order[0]]:.1%})"]
    if heat is not None:
        row, column = divmod(int(heat.argmax()), heat.shape[1])
        where = f"is hottest at row {row}, column {column}" if heat.max() > 0 else "is cold"
        told.append(f"the heat map for {classes[number]} {where}")
    return sentence(*told)


LOOKING: Any = {"columns": 3, "size": (10.0, 3.4), "widths": [1, 1, 1.2]}


def grad_cam(
    model: torch.nn.Module,
    classes: Sequence[str],
    picture: Any,
    *,
    layers: Sequence[str],
    layer: str | None = None,
    target: str | None = None,
    pooled: bool = False,
) -> Explorer:
    """Lay the heat map of a class over a picture, or one of your own: choose layer and class.

    Args:
        model, layers, pooled: as for ``ck.heat_map``, with several layers to choose from.
        classes: names of the classes, in the order of the scores.
        picture: anything that ``ck.show_pictures`` takes, as large as the network wants it
            (``ck.read_picture(file, size=...)``); an uploaded one is cut to a square as high or as
            wide, whichever is less.
        layer: the one to begin with; None for the last.
        target: name of the class to begin with; None for the most probable one.

    Raises:
        CourseError: there is no such layer or class.
    """
    classes, layers = [str(name) for name in classes], list(layers)
    device = next((parameter.device for parameter in model.parameters()), "cpu")
    given = read_picture(picture)

    @functools.lru_cache(maxsize=1)
    def look(file: bytes | None) -> tuple[numpy.ndarray, Gradients]:
        pixels = numpy.asarray(given if file is None else read_picture(file, size=min(given.size)))
        x = torch.tensor(pixels).permute(2, 0, 1)[None].to(device) / 255
        gradients = Gradients(model, x, layers)
        if gradients.probabilities.shape[1] != len(classes):
            raise CourseError(
                f"There are {counted(len(classes), 'class name')} and "
                f"{counted(gradients.probabilities.shape[1], 'score')}; give one name for each."
            )
        return pixels, gradients

    def draw(axes: Any, file: bytes | None, layer: str, target: str, pooled: bool) -> str:
        (pixels, gradients), number = look(file), classes.index(target)
        found = gradients.heat(number, pooled=pooled)[layer][0].cpu()
        return _draw_looking(axes, pixels, gradients.probabilities[0], classes, number, found)

    if target is None:
        target = classes[look(None)[1].probabilities[0].argmax()]
    controls = {
        "file": Control(None, label="a picture of yours"),
        "layer": Control(layer or layers[-1], layers),
        "target": Control(target, classes, "heat map for"),
        "pooled": Control(
            pooled, {"one for each place": False, "one for each channel": True}, "weights"
        ),
    }
    return Explorer("grad_cam", draw, controls, panels=LOOKING)


BEST = "what it says"


def classify(learn: Any, picture: Any = None, *, layer: str = "body") -> Explorer:
    """Show a trained classifier a picture of your own: what does it say, and where does it look?

    Args:
        learn: a trained ``ck.image_learner``, or what ``ck.load_model`` returned.
        picture: the picture to begin with, anything that ``ck.show_pictures`` takes; None for none.
        layer: name of the layer in which the heat map is taken.

    Raises:
        CourseError: it is no classifier of pictures.
    """
    classifier = learn.classifier() if hasattr(learn, "classifier") else learn
    if not hasattr(classifier, "pixels"):
        raise CourseError(
            "This is no classifier of pictures; give a learner of ck.image_learner, or what "
            "ck.load_model returns."
        )
    classes = list(classifier.classes)

    def draw(axes: Any, file: bytes | None, target: str) -> str:
        if file is None and picture is None:
            for axis in axes:
                axis.axis("off")
            axes[1].text(0.5, 0.5, "no picture yet", ha="center", va="center", fontsize=14)
            names = ", ".join(classes[:8])
            return f"Choose a picture from your computer; the network knows these classes: {names}."
        shown = read_picture(picture if file is None else file)
        with eval_mode(classifier.model):
            named, x = classifier(shown), classifier.pixels(shown)
        chances = numpy.array([named[name] for name in classes])
        number = int(chances.argmax()) if target == BEST else classes.index(target)
        try:
            heat = heat_map(classifier.model, x, number, layer=layer)[0].cpu()
        except CourseError:  # a transformer on a list of patches has no maps
            heat = None
        return _draw_looking(axes, x[0], chances, classes, number, heat)

    controls = {
        "file": Control(None, label="your picture"),
        "target": Control(BEST, [BEST, *classes], "heat map for"),
    }
    return Explorer("classify", draw, controls, panels=LOOKING)
