"""Where things are drawn: grass, rooms, streets and skies.

A place is a function of (rng, width, height) that returns colors (height, width, 3).
"""

import numpy as np

from worlds.paint import smooth_noise
from worlds.things import vivid

GREENS = ((96, 140, 66), (122, 158, 74), (70, 112, 62), (150, 160, 84))


def _ground(rng, width, height, color, strength=14, cells=28):
    broad = smooth_noise(rng, width, height, 4)[:, :, None] * strength * 0.8
    fine = smooth_noise(rng, width, height, cells)[:, :, None] * strength
    return np.array(color, np.float32) + broad + fine


def _split(upper, lower, horizon):
    """Join two places at a horizon, 0 (top) to 1 (bottom)."""
    row = int(horizon * len(upper))
    return np.concatenate([upper[:row], lower[row:]])


def _grass(rng, width, height):
    green = GREENS[rng.integers(len(GREENS))]
    noise = rng.standard_normal((height + 7, width), np.float32)
    blades = sum(noise[i : i + height] for i in range(7))[:, :, None] * rng.uniform(4, 9)
    return _ground(rng, width, height, green, 10, 12) + blades


def _sky(rng, width, height):
    top = np.array(
        [(116, 168, 220), (176, 200, 220), (150, 150, 170), (230, 178, 140)][rng.integers(4)]
    )
    fade = np.linspace(0, 1, height)[:, None, None]
    clouds = np.clip(smooth_noise(rng, width, height, 5), 0, 1)[:, :, None] * 50
    return top + (235 - top) * fade * 0.7 + clouds


def _meadow(rng, width, height):
    return _split(_sky(rng, width, height), _grass(rng, width, height), rng.uniform(0.25, 0.6))


def _garden(rng, width, height):
    hedge = np.array((58, 92, 52)) + 26 * smooth_noise(rng, width, height, 22)[:, :, None]
    return _split(hedge, _grass(rng, width, height), rng.uniform(0.4, 0.7))


def _water(rng, width, height):
    color = np.array([(92, 150, 172), (70, 120, 160), (96, 160, 150)][rng.integers(3)])
    return color + 14 * smooth_noise(rng, width, height * 4, 8)[::4, :, None]


def _sea(rng, width, height):
    water = _water(rng, width, height)
    return _split(_sky(rng, width, height), water, rng.uniform(0.1, 0.6))


def _beach(rng, width, height):
    lower = _ground(rng, width, height, (220, 198, 152), 8, 45)
    ground = _split(_water(rng, width, height), lower, rng.uniform(0.4, 0.7))
    return _split(_sky(rng, width, height), ground, rng.uniform(0.1, 0.35))


def _snow(rng, width, height):
    lower = _ground(rng, width, height, (226, 230, 238), 9, 10)
    return _split(_sky(rng, width, height), lower, rng.uniform(0.2, 0.5))


def _wall(rng, width, height):
    color = 0.5 * np.array(vivid(rng)) + 95
    wall = _ground(rng, width, height, color, 4, 30)
    x = np.arange(width)[None, :, None]
    if rng.random() < 0.4:
        wall = wall + rng.uniform(8, 22) * (np.sin(x * rng.uniform(0.25, 0.7)) > 0.2)
    return wall


def _boards(rng, width, height):
    wood = [(168, 122, 78), (126, 86, 56), (196, 164, 124), (92, 74, 62)][rng.integers(4)]
    grain = np.stack([smooth_noise(rng, width, height, 5)] * 3, 2) * 9
    noise = smooth_noise(rng, width, 4 * height, 14)[::4, :, None] * 9
    y = np.arange(height)[:, None, None]
    seams = -30 * ((y % rng.integers(12, 22)) < 1)
    return np.array(wood) + grain + noise + seams


def _carpet(rng, width, height):
    first, second = np.array(vivid(rng)) * 0.8, np.array(vivid(rng)) * 0.8
    y, x = np.mgrid[:height, :width]
    step, tilt = rng.uniform(9, 26), rng.uniform(0, 1.5)
    u, v = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    weave = [np.sin(6.3 * u / step), np.sin(6.3 * u / step) * np.sin(6.3 * v / step),
             np.cos(6.3 * np.hypot(u % step - step / 2, v % step - step / 2) / step)]  # fmt: skip
    amount = np.clip(2 * weave[rng.integers(3)] + 0.5, 0, 1)[:, :, None] * rng.uniform(0.2, 0.8)
    return first + (second - first) * amount + 12 * rng.standard_normal((height, width, 1))


def _room(rng, width, height):
    floor = (_boards, _carpet)[rng.integers(2)](rng, width, height)
    row = rng.uniform(0.4, 0.75)
    room = _split(_wall(rng, width, height), floor, row)
    edge = int(row * height)
    room[max(edge - 4, 0) : edge] = 0.4 * room[max(edge - 4, 0) : edge] + 140
    return room


def _bricks(rng, width, height):
    color = np.array([(160, 92, 74), (190, 170, 150), (120, 116, 120)][rng.integers(3)])
    y, x = np.mgrid[:height, :width]
    row = y // 9
    joint = ((y % 9) < 1) | (((x + 10 * (row % 2)) % 20) < 1)
    tone = rng.normal(0, 10, (height // 9 + 1, width // 20 + 2))[row, (x + 10 * (row % 2)) // 20]
    wall = color + tone[:, :, None] + 6 * rng.standard_normal((height, width, 1))
    return np.where(joint[:, :, None], 200.0 - 40 * (color.mean() > 150), wall)


def _street(rng, width, height):
    road = _ground(rng, width, height, (126, 124, 126), 6, 60)
    return _split(_bricks(rng, width, height), road, rng.uniform(0.35, 0.65))


def _blur(rng, width, height):
    """A background far out of focus."""
    ground = np.array(vivid(rng)) * 0.7 + 30
    for _ in range(3):
        amount = np.clip(smooth_noise(rng, width, height, 4), 0, 1)[:, :, None]
        ground = ground + (np.array(vivid(rng)) - ground) * amount * 0.7
    return ground


INDOORS = (_room, _room, _carpet, _boards, _blur)
OUTDOORS = (_grass, _meadow, _garden, _beach, _snow, _street)
WATER = (_water, _sea)
