"""The whole picture: a place, clutter, the thing itself, and what stands in front of it."""

import numpy as np

from worlds.creatures import LOOKS, POSES, paint_creature
from worlds.paint import DETAIL, Brush, Sheet, mirrored, shifted
from worlds.places import GREENS, INDOORS, OUTDOORS, WATER
from worlds.things import THINGS, vivid

KINDS = (*LOOKS, *THINGS)
HARD = 0.03  # share of pictures in which the thing is small and half hidden
_PLACES = {"fish": WATER, "houses": OUTDOORS, "trees": OUTDOORS}  # the others: everywhere


def render(kind, rng, *, scale=1.0):
    """Draw one picture of ``kind``.

    Args:
        kind: one of ``KINDS``.
        rng: a ``numpy.random.Generator``; the picture depends on nothing else.
        scale: factor of the picture's sides; a small one is drawn faster.

    Returns:
        (picture, mask): an RGB picture of 100 to 160 pixels a side, times ``scale``, and an L mask
        of its size, 255 where the thing can be seen.
    """
    long_, short = rng.integers(124, 161), rng.integers(100, 125)
    width, height = (long_, short) if rng.random() < 0.7 else (short, long_)
    sheet = Sheet(int(width * scale), int(height * scale), rng)
    hard = rng.random() < HARD
    place = _PLACES.get(kind, INDOORS + OUTDOORS)
    _backdrop(sheet, place)
    whole = Brush(sheet, np.eye(2) * sheet.picture.height / 2, np.array(sheet.picture.size) / 2)
    for _ in range(rng.integers(0, 4) if place is not WATER else 0):
        _clutter(whole)
    sheet.subject = 255
    box = _subject(sheet, kind, hard)
    sheet.subject = 0
    if hard or rng.random() < 0.3:
        _in_front(whole, box, rng.uniform(0.3, 0.5) if hard else rng.uniform(0.05, 0.2))
    return sheet.photograph()


# how often an animal shows its face, sits, stands and lies
_HABIT = (0.42, 0.24, 0.18, 0.16)
_HABITS = dict.fromkeys(("horses", "cows", "sheep", "pigs", "goats"), (0.45, 0.02, 0.35, 0.18))


def _subject(sheet, kind, hard):
    """Paint the thing somewhere on the sheet; return its box (left, top, right, bottom)."""
    rng = sheet.rng
    pose = str(rng.choice(list(POSES), p=_HABITS.get(kind, _HABIT))) if kind in LOOKS else None
    left, top, right, bottom = (POSES[pose] if pose else THINGS[kind])[1:]
    width, height = sheet.picture.size
    share = rng.uniform(0.5, 0.7) if hard else rng.uniform(0.8, 1.12)
    size = share * min(width / (right - left), height / (bottom - top))
    free_x = max(width - size * (right - left), 0.22 * width)
    free_y = max(height - size * (bottom - top), 0.2 * height)
    mirror = rng.random() < 0.5
    corner_x = (width - size * (right - left) - free_x) / 2 + rng.uniform(0.1, 0.9) * free_x
    corner_y = (height - size * (bottom - top) - free_y) / 2 + rng.uniform(0.1, 0.9) * free_y
    x = corner_x + size * (right if mirror else -left)
    y = corner_y - size * top
    box = (corner_x, corner_y, corner_x + size * (right - left), corner_y + size * (bottom - top))
    brush = Brush(sheet, np.diag([-size if mirror else size, size]), (x, y))
    brush = brush.at(0, 0, angle=rng.normal(0, 0.05))
    if pose != "face" and kind != "fish":
        _shadow(brush, left, right, bottom)
    if pose:
        paint_creature(brush, kind, pose)
    else:
        THINGS[kind][0](brush)
    return box


def _shadow(brush, left, right, bottom):
    sheet, x = brush.sheet, (left + right) / 2
    sheet.subject = 0
    for grow, strength in ((1.0, 0.12), (0.85, 0.14), (0.7, 0.16)):
        sheet.veil(
            brush.pixels(_flat(x, bottom - 0.05, 0.52 * grow * (right - left), 0.2 * grow)),
            strength,
        )
    sheet.subject = 255


def _flat(x, y, rx, ry):
    t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], 1)


def _backdrop(sheet, places):
    rng = sheet.rng
    place = places[rng.integers(len(places))]
    sheet.picture.paste(sheet.spread(place(rng, sheet.width, sheet.height)))


# --- clutter --------------------------------------------------------------------------------


def _clutter(brush):
    """Put one thing of no importance behind the subject."""
    rng = brush.rng
    wide = brush.sheet.width / brush.sheet.height
    spot = brush.at(rng.uniform(-wide, wide), rng.uniform(-0.6, 0.9), size=rng.uniform(0.25, 0.6))
    spot = spot.at(0, 0, angle=rng.normal(0, 0.1))
    _CLUTTER[rng.integers(len(_CLUTTER))](spot)


def _toy_ball(brush):
    color = vivid(brush.rng)
    brush.oval(0, 0, 0.6, 0.6, color, volume=0.7)
    brush.limb([(-0.5, -0.1), (0, 0.1), (0.5, -0.1)], [0.06, 0.12, 0.06], vivid(brush.rng), 0.5)


def _cushion(brush):
    color = vivid(brush.rng)
    half = [(0, -0.5), (1, -0.6), (0.9, 0), (1, 0.6), (0, 0.5)]
    brush.blob(mirrored(half)[:8], color, 0.6)


def _books(brush):
    rng = brush.rng
    for k in range(4):
        x, tall = -0.6 + 0.3 * k, rng.uniform(0.8, 1.3)
        brush.shape([(x, -tall), (x + 0.27, -tall), (x + 0.27, 0.4), (x, 0.4)], vivid(rng), 0.4)


def _stone(brush):
    tone = int(brush.rng.integers(90, 170))
    t = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    far = brush.rng.uniform(0.5, 0.9, 8)
    brush.blob(
        np.stack([far * np.cos(t), 0.6 * far * np.sin(t)], 1), (tone, tone - 4, tone - 10), 0.7
    )


def _plant(brush):
    rng = brush.rng
    green = GREENS[rng.integers(len(GREENS))]
    for lean in rng.uniform(-1, 1, 7):
        brush.limb([(0, 0.5), (0.4 * lean, -0.3), (lean, -0.9)], [0.05, 0.14, 0.02], green, 0.4)
    if rng.random() < 0.7:
        brush.shape([(-0.4, 0.3), (0.4, 0.3), (0.28, 1.0), (-0.28, 1.0)], (186, 106, 76), 0.5)


def _frame(brush):
    rng = brush.rng
    wide, tall = rng.uniform(0.5, 1), rng.uniform(0.5, 1)
    for grow, paint in ((1.0, (96, 70, 50)), (0.85, vivid(rng))):
        w, t = wide * grow, tall * grow
        brush.shape([(-w, -t), (w, -t), (w, t), (-w, t)], paint, 0.3)
    brush.oval(0.2 * wide, 0.2, 0.4 * wide, 0.3 * tall, vivid(rng), volume=0.5)


_CLUTTER = (_toy_ball, _cushion, _books, _stone, _plant, _frame)


# --- in front of the subject ----------------------------------------------------------------


def _in_front(brush, box, share):
    """Hide about ``share`` of the subject's box behind leaves, blades, a board or a block."""
    rng = brush.rng
    painter = (_leaves, _blades, _board, _block)[rng.integers(4)]
    pixels = Brush(brush.sheet, np.eye(2), (0, 0))
    painter(pixels, np.asarray(box), share)


def _leaves(brush, box, share):
    rng = brush.rng
    size = DETAIL * brush.sheet.height * 0.13
    width, height = box[2:] - box[:2]
    green = GREENS[rng.integers(len(GREENS))]
    corner = rng.choice([0, 1])
    for _ in range(int(4 + 40 * share)):
        x = box[0] + width * abs(corner - rng.beta(1, 3.5))
        y = box[1] + height * rng.uniform(0, 1.1)
        leaf = brush.at(x, y, size=size * rng.uniform(0.6, 1.3), angle=rng.uniform(0, 6.3))
        leaf.blob([(-0.8, 0), (-0.1, -0.3), (0.8, 0), (-0.1, 0.3)], green, 0.6)
        leaf.line([(-0.8, 0), (0.7, 0)], 0.05, (60, 90, 50))


def _blades(brush, box, share):
    rng = brush.rng
    bottom, height = brush.sheet.picture.height, box[3] - box[1]
    green = GREENS[rng.integers(len(GREENS))]
    tall = bottom - box[3] + height * min(1.6 * share, 0.6)
    for x in rng.uniform(box[0] - 20, box[2] + 20, int(20 + 60 * share)):
        lean, reach = rng.normal(0, 0.2), tall * rng.uniform(0.5, 1.2)
        tone = rng.uniform(0.75, 1.2)
        tip, middle = x + lean * reach, x + 0.3 * lean * reach
        blade = [(x - 4, bottom + 9), (middle - 3, bottom - reach / 2), (tip, bottom - reach),
                 (middle + 3, bottom - reach / 2), (x + 4, bottom + 9)]  # fmt: skip
        brush.shape(blade, tuple(int(c * tone) for c in green))


def _board(brush, box, share):
    """A post, a chair leg or the edge of a door, from top to bottom."""
    rng = brush.rng
    half = max(0.5 * share * (box[2] - box[0]), 5)
    x = rng.uniform(box[0], box[2])
    lean = rng.normal(0, 0.08) * brush.sheet.picture.height
    color = [(150, 108, 70), (92, 66, 50), (200, 196, 190), (70, 74, 84)][rng.integers(4)]
    bottom = brush.sheet.picture.height + 9
    brush.shape(
        [(x - half, -9), (x + half, -9), (x + half + lean, bottom), (x - half + lean, bottom)],
        color,
        0.5,
    )


def _block(brush, box, share):
    """A box, a cushion or the arm of a sofa, at the lower edge."""
    rng = brush.rng
    width, height = box[2:] - box[:2]
    left = box[0] + width * rng.uniform(-0.4, 0.7)
    right = left + width * rng.uniform(0.5, 0.9)
    top = box[3] - height * min(2 * share, 0.6)
    bottom = brush.sheet.picture.height + 20
    outline = [
        (left, top),
        ((left + right) / 2, top - 6),
        (right, top),
        (right + 8, bottom),
        (left - 8, bottom),
    ]
    if rng.random() < 0.5:
        brush.shape(outline, shifted(vivid(rng), -0.25), 0.5)
    else:
        brush.blob(outline, shifted(vivid(rng), -0.25), 0.5)
