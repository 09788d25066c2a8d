"""The augmentation mixer: one picture, six draws, and what could not have been photographed."""

import numpy

from coursekit.visuals.explore.frame import Choice, Explorer, Slider, Switch
from coursekit.visuals.pictures import as_array, bare
from coursekit.visuals.style import digits, panels, say, use_style

COUNT = 6
DRAWS = 99
ABOVE, SIDE = "from above", "from the side"


def versions(picture, augment, *, count=COUNT, draw=1):
    """Return augmented versions (count, H, W, 3) uint8; the same ``draw`` gives the same ones.

    Args:
        picture: uint8 (H, W, 3).
        augment: function of a float batch (B, 3, H, W) in 0..1 to one of the same shape.
        count: how many versions.
        draw: number of the draw; torch's own random numbers go on as if nothing had happened.
    """
    import torch

    x = torch.tensor(picture).permute(2, 0, 1).float() / 255  # (3, H, W)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(draw)  # torch.manual_seed would reseed a GPU as well
        changed = augment(x.repeat(count, 1, 1, 1))
    return (changed.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()


def mixed(*, flip, symmetries, rotate, zoom, light):
    """Return in words what an augmentation does, a list."""
    said = []
    if symmetries:
        said.append("one of the eight symmetries")
    elif flip:
        said.append("mirrored or not")
    if rotate:
        said.append(f"turned by up to {digits(rotate)} degrees")
    if zoom > 1:
        said.append(f"magnified up to {digits(zoom)} times")
    if light:
        said.append(f"light changed by up to {digits(100 * light)} %")
    return said


def doubts(taken, *, symmetries, rotate, zoom, light, **_):
    """Return why these settings make pictures that could not occur, a list of reasons.

    Args:
        taken: "from above" or "from the side".
        symmetries, rotate, zoom, light: as those of ``ck.Augment``.
    """
    found = []
    if taken == SIDE and symmetries:
        found.append("the symmetries put things on their head, and the sky below them")
    if rotate > 20:
        found.append(
            "no camera is held so askew"
            if taken == SIDE and rotate > 30
            else "the corners fill with mirrored parts of the picture, which nobody photographed"
        )
    if zoom > 1.5:
        found.append(
            "what the label names may lie outside the part that is left"
            if taken == SIDE
            else "a satellite keeps its height, so houses do not become twice as large"
        )
    if light > (0.4 if taken == SIDE else 0.2):
        found.append(
            "no lamp makes it so glaring or so dark"
            if taken == SIDE
            else "so much light looks like haze, and so little like night; haze is a label"
        )
    return found


def _verdict(said, reasons):
    """Return the sentence: what is mixed, and whether such pictures could occur."""
    if not said:
        return "Nothing is changed: the network would see the very same picture in every epoch."
    mix = f"Six draws: {', '.join(said)}. "
    if reasons:
        return f"{mix}Some of these pictures could not occur: {'; '.join(reasons)}."
    return f"{mix}Each of these could have been taken, so the label stays true."


def _side_by_side(pictures):
    """Return pictures (H, W, 3) as one row with white between them: one panel draws fast."""
    gap = numpy.full((len(pictures[0]), _gap(pictures[0].shape[1]), 3), 255, numpy.uint8)
    return numpy.concatenate([part for one in pictures for part in (gap, one)][1:], axis=1)


def _gap(width):
    return max(1, width // 16)


def _panel(row, width):
    """Return the Axes with a row of pictures, each of this width, and their names above."""
    axes = panels(1, 1, size=(10.0, 10.0 * row.shape[0] / row.shape[1] + 0.35))[0, 0]
    axes.imshow(row)
    bare(axes)
    for place, title in enumerate(["as it is", *(f"draw {one}" for one in range(1, COUNT + 1))]):
        middle = place * (width + _gap(width)) + width / 2
        axes.text(middle, -0.04 * len(row), title, ha="center", size=10)
    return axes


def augmentation(
    picture,
    make,
    *,
    taken=ABOVE,
    flip=True,
    symmetries=False,
    rotate=10.0,
    zoom=1.1,
    light=0.1,
    draw=1,
):
    """Mix an augmentation and look at six draws of it: which pictures could not occur?

    Args:
        picture: anything that ``ck.show_pictures`` takes; square where there are symmetries.
        make: ``ck.Augment``, or another function of flip, symmetries, rotate, zoom and light that
            returns a function of float batches (B, 3, H, W) in 0..1.
        taken: "from above" or "from the side".
        flip: mirror half of the pictures left to right.
        symmetries: draw one of the eight turns and mirrorings of a square instead.
        rotate: turn by up to so many degrees, 0 to 180.
        zoom: magnify by up to this factor, 1 to 2.5.
        light: change brightness and contrast by up to this share, 0 to 1.
        draw: number of the draw, 1 to 99.
    """
    array = as_array(picture)

    @use_style()
    def picture_of(axes, *, taken, draw, **settings):
        found = versions(array, make(**settings), draw=draw)
        row = _side_by_side([array, *found])
        if axes is None:
            axes = _panel(row, array.shape[1])
        else:
            axes.images[0].set_data(row)
        say(_verdict(mixed(**settings), doubts(taken, **settings)))
        return axes

    controls = {
        "taken": Choice("taken", taken, options=[ABOVE, SIDE]),
        "flip": Switch("mirror left and right", flip),
        "symmetries": Switch("eight symmetries instead", symmetries),
        "rotate": Slider("turn by up to, degrees", rotate, low=0.0, high=180.0, step=5.0),
        "zoom": Slider("magnify up to", zoom, low=1.0, high=2.5, step=0.05),
        "light": Slider("light, share", light, low=0.0, high=1.0, step=0.05),
        "draw": Slider("number of the draw", draw, low=1, high=DRAWS),
    }
    another = {"another draw": lambda shown: shown.set(draw=shown.settings["draw"] % DRAWS + 1)}
    return Explorer("augmentation", picture_of, controls, buttons=another)
