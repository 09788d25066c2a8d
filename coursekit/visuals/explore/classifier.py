"""What the layers of a picture network answer to."""

import numpy

from coursekit.data.picture import read_picture
from coursekit.visuals.explore.frame import Choice, Explorer, Slider
from coursekit.visuals.layers import look
from coursekit.visuals.pictures import bare, mosaic
from coursekit.visuals.style import (
    COLORS,
    counted,
    digits,
    panels,
    say,
    use_style,
)

# What the layers answer to --------------------------------------------------------------------

PATCHES = 6
SIDE = 128  # pixels of a picture as it is drawn


def _shrunk(picture, side):
    """Return a picture (H, W, 3) as a square of ``side`` pixels, numbers in 0..1."""

    return numpy.asarray(read_picture(picture).resize((side, side))) / 255


def _square(top, left, side):
    """Return (x, y) of the outline of a square, ended by NaN."""
    corners = numpy.array([[0, 1, 1, 0, 0, numpy.nan], [0, 0, 1, 1, 0, numpy.nan]])
    return corners * side + [[left], [top]]


def layers(model, batches, *, stage=None, rank=1, pictures=256):
    """Ask a network what excites it: choose a stage and a channel, see the pictures that do.

    Above stand the patches that excite the channel most, below the pictures that they were cut
    from. The channels are ordered: the first ones answer to few pictures, and strongly.

    Args:
        model: a picture network; where it has a ``body``, stages are looked for in there.
        batches: iterable of (x, y) with x float (B, 3, H, W) in 0..1, such as ``data.valid``.
        stage: name of the stage to begin with; None for the first.
        rank: which channel to begin with, from 1, the most selective.
        pictures: how many pictures are looked through at most; this is done once.
    """
    seen, looked = look(model, batches, pictures=pictures)
    stages = {one.name: one for one in looked}
    patches = min(PATCHES, len(seen))
    orders = {name: one.selective(patches) for name, one in stages.items()}

    @use_style()
    def draw(axes, stage, rank):
        axis = panels(size=(9.0, 3.3), axes=axes)[0, 0]
        chosen = stages[stage]
        channel = orders[stage][min(rank, len(orders[stage])) - 1]
        rows = chosen.best(channel, patches)
        tiles = [chosen.patch(seen, row, channel) for row in rows]
        tiles = [_shrunk((tile * 255).astype(numpy.uint8), SIDE) for tile in tiles]
        wholes = [_shrunk(seen[row].permute(1, 2, 0), SIDE) for row in rows]
        axis.imshow(mosaic(numpy.stack(tiles + wholes), patches, gap=6))
        tall, wide = seen.shape[2:]
        frames = []
        for place, row in enumerate(rows):
            top, left = chosen.corner(seen[row], row, channel)
            corner = numpy.array([[place * (SIDE + 6)], [SIDE + 6]]) - 0.5
            frames.append(corner + _square(top / tall, left / wide, chosen.side / tall) * SIDE)
        axis.plot(*numpy.concatenate(frames, 1), color=COLORS["red"], linewidth=1.5)
        bare(axis)
        view = f"a unit sees {chosen.side} of {tall} pixels"
        axis.set_title(f"{stage}, channel {channel}: {view}")
        values = chosen.values[:, channel]
        least = digits(values[rows].min())
        say(
            f"Channel {channel} of {stage} answers to these {patches} of "
            f"{counted(len(seen), 'picture')} with {least} or more, and with "
            f"{digits(values.mean())} on average; {view}."
        )
        return axis

    first = stage or looked[0].name
    most = max(len(order) for order in orders.values())
    controls = {
        "stage": Choice("stage", first, options=list(stages)),
        "rank": Slider("channel, by selectivity", rank, low=1, high=min(32, most)),
    }
    return Explorer("layers", draw, controls)
