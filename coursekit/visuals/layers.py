"""What the layers of a network have learned to see: first kernels, and the patches that excite."""

import contextlib
from dataclasses import dataclass

import numpy
import torch

from coursekit.console import CourseError, nearest, progress
from coursekit.visuals.pictures import bare, mosaic
from coursekit.visuals.style import counted, labeled_rows, panels, say, use_style

TILE = 64  # pixels of a patch as it is drawn


@use_style()
def show_filters(model, *, axes=None):
    """Draw the kernels of the first convolution as small colour pictures, grey where they are zero.

    Args:
        model: a network whose first convolution takes three colours.
        axes: the Axes to draw on; None for a new figure.

    Raises:
        CourseError: the model has no such convolution.
    """
    layers = [m for m in model.modules() if getattr(m, "in_channels", 0) == 3]
    if not layers:
        raise CourseError("No convolution of this model takes three colours; give a picture model.")
    kernels = layers[0].weight.detach().float().cpu()  # (K, 3, k, k)
    count, _, tall, wide = kernels.shape
    scaled = 0.5 + 0.5 * kernels / kernels.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    columns = min(16, count)
    rows = -(-count // columns)
    axis = panels(size=(min(9.0, 0.6 * columns), 0.6 * rows + 0.2), axes=axes)[0, 0]
    axis.imshow(mosaic(scaled.permute(0, 2, 3, 1).numpy(), columns), interpolation="nearest")
    bare(axis)
    # A kernel looks at brightness where its three colours say nearly the same.
    apart = (kernels - kernels.mean(1, keepdim=True)).square().sum((1, 2, 3))
    grey = int((apart < 0.1 * kernels.square().sum((1, 2, 3)).clamp(min=1e-12)).sum())
    say(
        f"The first layer has {counted(count, 'kernel')} of {tall} x {wide} pixels: {grey} look at "
        f"brightness alone, {count - grey} at colours too."
    )
    return axis


@use_style()
def show_layers(model, batches, stages=None, channels=3, patches=6, *, pictures=256):
    """Draw, for a few channels of several stages, the patches of pictures that excite them most.

    The channels are the most selective ones: their best patches excite them far above the mean,
    measured in standard deviations over the pictures. A patch is as large as the part of the
    picture that moves the unit (effective receptive field, arXiv 1701.04128), and is cut around it.

    Args:
        model: a picture network; where it has a ``body``, stages are looked for in there.
        batches: iterable of (x, y) with x float (B, 3, H, W) in 0..1, such as ``data.valid``.
        stages: names of modules in the body, as ``named_modules()`` gives them; None for up to
            four, evenly spaced.
        channels: how many channels a stage.
        patches: how many patches a channel.
        pictures: how many pictures are looked through at most, evenly spaced where there are more.

    Raises:
        CourseError: a stage is not there, or gives no maps (B, C, h, w).
    """
    seen, looked = look(model, batches, stages, pictures=pictures)
    labels = [
        f"{stage.name}\n{stage.maps[0]} x {stage.maps[1]} maps\nsees {stage.side} pixels"
        for stage in looked
    ]
    drawn = labeled_rows(labels, channels, cell=(2.45, 1.9), heights=[1] * len(labels), label=1.8)
    for axes, stage in zip(drawn, looked, strict=True):
        for axis, channel in zip(axes, stage.selective(patches)[:channels], strict=False):
            tiles = [stage.patch(seen, row, channel) for row in stage.best(channel, patches)]
            axis.imshow(mosaic(numpy.stack(tiles), -(-patches // 2), gap=3))
            axis.set_title(f"channel {channel}")
    views = ", ".join(f"{stage.side} in {stage.name}" for stage in looked)
    say(
        f"A unit sees a square of so many pixels of {seen.shape[-1]}: {views}; drawn are the "
        f"patches of {counted(len(seen), 'picture')} that excite the most selective channels most."
    )
    return drawn


@dataclass(frozen=True)
class Stage:
    """How strongly, and where, the channels of a stage answer to some pictures.

    Attributes:
        name: of the module.
        side: pixels of the square that moves one unit.
        maps: height and width of its maps.
        values: (N, C), the strongest answer of each channel to each picture.
        places: (N, C), where in the maps it stands.
    """

    name: str
    side: int
    maps: tuple
    values: object
    places: object

    def selective(self, patches):
        """Return the channels in order of how far their best pictures stand above the mean."""
        best = self.values.topk(min(patches, len(self.values)), dim=0).values[-1]  # their least
        spread = self.values.std(0, correction=0)
        score = (best - self.values.mean(0)) / spread.clamp(min=1e-6)
        return score.argsort(descending=True, stable=True).tolist()

    def best(self, channel, patches):
        """Return the rows of the pictures that excite a channel most, at most ``patches``."""
        return self.values[:, channel].argsort(descending=True)[:patches].tolist()

    def corner(self, picture, row, channel):
        """Return (top, left) of the square that excites a channel most in picture ``row``."""
        tall, wide = picture.shape[1:]
        down, along = divmod(int(self.places[row, channel]), self.maps[1])
        top = round((down + 0.5) * tall / self.maps[0] - self.side / 2)
        left = round((along + 0.5) * wide / self.maps[1] - self.side / 2)
        most = tall - self.side, wide - self.side
        return int(numpy.clip(top, 0, most[0])), int(numpy.clip(left, 0, most[1]))

    def patch(self, seen, row, channel):
        """Return that square, (TILE, TILE, 3) in 0..1; ``seen`` are the pictures (N, 3, H, W)."""
        from PIL import Image

        top, left = self.corner(seen[row], row, channel)
        square = seen[row][:, top : top + self.side, left : left + self.side]
        patch = Image.fromarray(square.permute(1, 2, 0).numpy())
        return numpy.asarray(patch.resize((TILE, TILE))) / 255


def look(model, batches, stages=None, *, pictures=256):
    """Run pictures through a network once; return them and what its stages answer.

    Args:
        model, batches, stages, pictures: as for ``show_layers``.

    Returns:
        (seen, looked): seen uint8 (N, 3, H, W), looked one ``Stage`` a stage.

    Raises:
        CourseError: a stage is not there, or gives no maps (B, C, h, w).
    """
    body = getattr(model, "body", model)
    if getattr(batches, "num_examples", 0) > pictures:  # files often stand class by class
        rows = numpy.linspace(0, batches.num_examples - 1, pictures).round().astype(int)
        batches = batches.subset(rows)
    with resting(model):
        x = next(iter(batches))[0]
        stages = _stages(model, body, x[:2], stages)
        sides = [_field(model, body, stage, x[:2]) for stage in stages]
        seen, peaks = _peaks(model, body, stages, batches, pictures)
    names = [f"body.{stage}" if body is not model else stage for stage in stages]
    return seen, [
        Stage(name, side, maps, values, places)
        for name, side, (values, places, maps) in zip(names, sides, peaks, strict=True)
    ]


@contextlib.contextmanager
def resting(model):
    """Put every module into evaluation mode, and each back into its own afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def _listening(body, names, heard):
    """While open, call ``heard(name, output)`` whenever a named module gives an output."""
    modules = dict(body.named_modules())
    handles = [
        modules[name].register_forward_hook(lambda _m, _i, out, name=name: heard(name, out))
        for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stages(model, body, x, asked):
    """Return the names of the stages asked for, or the last module of up to four map sizes."""
    names = [name for name, _ in body.named_modules() if name]
    for name in asked or []:
        if name not in names:
            raise CourseError(f"The body has no module {name!r}." + nearest(name, names))
    last = {}  # size of the maps: the last module that gives it, outermost modules first

    def heard(name, out):
        # A transformer's (B, h, w, C) is told from maps by its proportions.
        maps = torch.is_tensor(out) and out.ndim == 4 and out.shape[-1] > 1
        if maps and abs(out.shape[-2] / out.shape[-1] - x.shape[-2] / x.shape[-1]) < 0.1:
            key = name if asked else tuple(out.shape[-2:])
            if name.count(".") <= last.get(key, name).count("."):
                last[key] = name

    with torch.no_grad(), _listening(body, asked or names, heard):
        model(x)
    missing = [name for name in asked or [] if name not in last]
    if missing or not last:
        raise CourseError(
            f"{missing[0] if missing else 'This model'} gives no maps (B, C, h, w) to look into; "
            "name stages of a convolutional body."
        )
    names = list(asked or last.values())
    places = numpy.linspace(0, len(names) - 1, len(names) if asked else min(4, len(names)))
    return [names[place] for place in places.round().astype(int)]


def _field(model, body, stage, x):
    """Return the side of the square that holds nine tenths of what moves a stage's middle unit."""
    x = x.detach().clone().requires_grad_(True)
    middle = []

    def heard(_name, out):
        unit = out[:, :, out.shape[2] // 2, out.shape[3] // 2]  # (B, C)
        # Unequal weights: after a layer norm the plain sum over the channels never moves.
        middle.append((unit @ torch.linspace(1, 2, unit.shape[1], device=unit.device)).sum())

    with torch.enable_grad(), _listening(body, [stage], heard):
        model(x)
    weight = torch.autograd.grad(middle[-1], x)[0].abs().sum((0, 1)).cpu()  # (H, W)
    share = weight / weight.sum().clamp(min=1e-12)
    row, column = torch.meshgrid(*map(torch.arange, share.shape), indexing="ij")
    away = torch.maximum((row - (share * row).sum()).abs(), (column - (share * column).sum()).abs())
    nearest_first = away.flatten().argsort()
    inside = int((share.flatten()[nearest_first].cumsum(0) < 0.9).sum())
    reach = float(away.flatten()[nearest_first][min(inside, share.numel() - 1)])
    return min(round(2 * reach) + 1, *share.shape)


def _peaks(model, body, stages, batches, pictures):
    """Run pictures through and keep how strongly, and where, each channel answers to each.

    Returns:
        (seen, peaks): seen uint8 (N, 3, H, W); peaks one (values (N, C), places (N, C), (h, w)) a
        stage.
    """
    latest, found, seen = {}, {stage: [] for stage in stages}, []

    def heard(name, out):
        values, places = out.float().flatten(2).max(2)
        latest[name] = values.cpu(), places.cpu(), tuple(out.shape[-2:])

    left = pictures
    with torch.no_grad(), _listening(body, stages, heard):
        for x, _ in progress(batches, label="looking", unit=" batches"):
            x = x[:left]
            model(x)
            seen.append((x.clamp(0, 1) * 255).round().byte().cpu())
            for stage in stages:
                found[stage].append(latest[stage])
            left -= len(x)
            if left <= 0:
                break
    peaks = []
    for parts in found.values():
        values, places, shapes = zip(*parts, strict=True)
        peaks.append((torch.cat(values), torch.cat(places), shapes[0]))
    return torch.cat(seen), peaks
