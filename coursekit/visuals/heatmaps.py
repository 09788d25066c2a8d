"""Where does a network look: class activation maps at any layer, laid over the picture."""

import contextlib

import numpy
import torch

from coursekit.console import CourseError, nearest
from coursekit.visuals.layers import resting
from coursekit.visuals.pictures import as_array, draw_picture
from coursekit.visuals.style import counted, labeled_rows, panels, say, use_style


def heat_map(model, x, target=None, *, layer, pooled=True):
    """Return what speaks for a class, place by place, in the maps of a layer.

    Args:
        model: a network that gives scores (B, classes).
        x: pictures (B, 3, H, W), as the network takes them.
        target: number of a class, or one a picture (B,); None takes each picture's best class.
        layer: name of a layer that gives maps (B, C, h, w), as in ``model.named_modules()``.
        pooled: True weights each channel by its mean gradient (Grad-CAM, arXiv:1610.02391); False
            weights each place by the gradient there (HiResCAM, arXiv:2011.08891).

    Returns:
        (B, h, w) float32, 0 where nothing speaks for the class.

    Raises:
        CourseError: there is no such layer or class, or the layer gives no maps.
    """
    layers, kept = dict(model.named_modules()), []
    if layer not in layers:
        raise CourseError(
            f"There is no layer {layer!r}; the first are {list(layers)[1:6]}."
            + nearest(layer, list(layers))
        )
    x = x.detach().clone().requires_grad_(True)  # or a frozen body would give no gradients

    def keep(_layer, _inputs, output):
        # Handed on as a copy: a ReLU in place may overwrite what it is given.
        kept.append(output)
        return output.clone() if isinstance(output, torch.Tensor) else output

    with contextlib.ExitStack() as stack:
        stack.enter_context(resting(model))
        stack.enter_context(torch.enable_grad())
        stack.callback(layers[layer].register_forward_hook(keep).remove)
        scores = model(x)
        if not isinstance(kept[-1], torch.Tensor) or kept[-1].dim() != 4:
            raise CourseError(f"{layer!r} gives no maps (B, C, h, w); name a convolution.")
        target = scores.argmax(1) if target is None else torch.as_tensor(target, device=x.device)
        if target.min() < 0 or target.max() >= scores.shape[1]:
            raise CourseError(
                f"There is no class {target.tolist()}; this network has {scores.shape[1]}, "
                "numbered from 0."
            )
        chosen = scores.gather(1, target.expand(len(x)).view(-1, 1))
        (slope,) = torch.autograd.grad(chosen.sum(), kept[-1])
    maps = kept[-1].detach().float()
    slope = slope.float().mean((2, 3), keepdim=True) if pooled else slope.float()
    return (slope * maps).sum(1).relu()


def enlarge(maps, size):
    """Return maps (B, h, w) enlarged smoothly to (B, height, width); ``size``: a side, or both."""
    size = (size, size) if isinstance(size, int) else tuple(size)
    how = {"mode": "bilinear", "align_corners": False}
    return torch.nn.functional.interpolate(maps[:, None].float(), size, **how)[:, 0]


def overlay(picture, heat, *, strength=0.75):
    """Return (H, W, 3) bytes: the picture in grey, its hot places shining through in colour.

    Args:
        picture: anything that ``ck.show_pictures`` takes.
        heat: (h, w) numbers from 0; scaled so that the hottest place is 1.
        strength: how much of the hottest place is colour, 0 to 1.
    """
    from matplotlib import colormaps

    array = as_array(picture).astype(float) / 255
    heat = enlarge(torch.as_tensor(heat)[None].clamp(min=0), array.shape[:2])[0].cpu().numpy()
    heat = (heat / max(heat.max(), 1e-12))[:, :, None]
    grey = numpy.repeat(array.mean(2, keepdims=True), 3, 2)
    share = strength * heat**0.5
    colour = colormaps["inferno"](heat[:, :, 0])[:, :, :3]
    return ((grey * (1 - share) + colour * share) * 255).round().astype(numpy.uint8)


@use_style()
def show_heat(pictures, maps, titles=None, *, columns=6, height=1.65, axes=None):
    """Draw pictures with their heat maps laid over them.

    Args:
        pictures: list of anything that ``ck.show_pictures`` takes.
        maps: one heat map (h, w) a picture.
        titles: one short text a picture, or None.
        columns: pictures in a row.
        height: of a picture, in inches.
        axes: Axes to draw on, one a picture; None for a new figure.

    Raises:
        CourseError: pictures, maps and titles differ in number.
    """
    titles = [""] * len(pictures) if titles is None else list(titles)
    if not len(pictures) == len(maps) == len(titles) or not len(pictures):
        raise CourseError(
            f"There are {counted(len(pictures), 'picture')}, {counted(len(maps), 'heat map')} and "
            f"{counted(len(titles), 'title')}; give one of each for every picture."
        )
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    tall, wide = as_array(pictures[0]).shape[:2]
    size = (height * wide / tall * columns, rows * (height + 0.25 * any(titles)))
    grid = panels(rows, columns, size=size) if axes is None else panels(1, len(maps), axes=axes)
    drawn = grid.reshape(-1)
    for axis in drawn:
        axis.axis("off")
    shares = []
    for axis, picture, heat, title in zip(drawn, pictures, maps, titles, strict=False):
        draw_picture(axis, overlay(picture, heat), title)
        sorted_heat = torch.as_tensor(heat).flatten().float().sort(descending=True).values
        within = (sorted_heat.cumsum(0) < 0.5 * sorted_heat.sum()).sum().item() + 1
        shares.append(within / sorted_heat.numel())
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    span = low if low == high else f"{low} to {high}"
    say(f"{counted(len(maps), 'heat map')}: half of the heat lies on {span} of a picture.")
    return drawn[: len(maps)]


@use_style()
def show_heat_grid(model, picture, layers, classes, *, pooled=True):
    """Draw the heat maps of one picture: a row for each class, a column for each layer.

    Args:
        model, pooled: as for ``heat_map``.
        picture: tensor (3, H, W), as the network takes it.
        layers: names of layers.
        classes: names of the classes, in the order of the scores.
    """
    with torch.no_grad(), resting(model):
        shares = model(picture[None]).softmax(1)[0].tolist()
    labels = [f"{name}\n{share:.1%}" for name, share in zip(classes, shares, strict=True)]
    cell = (1.9 * picture.shape[2] / picture.shape[1], 2.3)
    drawn = labeled_rows(labels, len(layers), cell=cell, heights=[1] * len(labels), label=0.9)
    for number, row in enumerate(drawn):
        for axis, layer in zip(row, layers, strict=True):
            heat = heat_map(model, picture[None], number, layer=layer, pooled=pooled)[0]
            title = "" if number else f"{layer}\n{heat.shape[0]} x {heat.shape[1]}"
            draw_picture(axis, overlay(picture, heat), title, size=9)
    best = max(range(len(shares)), key=shares.__getitem__)
    say(
        f"The network says {classes[best]} ({shares[best]:.1%}); a row shows what speaks for one "
        "class, early layers left, late ones right."
    )
    return drawn
