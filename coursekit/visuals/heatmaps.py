"""Where a network looks: class activation maps at any layer, laid over the picture."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy
import torch
from torch import nn

from coursekit.arguments import checked
from coursekit.console import CourseError, choose, no_such
from coursekit.data.picture import read_picture
from coursekit.visuals import style
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, counted, figure, sentence


@contextlib.contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put every module into evaluation mode, and each back into its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def outputs_of(
    model: nn.Module, names: Iterable[str], x: Any, read: Callable[[Any], Any] = lambda out: out
) -> tuple[Any, dict[str, Any]]:
    """Run a model on x; return what it gives, and what ``read`` makes of some modules' outputs."""
    modules, seen = dict(model.named_modules()), {}

    def keep(_module: Any, _inputs: Any, out: Any, name: str) -> Any:
        seen[name] = read(out)
        # Handed on as a copy: a ReLU in place may overwrite what it is given.
        return out.clone() if isinstance(out, torch.Tensor) else out

    with contextlib.ExitStack() as hooks:
        for name in names:
            if name not in modules:
                raise no_such("layer", name, [*modules][1:])
            hook = modules[name].register_forward_hook(functools.partial(keep, name=name))
            hooks.callback(hook.remove)
        return model(x), seen


class Gradients:
    """Outputs of some layers for pictures, and the gradients of class scores with respect to them.

    The arguments are those of ``heat_map``, with several layers: the pictures go through the
    network once, and back once for each class.
    """

    def __init__(self, model: nn.Module, x: torch.Tensor, layers: str | Sequence[str]) -> None:
        if not (x.dim() == 4 and len(x) and x.is_floating_point()):
            raise CourseError(
                f"Give pictures as floats (B, 3, H, W), not {x.dtype} of shape {tuple(x.shape)}; "
                "x[None] makes a batch of one."
            )
        self.layers = [layers] if isinstance(layers, str) else list(layers)
        if not self.layers:
            raise CourseError("There is no layer to look at; name one, such as 'body'.")
        with eval_mode(model), torch.enable_grad():
            x = x.detach().to(next(model.parameters(), x))
            x.requires_grad_(True)  # or a frozen body would give no gradients
            self._scores, self._outputs = outputs_of(model, self.layers, x)
        for name, output in self._outputs.items():
            if not isinstance(output, torch.Tensor) or output.dim() != 4:
                raise CourseError(f"{name!r} gives no maps (B, C, h, w); name a convolution.")
        self.probabilities = self._scores.detach().float().softmax(1).cpu().numpy()

    @torch.enable_grad()
    def heat(self, target: Any = None, *, pooled: bool = True) -> dict[str, torch.Tensor]:
        """Compute {layer: map (B, h, w)} of a class; the arguments are those of ``heat_map``."""
        scores, (batch, count) = self._scores, self._scores.shape
        target = scores.argmax(1) if target is None else target
        numbers = numpy.asarray(target.cpu() if hasattr(target, "cpu") else target)
        fits = numbers.dtype.kind in "iu" and numbers.shape in ((), (1,), (batch,))
        if not fits or numbers.min() < 0 or numbers.max() >= count:
            raise CourseError(
                f"There is no class {numbers.tolist()!r}; this network has {count}, numbered from "
                f"0. Give one number, or one for each of {counted(batch, 'picture')}."
            )
        rows = torch.tensor(numbers, device=scores.device).long().expand(batch)
        chosen = scores.gather(1, rows.view(-1, 1)).sum()
        gradients = torch.autograd.grad(chosen, [*self._outputs.values()], retain_graph=True)
        heat = {}
        for (name, maps), gradient in zip(self._outputs.items(), gradients, strict=True):
            gradient = gradient.float()
            weights = gradient.mean((2, 3), keepdim=True) if pooled else gradient
            heat[name] = (weights * maps.detach().float()).sum(1).relu()
        return heat


@checked
def heat_map(
    model: nn.Module, x: torch.Tensor, target: Any = None, *, layer: str, pooled: bool = True
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
    """
    return Gradients(model, x, [layer]).heat(target, pooled=pooled)[layer]


@checked
def enlarge(maps: torch.Tensor, size: int | Sequence[int]) -> torch.Tensor:
    """Enlarge maps (B, h, w) smoothly to (B, height, width); ``size``: one side, or both."""
    if maps.ndim != 3:
        raise CourseError(f"Give maps (B, h, w), not a tensor of shape {tuple(maps.shape)}.")
    given = (size, size) if isinstance(size, int) else size
    sides = [style.whole_number("size", side, 1, 10_000) for side in given]
    how: Any = {"mode": "bilinear", "align_corners": False}
    return nn.functional.interpolate(maps[:, None].float(), sides, **how)[:, 0]


def overlay(picture: Any, heat: Any) -> numpy.ndarray:
    """Lay a heat map (h, w), scaled to 1, over a picture made grey: (H, W, 3) uint8."""
    from matplotlib import colormaps

    array = numpy.asarray(read_picture(picture)) / 255
    maps = torch.tensor(style.array_of("A heat map", heat, None, None)).clamp(min=0)
    heat = enlarge(maps[None], array.shape[:2])[0].numpy()
    heat = (heat / max(heat.max(), 1e-12))[:, :, None]
    opacity, color = 0.75 * heat**0.5, colormaps["inferno"](heat[:, :, 0])[:, :, :3]
    mixed = array.mean(2, keepdims=True) * (1 - opacity) + color * opacity
    return (mixed * 255).round().astype(numpy.uint8)


@figure()
def show_heat(
    pictures: Any,
    maps: Sequence[Any],
    titles: str | Sequence[str] | None = None,
    *,
    columns: int = 6,
    height: float = 1.65,
) -> Drawn:
    """Draw pictures with their heat maps laid over them; arguments as for ``ck.show_pictures``.

    Args:
        maps: one heat map (h, w) for each picture.
    """
    shown = style.read_pictures(pictures)
    maps = [maps] if getattr(maps, "ndim", 0) == 2 else list(maps)
    if len(shown) != len(maps):
        raise CourseError(
            f"There are {counted(len(shown), 'picture')} and {counted(len(maps), 'heat map')}; "
            "give one map for each picture."
        )
    laid = [overlay(picture, heat) for picture, heat in zip(shown, maps, strict=True)]
    within = []  # the fraction of the places that holds half of the heat
    for heat in maps:
        ordered = numpy.sort(style.array_of("A heat map", heat, None, None), axis=None)[::-1]
        half = (ordered.cumsum() < 0.5 * ordered.sum()).sum() + 1
        within.append(half / ordered.size)
    low, high = f"{min(within):.0%}", f"{max(within):.0%}"
    span = low if low == high else f"{low} to {high}"
    return Drawn(
        f"{counted(len(maps), 'heat map')}: half of the heat lies on {span} of a picture.",
        axes=style.draw_grid(laid, titles, columns=min(columns, len(maps)), height=height),
    )


@figure()
def show_heat_grid(
    model: nn.Module,
    picture: torch.Tensor,
    layers: str | Sequence[str],
    classes: Sequence[str],
    *,
    pooled: bool = True,
) -> Drawn:
    """Draw the heat maps of one picture: a row for each class, a column for each layer.

    Args:
        model, pooled: as for ``heat_map``.
        picture: tensor (3, H, W), as the network takes it.
        layers: names of layers.
        classes: names of the classes, in the order of the scores.
    """
    gradients = Gradients(model, picture[None], layers)
    chances = gradients.probabilities[0]
    names = style.class_names(classes, len(chances))
    labels = [f"{name}\n{chance:.1%}" for name, chance in zip(names, chances, strict=True)]
    cell = (1.9 * picture.shape[2] / picture.shape[1], 2.3)
    drawn = style.labeled_rows(labels, len(gradients.layers), cell=cell, label=0.9)
    for number, row in enumerate(drawn):
        heat = gradients.heat(number, pooled=pooled)
        for axis, layer in zip(row, gradients.layers, strict=True):
            title = "" if number else "{}\n{} x {}".format(layer, *heat[layer].shape[1:])
            style.draw_picture(axis, overlay(picture, heat[layer][0]), title, size=9)
    best = chances.argmax()
    return Drawn(f"The network says {names[best]} ({chances[best]:.1%}).", axes=drawn)


# A picture of one's own -----------------------------------------------------------------------

BARS = 8
LOOKING: Any = {"columns": 3, "size": (10.0, 3.4), "widths": [1, 1, 1.2]}


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
    style.draw_picture(left, picture, "as the network gets it")
    order = numpy.argsort(-chances, kind="stable")[:BARS]
    told = [f"the network says {classes[order[0]]} ({chances[order[0]]:.1%})"]
    if heat is None:
        style.draw_picture(middle, picture, "this network has no maps")
    else:
        title = f"heat map for {classes[number]}, {len(heat)} x {heat.shape[1]}"
        style.draw_picture(middle, overlay(picture, heat), title)
        row, column = divmod(int(heat.argmax()), heat.shape[1])
        where = f"is hottest at row {row}, column {column}" if heat.max() > 0 else "is cold"
        told.append(f"the heat map for {classes[number]} {where}")
    order = order if number in order else numpy.append(order[:-1], number)
    colors = [COLORS["orange" if row == number else "blue"] for row in order]
    right.barh(range(len(order)), chances[order], color=colors, height=0.6)
    for place, row in enumerate(order):
        right.text(chances[row] + 0.02, place, f"{chances[row]:.1%}", va="center")
    names = [style.fit_text(classes[row], 1.3, lines=1) for row in order]
    right.set_yticks(range(len(order)), names)
    right.set(xlim=(0, 1.25), ylim=(max(len(order), 4) - 0.4, -0.6), title="probability")
    right.set_xticks([0, 0.5, 1])
    right.grid(False)
    return sentence(*told)


@checked
def grad_cam(
    model: nn.Module,
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
    """
    given = read_picture(picture)

    @functools.lru_cache(maxsize=1)
    def look(file: bytes | None) -> tuple[numpy.ndarray, Gradients]:
        pixels = numpy.asarray(given if file is None else read_picture(file, size=min(given.size)))
        return pixels, Gradients(model, torch.tensor(pixels).permute(2, 0, 1)[None] / 255, layers)

    begin = look(None)[1]
    names = style.class_names(classes, len(begin.probabilities[0]))

    def draw(axes: Any, file: bytes | None, layer: str, target: str, pooled: bool) -> str:
        (pixels, gradients), number = look(file), names.index(target)
        found = gradients.heat(number, pooled=pooled)[layer][0].cpu()
        return _draw_looking(axes, pixels, gradients.probabilities[0], names, number, found)

    weights = {"one for each place": False, "one for each channel": True}
    first = names[begin.probabilities[0].argmax()] if target is None else target
    controls = {
        "file": Control(None, label="a picture of yours"),
        "layer": Control(layer or begin.layers[-1], begin.layers),
        "target": Control(first, names, "heat map for"),
        "pooled": Control(pooled, weights, "weights"),
    }
    return Explorer("grad_cam", draw, controls, panels=LOOKING)


BEST = "what it says"


@checked
def classify(learn: Any, picture: Any, *, layer: str = "body") -> Explorer:
    """Show a trained classifier a picture of your own: what does it say, and where does it look?

    Args:
        learn: a trained ``ck.image_learner``, or what ``ck.load_model`` returned.
        picture: the one to begin with, anything that ``ck.show_pictures`` takes.
        layer: name of the layer in which the heat map is taken.
    """
    classifier = learn.classifier() if hasattr(learn, "classifier") else learn
    if not hasattr(classifier, "pixels"):
        raise CourseError(
            "This is no classifier of pictures; give a learner of ck.image_learner, or what "
            "ck.load_model returns."
        )
    classes = list(classifier.classes)
    choose("layer", layer, [*dict(classifier.model.named_modules())][1:])

    def draw(axes: Any, file: bytes | None, target: str) -> str:
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
