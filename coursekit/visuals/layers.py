"""What layers do: patches that excite a channel, receptive fields, batch norm on and off."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy
import torch
from PIL import Image, ImageDraw
from torch import nn
from torch.nn import functional as F

from coursekit.arguments import checked
from coursekit.console import CourseError, progress
from coursekit.data.picture import read_picture
from coursekit.visuals import style
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.heatmaps import eval_mode, outputs_of
from coursekit.visuals.style import COLORS, Drawn, counted, digits, figure, sentence

IMAGES = 256  # the most that are looked through, evenly spaced where there are more
PATCHES = 6
TILE = 96  # pixels of a patch as it is drawn


# What excites a channel -----------------------------------------------------------------------


class Stage(NamedTuple):
    """How strongly, and where, the C channels of a module respond to N images."""

    images: torch.Tensor  # (N, 3, H, W) uint8
    side: int  # pixels of the square that moves one unit
    maps: tuple[int, int]  # height and width of the feature maps
    values: torch.Tensor  # (N, C), the strongest response of each channel to each image
    places: torch.Tensor  # (N, C), where in the flattened maps it is

    def most_selective(self) -> list[int]:
        """Order the channels by how many standard deviations their best images exceed the mean."""
        least = self.values.topk(min(PATCHES, len(self.values)), dim=0).values[-1]
        std = self.values.std(0, correction=0).clamp(min=1e-6)
        return ((least - self.values.mean(0)) / std).argsort(descending=True, stable=True).tolist()

    def tiles(self, row: int, channel: int) -> tuple[Image.Image, Image.Image]:
        """Cut out the patch of an image that excites a channel; also the image, with its frame."""
        whole = Image.fromarray(self.images[row].permute(1, 2, 0).numpy())
        cell = divmod(int(self.places[row, channel]), self.maps[1])
        top, left = (
            int(numpy.clip((at + 0.5) * pixels / cells - self.side / 2, 0, pixels - self.side))
            for at, pixels, cells in zip(cell, whole.size[::-1], self.maps, strict=True)
        )
        box = (left, top, left + self.side, top + self.side)
        patch, small = whole.resize((TILE, TILE), box=box), whole.resize((TILE, TILE))
        frame = numpy.array(box) * TILE / numpy.array(whole.size * 2) - (0, 0, 1, 1)
        ImageDraw.Draw(small).rectangle(frame.tolist(), outline=COLORS["red"], width=2)
        return patch, small


def probe(model: nn.Module, batches: Any) -> dict[str, Stage]:
    """Run images through a network once and note how the channels of up to four stages respond."""
    if (total := getattr(batches, "num_examples", 0)) > IMAGES:  # files often stand class by class
        batches = batches.subset(numpy.linspace(0, total - 1, IMAGES).round().astype(int))
    images: list[torch.Tensor] = []
    peaks: list[dict[str, Any]] = []
    with eval_mode(model):
        x = torch.as_tensor(style.first_batch(batches)[0][:2])
        batches = [batches] if isinstance(batches, tuple) else batches
        names = _choose(model, x)
        sides = _sides(model, x, names)
        with torch.no_grad():
            for x, _ in progress(batches, label="looking", unit=" batches"):
                x = torch.as_tensor(x)[: IMAGES - sum(map(len, images))]
                # The strongest response of each channel, and where it is in the flat maps.
                peaks.append(outputs_of(model, names, x, lambda out: out.flatten(2).max(2))[1])
                images.append((x.clamp(0, 1) * 255).round().byte().cpu())
                if sum(map(len, images)) == IMAGES:
                    break
    stages = {}
    for name in names:
        values, places = (torch.cat([peak[name][part].cpu() for peak in peaks]) for part in (0, 1))
        side, maps = sides[name]
        stages[name] = Stage(torch.cat(images), side, maps, values.float(), places)
    return stages


def _choose(model: nn.Module, x: torch.Tensor) -> list[str]:
    """Find the outermost last modules of up to four sizes of feature maps."""
    inside = "body." if hasattr(model, "body") else ""
    known = [name for name, _ in model.named_modules() if name and name.startswith(inside)]
    with torch.no_grad():
        _, shapes = outputs_of(model, known, x, lambda out: getattr(out, "shape", ()))
    ratio = x.shape[-2] / x.shape[-1]
    last: dict[Any, str] = {}
    for name, shape in shapes.items():
        # Channels-last outputs of transformers are told from feature maps by their aspect ratio.
        if len(shape) == 4 and shape[-1] > 1 and abs(shape[-2] / shape[-1] - ratio) < 0.1:
            key = shape[-2:]
            if name.count(".") <= last.get(key, name).count("."):
                last[key] = name
    if not last:
        raise CourseError("This model gives no feature maps; give a convolutional network.")
    places = numpy.linspace(0, len(last) - 1, min(4, len(last)))
    return [[*last.values()][place] for place in places.round().astype(int)]


def _sides(model: nn.Module, x: torch.Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Measure the effective receptive field (arXiv:1701.04128) of each module's middle unit.

    It is the side of a square, in pixels: sqrt(12) = 3.5 standard deviations of the unit's
    gradient, which is the width of a flat field and holds nine tenths of a Gaussian one. With it
    comes the size (h, w) of the module's maps.
    """
    x, sides = x.detach().clone().requires_grad_(True), {}

    def middle(out: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
        unit = out[:, :, out.shape[2] // 2, out.shape[3] // 2]  # (B, C)
        # Unequal weights: behind a layer norm the plain sum over the channels never moves.
        weights = torch.linspace(1, 2, unit.shape[1], device=unit.device)
        return (unit @ weights).sum(), tuple(out.shape[-2:])

    with torch.enable_grad():
        _, units = outputs_of(model, names, x, middle)
    for name, (unit, maps) in units.items():
        weight = torch.autograd.grad(unit, x, retain_graph=True)[0].abs().sum((0, 1)).cpu()
        variance = 0.0
        for along in (weight.sum(0), weight.sum(1)):
            along, place = along / along.sum().clamp(min=1e-12), torch.arange(len(along))
            variance = max(variance, float(((place - (along * place).sum()) ** 2 * along).sum()))
        sides[name] = min(max(1, round((12 * variance) ** 0.5)), *weight.shape), maps
    return sides


def draw_channel(axes: Any, stage: Stage, channel: int, columns: int, whole: bool) -> list[int]:
    """Draw the patches that excite a channel most, and the images that they were cut from."""
    rows = stage.values[:, channel].argsort(descending=True)[:PATCHES].tolist()
    cut, images = zip(*(stage.tiles(row, channel) for row in rows), strict=True)
    tiles = [numpy.asarray(tile) for tile in cut + images * whole]
    tiles += [numpy.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    framed = [numpy.pad(tile, ((2, 2), (2, 2), (0, 0)), constant_values=255) for tile in tiles]
    lines = [numpy.hstack(framed[at : at + columns]) for at in range(0, len(framed), columns)]
    axes.imshow(numpy.vstack(lines)[2:-2, 2:-2])
    style.bare(axes)
    return rows


@figure()
def show_layers(model: nn.Module, batches: Any, *, channels: int = 3) -> Drawn:
    """Draw, for the most selective channels of some stages, the patches that excite them most.

    Args:
        model, batches: as for ``ck.explore.layers``.
        channels: how many of each stage, 1 to 8.
    """
    found = probe(model, batches)
    labels = [
        f"{name}\n{stage.maps[0]} x {stage.maps[1]} maps\nsees {stage.side} pixels"
        for name, stage in found.items()
    ]
    channels = style.whole_number("channels", channels, 1, 8)
    drawn = style.labeled_rows(labels, channels, cell=(2.45, 1.9), label=1.8)
    for axes, stage in zip(drawn, found.values(), strict=True):
        for axis, channel in zip(axes, stage.most_selective(), strict=False):
            draw_channel(axis, stage, channel, PATCHES // 2, whole=False)
            axis.set_title(f"channel {channel}")
    views = ", ".join(f"{stage.side} in {name}" for name, stage in found.items())
    shape = next(iter(found.values())).images.shape
    return Drawn(
        f"A unit sees a square of so many pixels of {shape[-1]}: {views}; drawn are the patches of "
        f"{counted(shape[0], 'picture')} that excite the most selective channels most.",
        axes=drawn,
    )


@checked
def layers(model: nn.Module, batches: Any, *, stage: str | None = None, rank: int = 1) -> Explorer:
    """Ask a network what excites it: choose a stage and a channel, see the pictures that do.

    Above stand the patches that excite the channel most, below the pictures that they were cut
    from. The channels are ordered: the first ones respond to few pictures, and strongly.

    Args:
        model: an image network; where it has a ``body``, stages are looked for in there.
        batches: iterable of (x, y) with x float (B, 3, H, W) in 0..1, such as ``data.valid``.
        stage: name of the stage to begin with; None for the first.
        rank: which channel to begin with, from 1, the most selective.
    """
    found = probe(model, batches)  # once
    patches = min(PATCHES, len(next(iter(found.values())).images))
    orders = {name: one.most_selective()[:32] for name, one in found.items()}

    def draw(axes: Any, stage: str, rank: int) -> str:
        one = found[stage]
        channel = orders[stage][min(rank, len(orders[stage])) - 1]
        rows = draw_channel(axes, one, channel, patches, whole=True)
        view = f"a unit sees {one.side} of {one.images.shape[-1]} pixels"
        axes.set_title(f"{stage}, channel {channel}: {view}")
        values = one.values[:, channel]
        return (
            f"Channel {channel} of {stage} responds to these {patches} of "
            f"{counted(len(values), 'picture')} with {digits(values[rows].min())} or more, and "
            f"with {digits(values.mean())} on average; {view}."
        )

    controls = {
        "stage": Control(stage or next(iter(found)), list(found)),
        "rank": Control(rank, (1, max(map(len, orders.values()))), label="channel, by selectivity"),
    }
    return Explorer("layers", draw, controls, panels={"size": (9.0, 3.3)})


# What a unit sees -----------------------------------------------------------------------------

LINES = 450  # of a layer: enough for 64 pixels and the largest kernel


@checked
def receptive_field(
    function: Callable[[list[tuple[int, int]]], int],
    picture: Any,
    *,
    kernel: int = 3,
    stride: int = 2,
    dilation: int = 1,
    depth: int = 3,
    pooling: bool = False,
) -> Explorer:
    """See which pixels a unit is made of: choose kernel, stride, dilation and number of layers.

    Args:
        function: of a list of (kernel, stride), a layer each, that returns the pixels that a unit
            behind the last layer spans. A dilated kernel counts with its gaps.
        picture: a square one, anything that ``ck.show_pictures`` takes.
        kernel, stride, dilation: of the convolutions: 1 to 7, 1 to 3, 1 to 3.
        depth: convolutions one after another, 1 to 6.
        pooling: True puts a pooling of 2 x 2 with stride 2 behind each of them.
    """
    from matplotlib.collections import LineCollection

    array = numpy.asarray(read_picture(picture))
    side = array.shape[1]

    def draw(
        axes: numpy.ndarray, kernel: int, stride: int, dilation: int, depth: int, pooling: bool
    ) -> str:
        block = [(kernel, stride, dilation)] + [(2, 2, 1)] * pooling
        stack = block * depth
        sizes = [((k - 1) * d + 1, s) for k, s, d in stack]
        spans = [1]
        for n in range(1, len(stack) + 1):
            span = function(sizes[:n])
            spans.append(style.whole_number("What function returned", span, 1, 10_000))
        steps = [1, *itertools.accumulate((s for _, s in sizes), int.__mul__)]
        start = side // 2 - spans[-1] // 2  # of the pixels seen, in the middle of the picture
        centers = [start + (span - 1) / 2 for span in spans]  # of the first unit of each level
        units, lines, tree = numpy.zeros(1, int), [], axes[1]
        tree.plot(centers[-1], len(stack), "s", color=COLORS["orange"])
        for level in range(len(stack), 0, -1):  # from the unit down to the pixels
            k, s, d = stack[level - 1]
            inputs = units[:, None] * s + numpy.arange(k) * d
            upper = centers[level] + units[:, None] * steps[level]
            lower = centers[level - 1] + inputs * steps[level - 1]
            ends = numpy.stack(numpy.broadcast_arrays(upper, level, lower, level - 1), -1)
            lines += ends.reshape(-1, 2, 2)[:LINES].tolist()
            units, place = numpy.unique(inputs), numpy.unique(lower)
            tree.plot(place, numpy.full(len(place), level - 1), ".", color=COLORS["blue"])
        tree.add_collection(LineCollection(lines, colors=COLORS["sky"], linewidths=0.8, zorder=0))
        names = [f"layer {n + 1}" for n in range(depth)]
        if pooling:
            names = [f"{name} {n + 1}" for n in range(depth) for name in ("layer", "pooling")]
        tree.set(xlim=(-1, side), ylim=(-0.4, len(stack) + 0.4), xlabel="pixels of the picture")
        tree.set_yticks(range(len(stack) + 1), ["pixels", *names])
        tree.set_title("one row of pixels, and what the unit is made of")
        _draw_seen(axes[0], array, units + start)
        axes[0].set_title(f"a unit behind {counted(depth, 'layer')} sees {spans[-1]} x {spans[-1]}")
        shown = ", ".join(str(span) for span in spans[len(block) :: len(block)])
        facts = [
            f"kernel {kernel}, stride {stride}, dilation {dilation}" + ", pooling by 2" * pooling,
            f"after each layer a unit spans {shown} pixels",
        ]
        if len(units) < spans[-1]:
            facts.append(f"it looks at {len(units)} of the last {spans[-1]}, with gaps")
        if spans[-1] >= side:
            facts.append(f"the picture has {side}, so the unit spans it all")
        return sentence(*facts)

    controls = {
        "kernel": Control(kernel, (1, 7)),
        "stride": Control(stride, (1, 3)),
        "dilation": Control(dilation, (1, 3)),
        "depth": Control(depth, (1, 6), label="layers"),
        "pooling": Control(pooling, bool, label="pooling after each layer"),
    }
    size = {"columns": 2, "size": (10.0, 4.0), "widths": [1, 1.5]}
    return Explorer("receptive_field", draw, controls, panels=size)


def _draw_seen(axes: Any, picture: numpy.ndarray, pixels: numpy.ndarray) -> None:
    """Draw a picture, pale outside of the rows and columns that are seen."""
    inside = numpy.ix_(*(pixels[(pixels >= 0) & (pixels < size)] for size in picture.shape[:2]))
    shown = 200 + 0.2 * picture
    shown[inside] = picture[inside]
    axes.imshow(shown.astype(numpy.uint8))
    style.bare(axes)
    low, high = max(pixels[0], 0) - 0.5, min(pixels[-1], picture.shape[1] - 1) + 0.5
    box = [low, high, high, low, low], [low, low, high, high, low]
    axes.plot(*box, color=COLORS["orange"], linewidth=3, clip_on=False)


# Batch norm -----------------------------------------------------------------------------------

UNITS, STEPS, EXAMPLES = 32, 30, 128
LOOKS = {
    False: ("without batch norm", COLORS["orange"], style.DASHES[1]),
    True: ("with batch norm", COLORS["blue"], style.DASHES[0]),
}


def train(
    norm: Callable | None, x: torch.Tensor, y: torch.Tensor, depth: int, scale: float, lr: float
) -> tuple[list[numpy.ndarray], numpy.ndarray]:
    """Train a small net for 30 steps; return what its layers give at first, and the losses.

    The weights are the same every time, ``scale`` times those that keep the standard deviation
    behind a ReLU (arXiv:1502.01852). Training ends where the loss is no number any more.
    """
    rng = torch.Generator().manual_seed(0)
    first: list[numpy.ndarray] = []
    losses: list[float] = []
    factors = [(x.shape[1], UNITS, scale * 2**0.5), *[(UNITS, UNITS, scale * 2**0.5)] * (depth - 1)]
    weights = [
        (torch.randn(out, size, generator=rng) * factor / size**0.5).requires_grad_()
        for size, out, factor in (*factors, (UNITS, int(y.max()) + 1, 1.0))
    ]
    norms = [norm(UNITS) if norm else nn.Identity() for _ in range(depth)]
    if not all(isinstance(layer, nn.Module) for layer in norms):
        raise CourseError(f"norm returned {norms[0]!r}; return a layer, as nn.BatchNorm2d does.")
    parameters = [*weights, *(p for layer in norms for p in layer.parameters())]
    optimizer = torch.optim.SGD(parameters, lr)
    for _ in range(STEPS + 1):
        h = x
        for matrix, layer in zip(weights, norms, strict=False):
            h = layer((h @ matrix.T)[:, :, None, None])[:, :, 0, 0]  # (B, C, H, W) for the norm
            first += [h.detach().numpy()] * (len(first) < depth)
            h = h.relu()
        loss = F.cross_entropy(h @ weights[-1].T, y)
        losses.append(loss.item())
        if not numpy.isfinite(losses[-1]):
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return first, numpy.array(losses)


@checked
def batch_norm(
    norm: Callable[[int], nn.Module],
    x: Sequence[Any],
    y: Sequence[int],
    *,
    on: bool = False,
    depth: int = 8,
    scale: float = 0.5,
    lr: float = 0.1,
) -> Explorer:
    """Switch batch norm on and off in a small net: what its layers give, and how it then learns.

    The net is made of fully connected layers of 32 units, always with the same first weights.

    Args:
        norm: makes a layer for (B, C, H, W) of a number of channels, such as ``nn.BatchNorm2d``.
        x: images (N, 3, H, W), shrunk to 8 x 8 pixels, or numbers (N, D); 128 rows are taken.
        y: their classes (N,).
        on: True with batch norm.
        depth: hidden layers, 1 to 12.
        scale: of the first weights, 0.1 to 4; 1 keeps the standard deviation from layer to layer.
        lr: learning rate of the 30 steps, 0.001 to 10.
    """
    some = x[:EXAMPLES]
    rows = torch.tensor(style.array_of("x", some, *[None] * numpy.ndim(some))).float()
    found = style.array_of("y", y, None)[:EXAMPLES]
    if rows.dim() not in (2, 4) or len(rows) != len(found) or not set(found) <= set(range(1000)):
        raise CourseError(
            f"x of shape {tuple(rows.shape)} and {len(found)} classes such as {digits(found[-1])} "
            "do not fit; give images (N, 3, H, W) or numbers (N, D), and N class numbers from 0."
        )
    targets = torch.tensor(found).long()
    rows = (F.adaptive_avg_pool2d(rows, 8) if rows.dim() == 4 else rows).flatten(1)
    rows = (rows - rows.mean(0)) / rows.std(0, correction=0).clamp(min=1e-6)
    guessing = float(numpy.log(int(targets.max()) + 1))
    training = torch.enable_grad()(train)
    trained = functools.lru_cache(maxsize=64)(
        lambda on, *settings: training(norm if on else None, rows, targets, *settings)
    )

    def draw(axes: numpy.ndarray, on: bool, scale: float, depth: int, lr: float) -> str:
        captions, places = {}, range(1, depth + 1)
        for kind, (name, color, dashes) in LOOKS.items():
            outputs, losses = trained(kind, depth, scale, lr)
            stds = [float(one.std()) for one in outputs]
            line = {"color": color, "linestyle": dashes, "linewidth": 3 if kind == on else 1.2}
            powers = numpy.log10(numpy.clip(stds, 1e-5, 1e5))
            axes[1].plot(places, powers, marker=".", label=name, **line)
            axes[2].plot(numpy.clip(losses, 0, 2 * guessing), **line)
            end = f"goes from {digits(losses[0])} to {digits(losses[-1])}"
            if not numpy.isfinite(losses[-1]):
                end = f"is no number any more after {counted(len(losses) - 1, 'step')}"
            captions[kind] = (
                f"{name} the standard deviation is {digits(stds[0])} in the first layer and "
                f"{digits(stds[-1])} in the last, the loss {end}"
            )
            if kind == on:
                edges = numpy.quantile(outputs, [0.05, 0.25, 0.75, 0.95], axis=(1, 2))
                for low, high in (edges[[0, 3]], edges[[1, 2]]):
                    axes[0].fill_between(places, low, high, color=color, alpha=0.4, lw=0)
                axes[0].set(title=f"before the ReLU, {name}", ylim=(-4, 4))
                axes[0].set_yticks([-4, -2, 0, 2, 4])
        ticks = range(1, depth + 1, 1 + depth // 8)
        for axis in axes[:2]:
            axis.set(xlabel="layer", xlim=(0.8, depth + 0.2), xticks=ticks)
        axes[1].set(title="standard deviation of each layer", ylim=(-5, 5))
        # Words for the powers: matplotlib's own, set as formulas, take a third of the time.
        axes[1].set_yticks([-4, -2, 0, 2, 4], ["0.0001", "0.01", "1", "100", "10,000"])
        axes[1].legend(loc="lower left", fontsize=9)
        axes[2].axhline(guessing, color=COLORS["grey"], linewidth=1, linestyle=":")
        axes[2].text(STEPS, guessing, "guessing", color="#555555", ha="right", va="bottom", size=9)
        axes[2].set(title="train loss", ylim=(0, 2 * guessing), xlim=(0, STEPS), xlabel="step")
        axes[2].set(xticks=range(0, STEPS + 1, 10), yticks=range(int(2 * guessing) + 1))
        return sentence(captions[on], captions[not on])

    heavy: Any = {"on_release": True}  # each new setting trains two nets
    controls = {
        "on": Control(on, bool, label="batch norm"),
        "scale": Control(scale, (0.1, 4.0), label="scale of the first weights", log=True, **heavy),
        "depth": Control(depth, (1, 12), label="layers", **heavy),
        "lr": Control(lr, (0.001, 10.0), label="learning rate", log=True, **heavy),
    }
    size = {"columns": 3, "size": (10.0, 3.7), "widths": [1.1, 1, 1]}
    return Explorer("batch_norm", draw, controls, panels=size)
