"""Explorers of lesson 7: heat maps of a picture of one's own, what a unit sees, batch norm."""

import functools
import itertools

import numpy
import torch

from coursekit.data.picture import read_picture
from coursekit.visuals.explore.frame import (
    Explorer,
    Picture,
    Slider,
    Switch,
    heading,
)
from coursekit.visuals.pictures import bare
from coursekit.visuals.style import (
    COLORS,
    DASHES,
    counted,
    digits,
    panels,
    say,
    sentence,
    use_style,
)

# What a unit sees -----------------------------------------------------------------------------


def seen(layers):
    """Return what one unit of the last layer is made of, from itself down to the dots.

    Args:
        layers: (kernel, stride, dilation) of each layer, the first one first.

    Returns:
        list of len(layers) + 1 arrays of places along one side: [0] for the unit itself, then the
        units of each layer below; the last array holds dots, counted from the first one seen.
    """
    places = [numpy.zeros(1, int)]
    for kernel, stride, dilation in reversed(layers):
        below = places[-1][:, None] * stride + numpy.arange(kernel) * dilation
        places.append(numpy.unique(below))
    return places


def fields(layers):
    """Return [(dots that a unit spans, dots from one unit to the next)], a layer each.

    Args:
        layers: (kernel, stride, dilation) of each layer, the first one first.
    """
    field, step, found = 1, 1, []
    for kernel, stride, dilation in layers:
        field, step = field + (kernel - 1) * dilation * step, step * stride
        found.append((field, step))
    return found


LINES = 450  # of a layer: enough for 64 dots and the largest kernel


@use_style()
def _draw_field(axes, picture, kernel, stride, dilation, depth, pooling):
    from matplotlib.collections import LineCollection

    block = [(kernel, stride, dilation)] + [(2, 2, 1)] * pooling
    layers, side = block * depth, picture.shape[1]
    drawn = panels(1, 2, size=(10.0, 4.0), widths=[1, 1.5], axes=axes)[0]
    places, spans = seen(layers), [(1, 1), *fields(layers)]
    field = spans[-1][0]
    start = side // 2 - field // 2  # the first dot seen, so that the unit looks at the middle
    dots = places[-1] + start
    _dim(drawn[0], picture, dots)
    drawn[0].set_title(f"a unit behind {counted(depth, 'layer')} sees {field} x {field}")
    lines = []
    for level, units in enumerate(reversed(places)):  # from the dots up
        width, step = spans[level]
        centres = units * step + (width - 1) / 2 + start
        within = (centres > -1) & (centres < side)
        units, centres = units[within], centres[within]
        drawn[1].plot(centres, numpy.full(len(units), level), ".", color=COLORS["blue"])
        if level:
            below_width, below_step = spans[level - 1]
            size, gap, spread = layers[level - 1]
            inputs = units[:, None] * gap + numpy.arange(size) * spread
            ends = inputs * below_step + (below_width - 1) / 2 + start
            begins = numpy.repeat(centres, size)
            pairs = numpy.stack([begins, numpy.full_like(begins, level)], 1)
            tips = numpy.stack([ends.ravel(), numpy.full_like(begins, level - 1)], 1)
            lines += [numpy.stack(one) for one in zip(pairs[:LINES], tips[:LINES], strict=True)]
    drawn[1].add_collection(LineCollection(lines, colors=COLORS["sky"], linewidths=0.8))
    drawn[1].plot([start + (field - 1) / 2], [len(layers)], "s", color=COLORS["orange"])
    names = [
        f"layer {number // 2 + 1}" if number % 2 == 0 else f"pooling {number // 2 + 1}"
        for number in range(len(layers))
    ]
    if not pooling:
        names = [f"layer {number + 1}" for number in range(len(layers))]
    drawn[1].set(xlim=(-1, side), ylim=(-0.4, len(layers) + 0.4), xlabel="dots of the picture")
    drawn[1].set_yticks(range(len(layers) + 1), ["dots", *names])
    drawn[1].set_title("one row of dots, and what the unit is made of")
    widths = [spans[(1 + pooling) * number][0] for number in range(1, depth + 1)]
    facts = [
        f"kernel {kernel}, stride {stride}"
        + f", dilation {dilation}" * (dilation > 1)
        + ", pooling by 2" * pooling,
        f"after each layer a unit spans {', '.join(map(str, widths))} dots",
    ]
    if len(places[-1]) < field:
        facts.append(f"it looks at {len(places[-1])} of the last {field}, with gaps")
    if field >= side:
        facts.append(f"the picture has {side}, so the unit spans it all")
    say(sentence(*facts))
    return drawn


def _dim(axis, picture, dots):
    """Draw a picture, pale where no dot is seen; dots: the rows and columns that are."""
    tall, wide = picture.shape[:2]
    inside = dots[(dots >= 0) & (dots < wide)]
    mask = numpy.zeros((tall, wide, 1))
    rows = inside[inside < tall]
    mask[numpy.ix_(rows, inside)] = 1
    pale = 200 + 0.2 * picture  # (H, W, 3)
    axis.imshow((picture * mask + pale * (1 - mask)).astype(numpy.uint8))
    bare(axis)
    low, high = max(dots[0], 0) - 0.5, min(dots[-1], wide - 1) + 0.5
    box = [low, high, high, low, low], [low, low, high, high, low]
    axis.plot(*box, color=COLORS["orange"], linewidth=3, clip_on=False)


def receptive_field(picture=None, *, kernel=3, stride=2, dilation=1, depth=3, pooling=False):
    """See which dots of a picture a unit is made of: choose kernel, stride, dilation and depth.

    Args:
        picture: a square one, anything that ``ck.show_pictures`` takes; None for 64 x 64 dots.
        kernel: side of the kernels, 1 to 7.
        stride: dots from one place of the kernel to the next, 1 to 3.
        dilation: dots from one number of the kernel to the next, 1 to 3.
        depth: convolutions one after another, 1 to 6.
        pooling: True puts a pooling of 2 x 2 with stride 2 behind each of them.
    """
    array = _pattern() if picture is None else numpy.asarray(read_picture(picture))

    def draw(axes, **settings):
        return _draw_field(axes, array, **settings)

    controls = {
        "kernel": Slider("kernel", kernel, low=1, high=7),
        "stride": Slider("stride", stride, low=1, high=3),
        "dilation": Slider("dilation", dilation, low=1, high=3),
        "depth": Slider("layers", depth, low=1, high=6),
        "pooling": Switch("pooling after each layer", pooling),
    }
    return Explorer("receptive_field", draw, controls)


def _pattern(side=64):
    """Return a picture (side, side, 3) of soft waves."""
    row, column = numpy.mgrid[:side, :side] / side
    waves = [0.5 + 0.5 * numpy.sin(9 * (row * a + column * b)) for a, b in ((1, 0), (0, 1), (1, 1))]
    return (numpy.stack(waves, 2) * 255).astype(numpy.uint8)


# Batch norm -----------------------------------------------------------------------------------

WIDTH, STEPS, ROWS = 32, 30, 128


def weights_of(inputs, depth, scale, classes, width=WIDTH):
    """Return the matrices (out, in) of ``depth`` hidden layers and of the last one, always alike.

    Args:
        inputs: numbers that a picture has.
        scale: factor on top of what keeps the spread behind a ReLU (arXiv:1502.01852).
    """
    dice = torch.Generator().manual_seed(0)
    sides = [inputs, *[width] * depth]
    hidden = [
        torch.randn(after, before, generator=dice) * scale * (2 / before) ** 0.5
        for before, after in itertools.pairwise(sides)
    ]
    return [*hidden, torch.randn(classes, width, generator=dice) / width**0.5]


def run_through(x, weights, normalised):
    """Return (what each hidden layer gives before its ReLU, scores).

    Args:
        x: numbers (N, inputs).
        weights: as ``weights_of`` gives them.
        normalised: True brings each number to mean 0 and spread 1 over the N rows.
    """
    given = []
    for matrix in weights[:-1]:
        x = x @ matrix.T
        if normalised:
            x = torch.nn.functional.batch_norm(x, None, None, training=True)
        given.append(x)
        x = x.relu()
    return given, x @ weights[-1].T


def losses_of(x, y, weights, normalised, rate, steps=STEPS):
    """Return the loss before each of ``steps`` steps of plain gradient descent, and after the last.

    It ends early where the loss is no number.
    """
    weights = [one.clone().requires_grad_(True) for one in weights]
    losses = []
    for step in range(steps + 1):
        with torch.enable_grad():
            loss = torch.nn.functional.cross_entropy(run_through(x, weights, normalised)[1], y)
        losses.append(loss.item())
        if not numpy.isfinite(losses[-1]) or step == steps:
            break
        slopes = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for one, slope in zip(weights, slopes, strict=True):
                one -= rate * slope
    return numpy.array(losses)


LOOKS = {
    False: ("without batch norm", "orange", DASHES[1]),
    True: ("with batch norm", "blue", DASHES[0]),
}
REACH = 4  # of the values, and of the powers of ten of their spread


def _norm_ground(layers, guessing):
    """Return the Axes of a new figure: values of each layer, their spread, and the train loss."""
    drawn = panels(1, 3, size=(10.0, 3.7), widths=[1.1, 1, 1])[0]
    values, spread, loss = drawn
    places = range(1, layers + 1, 1 + layers // 8)
    within = {"xticks": places, "xlabel": "layer", "ylim": (-REACH - 0.2, REACH + 0.2)}
    values.set(xlim=(0.4, layers + 0.6), yticks=[-4, -2, 0, 2, 4], **within)
    spread.set(xlim=(0.6, layers + 0.4), title="spread of each layer", **within)
    spread.set_yticks([-4, -2, 0, 2, 4], ["0.0001", "0.01", "1", "100", "10,000"])
    for name, colour, dashes in LOOKS.values():
        spread.plot([], [], color=COLORS[colour], linestyle=dashes, label=name)
    spread.legend(loc="lower left", fontsize=9)
    loss.axhline(guessing, color=COLORS["grey"], linewidth=1, linestyle=":")
    loss.text(STEPS, guessing, "guessing", color="#555555", ha="right", va="bottom", size=9)
    loss.set(xlabel="training step", title="train loss", ylim=(0, 2 * guessing))
    loss.set(xlim=(0, STEPS), xticks=range(0, STEPS + 1, 10), yticks=range(int(2 * guessing) + 1))
    return drawn


def _draw_norm(drawn, spreads, losses, shapes, *, on, guessing):
    """Return the artists of one setting of the sliders, drawn on their ground."""
    from matplotlib.collections import PolyCollection

    outlines = []
    for layer, (counts, edges) in enumerate(shapes, 1):
        half, tall = numpy.repeat(0.45 * counts / counts.max(), 2), numpy.repeat(edges, 2)[1:-1]
        sides = [layer - half, layer + half[::-1]]
        outlines.append(numpy.column_stack([numpy.concatenate(sides), [*tall, *tall[::-1]]]))
    colour = COLORS[LOOKS[on][1]]
    violins = PolyCollection(outlines, facecolors=colour)
    made = [drawn[0].add_collection(violins, autolim=False)]
    made.append(heading(drawn[0], f"before the ReLU, {LOOKS[on][0]}"))
    for kind, (_, colour, dashes) in LOOKS.items():
        looks = {"color": COLORS[colour], "linestyle": dashes}
        looks |= {"linewidth": 3 if kind == on else 1.2}
        layers = range(1, len(spreads[kind]) + 1)
        logs = numpy.log10(numpy.maximum(spreads[kind], 1e-9)).clip(-REACH, REACH)
        made += drawn[1].plot(layers, logs, marker=".", **looks)
        made += drawn[2].plot(numpy.clip(losses[kind], 0, 2 * guessing), **looks)
    told = [
        f"{LOOKS[kind][0]} the spread goes from {digits(spreads[kind][0])} in the first layer to "
        f"{digits(spreads[kind][-1])} in the last, the loss {_course(losses[kind])}"
        for kind in (on, not on)
    ]
    say(sentence(*told))
    return made


def _course(losses):
    if not numpy.isfinite(losses[-1]):
        return f"is no number any more after {counted(len(losses) - 1, 'step')}"
    return f"from {digits(losses[0])} to {digits(losses[-1])}"


def batch_norm(x, y, *, on=False, depth=8, scale=0.5, rate=0.1):
    """Switch batch norm on and off in a small net: what its layers give, and how it then learns.

    The net is made of fully connected layers of 32 units; the same random weights every time.

    Args:
        x: pictures (N, 3, H, W), shrunk to 8 x 8 dots, or numbers (N, D); 128 rows are taken.
        y: their class numbers (N,).
        on: True with batch norm.
        depth: hidden layers, 1 to 12.
        scale: of the first weights, 0.1 to 4; 1 keeps the spread from layer to layer.
        rate: learning rate of the 30 steps, 0.001 to 10.
    """
    x, y = torch.as_tensor(x)[:ROWS].detach().cpu().float(), torch.as_tensor(y)[:ROWS].cpu().long()
    if x.dim() == 4:
        x = torch.nn.functional.adaptive_avg_pool2d(x, 8)
    x = x.flatten(1)
    x = (x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-6)
    classes = int(y.max()) + 1

    @functools.lru_cache(maxsize=64)
    def run(depth, scale, rate, normalised):
        weights = weights_of(x.shape[1], depth, scale, classes)
        with torch.no_grad():
            values = [one.numpy() for one in run_through(x, weights, normalised)[0]]
        return values, losses_of(x, y, weights, normalised, rate)

    guessing, grounds = numpy.log(classes), {}

    @use_style()
    def draw(axes, on, depth, scale, rate):
        both = {kind: run(depth, scale, rate, kind) for kind in (False, True)}
        spreads = {kind: [one.std() for one in values] for kind, (values, _) in both.items()}
        losses = {kind: one for kind, (_, one) in both.items()}
        bins = numpy.linspace(-REACH, REACH, 62)  # so that zero is the middle of one
        shapes = [numpy.histogram(one.clip(-REACH, REACH), bins) for one in both[on][0]]
        if depth not in grounds:
            grounds[depth] = _norm_ground(depth, guessing)
        drawn = grounds[depth]
        moving = _draw_norm(drawn, spreads, losses, shapes, on=on, guessing=guessing)
        return Picture(drawn, moving=tuple(moving))

    controls = {
        "on": Switch("batch norm", on),
        "scale": Slider("scale of the first weights", scale, low=0.1, high=4.0, log=True),
        "depth": Slider("layers", depth, low=1, high=12, heavy=True),
        "rate": Slider("learning rate", rate, low=0.001, high=10.0, log=True),
    }
    return Explorer("batch_norm", draw, controls)
