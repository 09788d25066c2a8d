"""Animals with fur: one way to draw them all."""

from dataclasses import dataclass, replace

import numpy as np

from worlds.looks import LOOKS
from worlds.paint import mirrored, shifted, smooth_noise

BLACK, CHARCOAL, GREY, SILVER = (44, 40, 42), (82, 78, 80), (132, 130, 132), (188, 186, 184)
CHOCOLATE, BROWN, GINGER, SAND = (84, 56, 40), (124, 86, 56), (206, 128, 62), (214, 180, 134)
CREAM, WHITE = (238, 222, 194), (244, 242, 236)
COATS = (BLACK, CHARCOAL, GREY, SILVER, CHOCOLATE, BROWN, GINGER, SAND, CREAM, WHITE)
PINK, DARK = (226, 158, 150), (28, 22, 24)


# --- fur ------------------------------------------------------------------------------------


_DIMMED = [round(0.66 * value) for value in range(256)] * 3


@dataclass(frozen=True)
class Coat:
    """Textures of one animal's fur and its single colors."""

    fur: object  # texture of the back and the head
    pale: object  # texture of belly, chest and muzzle
    shade: object  # texture of the far legs and the inside of folds
    color: tuple
    nose: tuple
    iris: tuple


def coat(brush, rng, looks):
    """Draw a coat from the urn that all kinds share: plain, tabby, patched, spotted or bicolor."""
    first, second = (COATS[i] for i in rng.choice(len(COATS), 2, replace=False))
    jitter = rng.normal(0, 9) + rng.normal(0, 2, 3)
    ground = np.array(first, np.float32) + jitter.astype(np.float32)
    pattern = str(rng.choice(["plain", "plain", "tabby", "tabby", "patched", "spotted", "mantle"]))
    grain = _grain(rng, brush.sheet, 0.02 if looks.fuzz < 0.04 else rng.uniform(0.07, 0.15))
    marked = ground + (np.array(second, np.float32) - ground) * _pattern(brush, rng, pattern)
    light = np.array(shifted(first, rng.uniform(0.15, 0.75)), np.float32)
    pale = light if rng.random() < 0.6 else ground
    fur = brush.sheet.spread(marked * grain)
    return Coat(
        fur=fur,
        pale=brush.sheet.spread(pale * grain),
        shade=fur.point(_DIMMED),
        color=tuple(int(v) for v in np.clip(ground, 0, 255)),
        nose=PINK if rng.random() < 0.35 else DARK,
        iris=[(206, 170, 60), (120, 160, 74), (96, 140, 180), (150, 92, 44)][rng.integers(4)],
    )


def _grain(rng, sheet, strength):
    """Hairs as a factor around 1: noise drawn out along one direction, (h, w, 1)."""
    noise = rng.standard_normal((sheet.height + 8, sheet.width + 4), np.float32)
    lean = int(rng.integers(-1, 2))
    streaks = sum(
        noise[i : i + sheet.height, start : start + sheet.width]
        for i, start in enumerate([2, 2, 2, 2 + lean, 2 + lean, 2 + lean])
    )
    return (1 + strength * 0.4 * streaks)[:, :, None]


def _pattern(brush, rng, pattern):
    """How much of the second color each pixel takes, (h, w, 1) in 0..1."""
    sheet = brush.sheet
    if pattern == "plain":
        return np.zeros((sheet.height, sheet.width, 1), np.float32)
    warp = smooth_noise(rng, sheet.width, sheet.height, 6)
    x, y = brush.units()
    if pattern == "tabby":
        lean = rng.uniform(0.2, 1)
        wave = np.sin(rng.uniform(9, 15) * (x * lean + y * (1 - lean)) + 1.6 * warp)
        amount = np.clip(2.2 * wave - 0.4, 0, 1) * rng.uniform(0.35, 0.75)
    elif pattern == "spotted":
        fine = smooth_noise(rng, sheet.width, sheet.height, rng.uniform(12, 18))
        amount = np.clip(5 * (fine - 0.45), 0, 1) * rng.uniform(0.5, 1)
    elif pattern == "patched":
        broad = smooth_noise(rng, sheet.width, sheet.height, rng.uniform(3, 6))
        amount = np.clip(9 * (broad - 0.1), 0, 1)
    else:
        amount = np.clip(3 * (y + rng.uniform(-0.3, 0.3) + 0.3 * warp), 0, 1)
    return amount.astype(np.float32)[:, :, None]


# --- the head -------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """How a head is held: ``turn`` from -0.9 (to the left) to 0.9, and how the ears lie."""

    turn: float
    ear_tilt: float
    gaze: float
    shut: float  # 0 open, 1 closed


def view(rng, turn):
    """Draw how a head is held."""
    shut = 1.0 if rng.random() < 0.06 else rng.uniform(0, 0.35)
    return View(turn, rng.uniform(-0.15, 0.2), rng.uniform(-0.3, 0.3), shut)


def paint_head(brush, looks, coat, view):
    """Paint a head of half-width 1 around the brush's origin, facing us or turned."""
    rng = brush.rng
    hangs = looks.ears in ("floppy", "side")
    if not hangs:
        _ears(brush, looks, coat, view)
    if "wool" in looks.extras:
        _wool(brush, coat, 0, -0.55, 0.75, 0.6)
    height, cheek, chin = looks.skull
    half = [(0, -height), (0.5, -0.93 * height), (0.88, -0.45 * height), (cheek, 0.15),
            (0.5 + chin / 2, 0.55 * height), (0.55 * chin, 0.85 * height),
            (0, 0.95 * height)]  # fmt: skip
    brush.blob(mirrored(half), coat.fur, 0.55, looks.fuzz)
    if rng.random() < 0.3:
        blaze = rng.uniform(0.1, 0.3)
        x = 0.35 * view.turn
        brush.blob([(x - blaze / 2, -0.9 * height), (x + blaze / 2, -0.9 * height),
                    (x + blaze, 0.2), (x, 0.6), (x - blaze, 0.2)], coat.pale)  # fmt: skip
    if "mask" in looks.extras:
        for side in (-1, 1):
            x = 0.36 * side + 0.3 * view.turn
            brush.oval(x + 0.12 * side, 0.02, 0.46, 0.27, shifted(coat.color, -0.75), 0.5 * side)
    _snout(brush, looks, coat, view)
    _eyes(brush, looks, coat, view)
    if "horns" in looks.extras:
        for side in (-1, 1):
            brush.limb([(0.5 * side, -0.85), (0.95 * side, -1.05), (1.0 * side, -1.5)],
                       [0.16, 0.13, 0.04], (222, 210, 184), 0.4)  # fmt: skip
    if hangs:
        _ears(brush, looks, coat, view)
    if "mane" in looks.extras:
        lock = shifted(coat.color, -0.6 if sum(coat.color) > 200 else 0.5)
        brush.blob([(-0.25, -1.2), (0.25, -1.2), (0.22, -0.6), (0.05, -0.25), (-0.2, -0.6)], lock,
                   0.3, 0.12)  # fmt: skip


def _ears(brush, looks, coat, view):
    for side in (-1, 1):
        root_x = side * looks.ears_apart * (1 - 0.12 * abs(view.turn)) - 0.18 * view.turn
        far = 1 - 0.35 * max(0, side * view.turn)
        ear = brush.at(root_x, -0.62 * looks.skull[0], angle=side * (0.28 + view.ear_tilt))
        _EARS[looks.ears](ear, side, looks.ear[0], looks.ear[1] * far, coat, looks.fuzz)


def _pointed(ear, side, length, half, coat, fuzz):
    base = 0.3
    ear.blob([(-half, base), (-0.72 * half, -0.35 * length), (0.05 * side * half, -length - 0.12),
              (0.72 * half, -0.35 * length), (half, base)], coat.fur, 0.5, fuzz * 0.5)  # fmt: skip
    ear.shape([(-0.6 * half, base), (-0.42 * half, -0.3 * length), (0.04 * side, -0.82 * length),
               (0.42 * half, -0.3 * length), (0.6 * half, base)], PINK, 0.75)  # fmt: skip


def _round(ear, side, length, half, coat, fuzz):
    ear.oval(0, -0.5 * length + 0.12, half, 0.62 * length, coat.fur, volume=0.5, fuzz=fuzz)
    ear.oval(0, -0.5 * length + 0.16, 0.66 * half, 0.42 * length, PINK, volume=0.7)


def _long(ear, side, length, half, coat, fuzz):
    bend = side * ear.rng.uniform(-0.1, 0.45)
    spine = [(0, 0.3), (0, -0.5 * length), (bend, -length)]
    ear.limb(spine, [0.75 * half, half, 0.8 * half, 0.25 * half], coat.fur, 0.5, fuzz * 0.5)
    ear.limb(spine, [0.4 * half, 0.58 * half, 0.4 * half, 0.1 * half], PINK, 0.6)


def _floppy(ear, side, length, half, coat, fuzz):
    ear = ear.at(0.22 * side, 0.05, angle=-side * 0.28)
    drop = ear.rng.uniform(0.75, 1.0) * length
    ear.blob([(-0.3 * side, -0.12), (0.25 * side, -0.2), (0.3 * side + half * side, 0.3 * drop),
              (0.22 * side + 0.8 * half * side, 0.85 * drop), (0.2 * side, drop),
              (0.02 * side, 0.6 * drop), (-0.12 * side, 0.2)], coat.shade, 0.45, fuzz)  # fmt: skip


def _side(ear, side, length, half, coat, fuzz):
    ear = ear.at(0.2 * side, 0.25)
    droop = ear.rng.uniform(-0.05, 0.35) * length
    outline = [(0, -0.6 * half), (0.6 * side * length, -half + droop * 0.5), (side * length, droop),
               (0.6 * side * length, 0.9 * half + droop * 0.5), (0, 0.7 * half)]  # fmt: skip
    ear.blob(outline, coat.fur, 0.5, fuzz)
    ear.blob([(0.55 * x + 0.12 * side, 0.55 * y) for x, y in outline], PINK, 0.8)


_EARS = {"pointed": _pointed, "round": _round, "long": _long, "floppy": _floppy, "side": _side}


def _eyes(brush, looks, coat, view):
    size, kind = looks.eyes
    for side in (-1, 1):
        x = 0.42 * side * (1 - 0.2 * abs(view.turn)) + 0.34 * view.turn
        squeeze = 1 - 0.45 * max(0, side * view.turn)
        if view.shut > 0.9:
            brush.line([(x - size, -0.06), (x, 0.05), (x + size, -0.06)], 0.07, DARK)
            continue
        eye = brush.at(x, -0.08)
        open_ = 1 - 0.5 * view.shut
        wide, tall = size * squeeze, size * open_
        eye.oval(0, 0, 1.22 * wide, 1.22 * tall, shifted(coat.color, -0.6), 0.25 * side)
        gaze = view.gaze * wide
        if kind != "dot":
            iris = coat.iris if kind == "slit" else shifted(coat.iris, -0.35)
            eye.oval(0, 0, wide, tall, iris, 0.15 * side, volume=0.4)
            pupil = brush.rng.uniform(0.2, 0.6) if kind == "slit" else 0.62
            eye.oval(gaze, 0, pupil * wide, (0.95 if kind == "slit" else 0.62) * tall, DARK)
        else:
            eye.oval(0, 0, wide, tall, DARK)
        eye.oval(gaze - 0.3 * wide, -0.35 * tall, 0.26 * wide, 0.26 * tall, (250, 250, 250))


def _snout(brush, looks, coat, view):
    length, root, tip = looks.snout
    start = (0.3 * view.turn, 0.3)
    end = (start[0] + view.turn * length * 1.05, 0.36 + 0.5 * length * (1 - 0.35 * abs(view.turn)))
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.03)
    if "tongue" in looks.extras:
        x, y = end[0] + 0.02, end[1] + 0.75 * tip
        brush.limb([(x, y - 0.1), (x, y + 0.25), (x + 0.03, y + 0.42)], [0.15, 0.17, 0.12],
                   (222, 104, 112), 0.4)  # fmt: skip
    if length < 0.3:
        for side in (-1, 1):
            brush.oval(end[0] + 0.2 * side, end[1] + 0.08, 0.3, 0.24, coat.pale, 0.3 * side, 0.35)
    else:
        brush.limb(
            [start, middle, end], [root, (root + tip) / 2, tip], coat.pale, 0.45, looks.fuzz / 2
        )
    muzzle = brush.at(*end)
    if "whiskers" in looks.extras:
        _whiskers(muzzle, tip, coat, view)
    _NOSES[looks.nose](muzzle, tip, coat, length)
    if "beard" in looks.extras:
        muzzle.limb([(0, 0.8 * tip), (0.05, 1.5 * tip + 0.2), (0, 1.8 * tip + 0.3)],
                    [0.2, 0.16, 0.03], coat.pale, 0.4, 0.08)  # fmt: skip
    if "teeth" in looks.extras:
        muzzle.shape([(-0.1, 0.2), (0.1, 0.2), (0.09, 0.42), (-0.09, 0.42)], (248, 246, 236))


def _mouth(muzzle, top, tip):
    dip = top + 0.16
    muzzle.line([(0, top), (0, dip)], 0.05, DARK)
    for side in (-1, 1):
        muzzle.line([(0, dip), (0.14 * side, dip + 0.09), (0.62 * tip * side + 0.1 * side, dip)],
                    0.05, DARK)  # fmt: skip


def _small_nose(muzzle, tip, coat, length):
    y = -0.12 if length < 0.3 else -0.4 * tip
    muzzle.blob([(-0.13, y - 0.06), (0.13, y - 0.06), (0.04, y + 0.1), (-0.04, y + 0.1)], coat.nose)
    _mouth(muzzle, y + 0.1, tip)


def _button_nose(muzzle, tip, coat, length):
    muzzle.oval(0, -0.45 * tip, 0.15, 0.12, DARK, volume=0.2)
    muzzle.oval(-0.04, -0.45 * tip - 0.05, 0.04, 0.025, (150, 146, 150))
    _mouth(muzzle, -0.45 * tip + 0.1, tip)


def _wide_nose(muzzle, tip, coat, length):
    y = -0.45 * tip
    muzzle.blob([(-0.2, y - 0.1), (0, y - 0.14), (0.2, y - 0.1), (0.17, y + 0.07), (0, y + 0.15),
                 (-0.17, y + 0.07)], DARK, 0.2)  # fmt: skip
    muzzle.oval(-0.06, y - 0.07, 0.06, 0.03, (158, 154, 160))
    _mouth(muzzle, y + 0.12, tip)


def _disc_nose(muzzle, tip, coat, length):
    muzzle.oval(0, 0, 0.42, 0.34, PINK, volume=0.4)
    for side in (-1, 1):
        muzzle.oval(0.15 * side, 0, 0.07, 0.12, (120, 62, 66))
    muzzle.line([(-0.3, 0.48), (0, 0.56), (0.3, 0.48)], 0.05, DARK)


def _slits_nose(muzzle, tip, coat, length):
    muzzle.oval(0, 0, 1.1 * tip, 0.8 * tip, shifted(PINK, -0.1) if coat.nose == PINK else
                shifted(coat.color, -0.35), volume=0.4)  # fmt: skip
    for side in (-1, 1):
        muzzle.oval(0.48 * tip * side, -0.15 * tip, 0.07, 0.11, DARK, 0.4 * side)
    muzzle.line([(-0.6 * tip, 0.5 * tip), (0, 0.6 * tip), (0.6 * tip, 0.5 * tip)], 0.05, DARK)


_NOSES = {"small": _small_nose, "button": _button_nose, "wide": _wide_nose, "disc": _disc_nose,
          "slits": _slits_nose}  # fmt: skip


def _whiskers(muzzle, tip, coat, view):
    rng = muzzle.rng
    on_light = sum(coat.color) > 540 and rng.random() < 0.8
    color = (60, 54, 54) if on_light else (250, 248, 244)
    reach = rng.uniform(0.75, 1.15)
    for side in (-1, 1):
        far = 1 - 0.4 * max(0, side * view.turn)
        for k in (-1, 0, 1):
            y = 0.06 + 0.09 * k
            middle, end = (0.55 * far * reach + 0.2) * side, (far * reach + 0.15) * side
            muzzle.line([(0.7 * tip * side, y), (middle, y + 0.1 * k), (end, y + 0.26 * k + 0.05)],
                        0.045, color)  # fmt: skip


def _wool(brush, coat, x, y, rx, ry, curls=11):
    rng = brush.rng
    brush.oval(x, y, rx, ry, coat.pale, volume=0.4)
    for t in np.linspace(0, 2 * np.pi, curls, endpoint=False) + rng.uniform(0, 1):
        size = rng.uniform(0.2, 0.3) * (rx + ry) / 1.3
        brush.oval(x + rx * 0.85 * np.cos(t), y + ry * 0.8 * np.sin(t), size, size, coat.pale,
                   volume=0.35)  # fmt: skip


# --- poses ----------------------------------------------------------------------------------


def _tail(brush, looks, coat, lift):
    """Paint a tail that starts at the origin and leaves to the left; ``lift`` from 0 to 1."""
    rng = brush.rng
    up = -0.3 - 1.1 * lift
    kind = looks.tail
    if kind in ("slender", "bare", "plume", "ringed"):
        tip = rng.choice([-1, 1])
        spine = [
            (0.2, 0.1),
            (-0.45, 0.15 + 0.25 * up),
            (-0.75, 0.8 * up),
            (-0.7 - 0.35 * tip, 1.25 * up),
        ]
        half = {"slender": [0.12, 0.11, 0.1, 0.09], "bare": [0.07, 0.055, 0.04, 0.02],
                "plume": [0.12, 0.24, 0.26, 0.1], "ringed": [0.14, 0.22, 0.22, 0.14],
                }[kind]  # fmt: skip
        paint = PINK if kind == "bare" else coat.fur
        brush.limb(spine, half, paint, 0.4, 0 if kind == "bare" else looks.fuzz)
        if kind == "ringed":
            dark = shifted(coat.color, -0.75)
            for x, y in ((-0.3, 0.08 + 0.2 * up), (-0.62, 0.55 * up), (-0.74, 0.9 * up)):
                brush.oval(x, y, 0.21, 0.09, dark, 0.9, fuzz=0.06)
    elif kind == "sickle":
        brush.limb([(0.2, 0.15), (-0.3, -0.1), (-0.45, -0.55), (-0.2, -0.85)],
                   [0.16, 0.16, 0.13, 0.05], coat.fur, 0.4, looks.fuzz)  # fmt: skip
    elif kind == "bush":
        brush.limb([(0.2, 0.1), (-0.5, 0.3), (-1.0, 0.35 + 0.5 * up), (-1.25, 0.2 + 0.8 * up)],
                   [0.12, 0.28, 0.34, 0.06], coat.fur, 0.4, 0.1)  # fmt: skip
        brush.limb(
            [(-1.1, 0.3 + 0.65 * up), (-1.27, 0.18 + 0.82 * up)], [0.2, 0.05], WHITE, 0.3, 0.08
        )
    elif kind == "brush":
        brush.limb([(0.25, 0.35), (-0.45, 0.1), (-0.5, -0.9), (-0.15, -1.5), (-0.65, -1.75)],
                   [0.15, 0.34, 0.4, 0.38, 0.14], coat.fur, 0.4, 0.14)  # fmt: skip
    elif kind in ("tassel", "flow"):
        brush.limb([(0.1, 0), (-0.25, 0.3), (-0.3, 1.0)], [0.08, 0.07, 0.06], coat.fur, 0.3)
        dark = shifted(coat.color, -0.6 if sum(coat.color) > 200 else 0.5)
        half = [0.1, 0.2, 0.2, 0.05] if kind == "flow" else [0.05, 0.16, 0.03]
        brush.limb([(0, 0), (-0.28, 0.5), (-0.3, 1.3)] if kind == "flow" else
                   [(-0.3, 0.85), (-0.32, 1.1), (-0.28, 1.35)], half, dark, 0.3, 0.08)  # fmt: skip
    elif kind == "curl":
        brush.line([(0.1, 0), (-0.2, -0.1), (-0.25, -0.35), (-0.05, -0.35), (-0.1, -0.1),
                    (-0.4, -0.15)], 0.09, PINK)  # fmt: skip
    else:
        brush.oval(-0.05, 0, 0.26, 0.24, coat.pale, volume=0.4, fuzz=0.08)


def _leg(brush, x, top, bottom, half, paint, bend=0.0):
    brush.limb([(x, top), (x + bend, (top + bottom) / 2), (x, bottom - half * 0.6)],
               [1.35 * half, half, 0.9 * half], paint, 0.4)  # fmt: skip
    brush.oval(x + 0.35 * half, bottom - 0.5 * half, 1.35 * half, 0.75 * half, paint, volume=0.35)


def face(brush, looks, coat):
    """A head close by, with the shoulders below it."""
    rng = brush.rng
    wide = rng.uniform(0.75, 1.2) * (0.7 + 0.3 * looks.body)
    brush.blob(mirrored([(0, 0.3), (0.6 * wide, 0.6), (wide, 1.3), (1.15 * wide, 2.6), (0, 2.8)]),
               coat.fur, 0.4, looks.fuzz)  # fmt: skip
    brush.oval(0, 1.55, 0.5 * wide, 0.8, coat.pale, volume=0.3, fuzz=looks.fuzz)
    if "wool" in looks.extras:
        _wool(brush, coat, 0, 1.7, 1.3, 0.7)
    head = brush.at(0, 0, angle=rng.normal(0, 0.13))
    paint_head(head, looks, coat, view(rng, rng.uniform(-0.75, 0.75)))


def sitting(brush, looks, coat):
    """Seen from the front, the tail to one side."""
    rng = brush.rng
    w, foot = looks.body, 1.3
    _tail(brush.at(-0.5 * w, 0.95), looks, coat, rng.uniform(0, 1))
    brush.blob(mirrored([(0, -0.75), (0.42 * w, -0.5), (0.56 * w, 0.1), (0.84 * w, 0.8),
                         (0.62 * w, 1.22), (0, 1.25)]), coat.fur, 0.5, looks.fuzz)  # fmt: skip
    if "wool" in looks.extras:
        _wool(brush, coat, 0, 0.25, 0.7 * w, 0.8, 14)
    brush.oval(0, 0.15, 0.36 * w, 0.7, coat.pale, volume=0.3, fuzz=looks.fuzz)
    half = looks.legs[1] * 0.85
    for side in (-1, 1):
        brush.oval(0.62 * side * w, 0.9, 0.34, 0.4, coat.fur, volume=0.4, fuzz=looks.fuzz / 2)
        brush.oval(0.66 * side * w, foot - 0.05, 0.3, 0.13, coat.pale, volume=0.4)
        _leg(brush, 0.22 * side, 0.1, foot, half, coat.fur)
    head = brush.at(0, -1.12, size=looks.head, angle=rng.normal(0, 0.12))
    paint_head(head, looks, coat, view(rng, rng.uniform(-0.8, 0.8)))


def standing(brush, looks, coat):
    """Seen from the side, on four legs."""
    rng = brush.rng
    w, foot = 0.55 * looks.body, 0.35 + looks.legs[0]
    half, step = looks.legs[1] * 0.85, rng.uniform(0.08, 0.28)
    for x in (-0.72 + step, 0.62 + step):
        _leg(brush, x, 0.2, foot - 0.06, half, coat.shade, rng.uniform(-0.08, 0.08))
    _tail(brush.at(-1.0, -0.25), looks, coat, rng.uniform(0, 1))
    if "wool" in looks.extras:
        _wool(brush, coat, 0, 0, 1.15, 0.95 * w + 0.1, 18)
    else:
        brush.blob([(-1.05, -0.3 * w), (-0.8, -w), (0, -0.85 * w), (0.8, -w), (1.05, -0.3 * w),
                    (0.85, 0.6 * w), (0, w), (-0.85, 0.75 * w)],
                   coat.fur, 0.5, looks.fuzz)  # fmt: skip
    for x in (-0.78 - step / 2, 0.72 - step / 2):
        _leg(brush, x, 0.15, foot, half, coat.fur, rng.uniform(-0.08, 0.08))
    x, y = 1.12, -0.72 * (0.75 + 0.25 * looks.legs[0])
    if "mane" in looks.extras:
        dark = shifted(coat.color, -0.6 if sum(coat.color) > 200 else 0.5)
        brush.limb(
            [(0.55, -0.35), (0.75, -0.8), (x - 0.15, y - 0.35)], [0.3, 0.32, 0.2], dark, 0.3, 0.1
        )
    brush.limb(
        [(0.7, -0.1), (x - 0.15, y + 0.2)],
        [0.42 * looks.body**0.5, 0.34],
        coat.fur,
        0.3,
        looks.fuzz,
    )
    head = brush.at(x, y, size=looks.head, angle=rng.normal(0.03, 0.12))
    paint_head(head, looks, coat, view(rng, rng.uniform(0.15, 0.9)))


def lying(brush, looks, coat):
    """Lying on the belly, the head raised, the paws in front."""
    rng = brush.rng
    w = looks.body
    _tail(brush.at(-1.1, 0.35), looks, coat, rng.uniform(0, 0.5))
    brush.blob([(-1.2, 0.35), (-1.0, -0.15 * w), (-0.4, -0.42 * w), (0.5, -0.4 * w), (0.9, 0.0),
                (0.95, 0.6), (-0.3, 0.68), (-1.1, 0.65)], coat.fur, 0.5, looks.fuzz)  # fmt: skip
    if "wool" in looks.extras:
        _wool(brush, coat, -0.2, 0.1, 1.0, 0.5 * w, 16)
    brush.oval(-0.75, 0.35, 0.42, 0.36, coat.fur, volume=0.4, fuzz=looks.fuzz / 2)
    half = looks.legs[1] * 0.8
    for y in (0.45, 0.62):
        brush.limb(
            [(0.5, y - 0.08), (1.0, y), (1.35, y)], [1.2 * half, half, 1.1 * half], coat.fur, 0.4
        )
    brush.oval(0.62, 0.2, 0.34, 0.4, coat.pale, volume=0.3, fuzz=looks.fuzz)
    head = brush.at(0.72, -0.5, size=looks.head, angle=rng.normal(0, 0.15))
    paint_head(head, looks, coat, view(rng, rng.uniform(-0.5, 0.9)))


# pose -> (painter, left, top, right, bottom of a typical animal in its own units)
POSES = {
    "face": (face, -1.15, -1.25, 1.15, 1.5),
    "sitting": (sitting, -1.15, -2.15, 1.05, 1.35),
    "standing": (standing, -1.6, -1.8, 1.9, 1.45),
    "lying": (lying, -1.6, -1.4, 1.5, 0.75),
}


def paint_creature(brush, kind, pose):
    """Paint one animal with fur, facing to the right or straight at us."""
    looks = LOOKS[kind](brush.rng)
    looks = replace(looks, fuzz=looks.fuzz * brush.rng.uniform(0.4, 1.3))
    POSES[pose][0](brush, looks, coat(brush, brush.rng, looks))
