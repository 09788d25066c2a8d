"""The sample edition of planet: tiles of a forest seen from above, drawn from fractal noise.

``train-jpg``, ``train_v2.csv`` and ``test-jpg`` lie as in the published set, with its 17 labels.
Beside them, ``truth/tiles.csv`` says of every tile, test tiles included, which labels it has, which
of them can be seen through the clouds, and how much of it the clouds cover.
"""

import functools
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from worlds.files import on_all_processors, write_table

COUNTS = {"train": 1200, "test": 120}
SIDE = 64  # pixels
WEATHER = {"clear": 0.60, "partly_cloudy": 0.26, "haze": 0.09, "cloudy": 0.05}
LAND = (
    "primary", "agriculture", "road", "water", "cultivation", "habitation", "bare_ground",
    "selective_logging", "artisinal_mine", "blooming", "slash_burn", "conventional_mine",
    "blow_down",
)  # fmt: skip
LABELS = (*WEATHER, *LAND)  # as published, the odd spelling of artisinal included
# Something is seen where the clouds let a fifth of the light through, on so many pixels or more.
CLEAR_ENOUGH, ENOUGH_PIXELS = 0.8, 8

ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(float)
_FREQUENCY = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
_FREQUENCY[0, 0] = 1  # the mean is taken away afterwards


def build(folder, *, seed=0, counts=None):
    """Build the set into ``folder``; the same seed gives the same tiles.

    Args:
        counts: tiles a part, such as ``{"train": 20, "test": 5}``. Default: ``COUNTS``.
    """
    folder, counts = Path(folder), counts or COUNTS
    for part in counts:
        (folder / f"{part}-jpg").mkdir(parents=True)
    jobs = [(part, number) for part, count in counts.items() for number in range(count)]
    save = functools.partial(_save, folder=folder, seed=seed)
    rows = list(on_all_processors(save, jobs, "drawing"))
    labeled = [row[:2] for row in rows[: counts["train"]]]
    write_table(folder / "train_v2.csv", ("image_name", "tags"), labeled)
    write_table(folder / "truth" / "tiles.csv", ("image_name", "tags", "seen", "cover"), rows)


def draw(part, number, *, seed=0):
    """Draw one tile as ``render`` does; its place in the set and the seed alone decide it."""
    return render(np.random.default_rng([seed, number, zlib.crc32(part.encode())]))


def _save(job, folder, seed):
    """Save a tile and return its row of the truth."""
    part, number = job
    picture, tags, seen, cover = draw(part, number, seed=seed)
    name = f"{part}_{number}"
    Image.fromarray(picture).save(folder / f"{part}-jpg" / f"{name}.jpg", quality=92)
    return name, " ".join(tags), " ".join(seen), f"{cover:.3f}"


def render(rng):
    """Draw one tile from the random numbers ``rng``, a ``numpy.random.Generator``.

    Returns:
        (picture, tags, seen, cover): (64, 64, 3) uint8; the labels in alphabetical order; those
        of them that can be seen; the share of pixels that clouds hide.
    """
    weather = rng.choice(list(WEATHER), p=list(WEATHER.values()))
    land = _choose_land(rng)
    ground, masks = _paint(rng, land)
    opacity, shade = _cover(rng, weather)
    cloud = np.array([246, 247, 250.0]) - 14 * noise(rng, 1.6)[..., None]
    ground = ground * (1 - shade[..., None])
    picture = ground + opacity[..., None] * (cloud - ground)
    picture = picture + rng.normal(0, 2.0, picture.shape)
    open_sky = opacity < CLEAR_ENOUGH
    seen = [name for name in land if (masks[name] & open_sky).sum() >= ENOUGH_PIXELS]
    if weather == "cloudy":  # as published: a tile with nothing to be seen has no other label
        land = seen = []
    pixels = picture.clip(0, 255).astype(np.uint8)
    tags, seen = sorted([weather, *land]), sorted([weather, *seen])
    return pixels, tags, seen, 1 - open_sky.mean()


# --- what lies on a tile --------------------------------------------------------------------


def _choose_land(rng):
    """Labels of the ground; where there are people, their things come together."""

    def happens(chance):
        return rng.random() < chance

    people = happens(0.42)
    found = {"primary": True, "water": happens(0.25 if people else 0.16)}
    if people:
        found["agriculture"] = happens(0.75)
        found["road"] = happens(0.62)
        found["habitation"] = happens(0.55 if found["road"] else 0.12)
        found["cultivation"] = happens(0.4 if found["habitation"] else 0.22)
        found["bare_ground"] = happens(0.1)
        found["slash_burn"] = happens(0.09 if found["cultivation"] else 0.05)
        found["conventional_mine"] = found["road"] and happens(0.1)
        found["primary"] = not (found["agriculture"] and happens(0.16))
    found["artisinal_mine"] = found["water"] and happens(0.17)
    found["blooming"] = happens(0.02 if people else 0.05)
    found["selective_logging"] = happens(0.04)
    found["blow_down"] = happens(0.01 if people else 0.045)
    return [name for name in LAND if found.get(name)]


def noise(rng, steepness):
    """Fractal noise (64, 64), mean 0 and spread 1; the steeper, the smoother.

    The strength of a wave is its frequency to the power of -``steepness``.
    """
    waves = rng.normal(size=(2, *_FREQUENCY.shape))
    field = np.fft.irfft2((waves[0] + 1j * waves[1]) * _FREQUENCY**-steepness, s=(SIDE, SIDE))
    field -= field.mean()
    return field / field.std()


def patch(rng, share, steepness=2.0):
    """Mask (64, 64) of wooded outline that covers about ``share`` of the tile."""
    field = noise(rng, steepness)
    return field > np.quantile(field, 1 - share)


def blob(rng, radius):
    """Mask (64, 64) of one ragged spot of ``radius`` pixels, and its middle."""
    row, column = rng.uniform(radius, SIDE - radius, 2)
    far = np.hypot(ROWS - row, COLUMNS - column) + 0.25 * radius * noise(rng, 1.5)
    return far < radius, (row, column)


def distance_to_way(rng, bend):
    """Distance (64, 64) of every pixel to a way that crosses the tile."""
    start, end = rng.uniform(-0.1, 1.1, 2) * SIDE
    t = np.linspace(-0.1, 1.1, 90)
    waves = [rng.normal() * np.sin(np.pi * k * t + rng.uniform(0, 6.3)) / k for k in (1, 2, 3, 4)]
    across = start + (end - start) * t + bend * np.sum(waves, 0)
    points = np.stack([t * SIDE, across])
    if rng.random() < 0.5:
        points = points[::-1]
    apart = np.hypot(ROWS[..., None] - points[0], COLUMNS[..., None] - points[1])
    return apart.min(-1), points.T


def mixed(ground, mask, color):
    """Lay a color over the ground where ``mask`` (bool, or a share from 0 to 1) says."""
    share = np.asarray(mask, float)[..., None]
    return ground + share * (np.asarray(color, float) - ground)


def _paint(rng, land):
    """Ground (64, 64, 3) in 0..255 and {label: where it was painted}."""
    crowns = noise(rng, 0.6)
    hills = noise(rng, 2.0)
    forest = np.array([44, 72, 47]) * rng.uniform(0.85, 1.15) + rng.normal(0, 3, 3)
    ground = forest + (9 * crowns + 5 * hills)[..., None] * np.array([0.8, 1.0, 0.75])
    masks = {"primary": np.ones((SIDE, SIDE), bool)}
    way = None
    for name in PAINTERS:
        if name in land or (name == "agriculture" and "primary" not in land):
            ground, masks[name], way = PAINTERS[name](rng, ground, way, "primary" in land)
            masks["primary"] &= ~masks[name]
    for name in ("blooming", "selective_logging", "blow_down"):  # they happen in the forest
        masks["primary"] |= masks.get(name, False)
    return ground, masks


def _agriculture(rng, ground, way, forest):
    """Fields: a turned grid of parcels, each with its crop and its furrows."""
    share = rng.uniform(0.15, 0.6) if forest else rng.uniform(0.93, 1.0)
    where = patch(rng, share)
    angle, wide, deep = rng.uniform(0, np.pi), rng.uniform(9, 20), rng.uniform(8, 16)
    u = (ROWS * np.cos(angle) + COLUMNS * np.sin(angle)) / wide + 40
    v = (COLUMNS * np.cos(angle) - ROWS * np.sin(angle)) / deep + 40
    crops = np.array([[106, 126, 72], [132, 138, 88], [150, 138, 98], [90, 112, 64]], float)
    parcels = crops[rng.integers(0, 4, (80, 80))] * rng.uniform(0.85, 1.15, (80, 80, 1))
    fields = parcels[u.astype(int), v.astype(int)]
    furrows = 5 * np.sin(u * wide * rng.uniform(1.2, 2.0))
    hedges = (np.minimum(u % 1 * wide, v % 1 * deep) < 1.0) * 22
    fields = fields + (furrows - hedges + 4 * noise(rng, 0.8))[..., None]
    return mixed(ground, where, fields), where, way


def _cultivation(rng, ground, way, forest):
    """Small plots of single families, ragged, in fresh light green."""
    where = np.zeros((SIDE, SIDE), bool)
    for _ in range(rng.integers(2, 6)):
        spot, _ = blob(rng, rng.uniform(3, 6))
        where |= spot
    tone = np.array([120, 152, 84]) + 9 * noise(rng, 0.4)[..., None]
    return mixed(ground, where * 0.9, tone), where, way


def _bare_ground(rng, ground, way, forest):
    where, _ = blob(rng, rng.uniform(6, 13))
    tone = np.array([168, 128, 98]) + 8 * noise(rng, 1.0)[..., None]
    return mixed(ground, where, tone), where, way


def _slash_burn(rng, ground, way, forest):
    """A burnt clearing: charcoal with pale ash, brown at its edge."""
    where, _ = blob(rng, rng.uniform(6, 11))
    ash = np.array([58, 48, 46]) + 26 * (noise(rng, 0.5)[..., None] > 1.1)
    return mixed(ground, where, ash + 5 * noise(rng, 1.0)[..., None]), where, way


def _water(rng, ground, way, forest):
    """A winding river, or a lake; brown with mud or dark."""
    tone = np.array([[92, 88, 70], [34, 52, 66], [30, 42, 48]])[rng.integers(3)]
    if rng.random() < 0.7:
        far, _ = distance_to_way(rng, 9)
        where = far < rng.uniform(1.8, 5.0)
    else:
        where, _ = blob(rng, rng.uniform(7, 14))
    return mixed(ground, where, tone + 2 * noise(rng, 1.6)[..., None]), where, way


def _artisinal_mine(rng, ground, way, forest):
    """Washed-out sand with small milky pools, as gold diggers leave it."""
    where, _ = blob(rng, rng.uniform(7, 11))
    sand = np.array([206, 186, 148]) + 9 * noise(rng, 0.8)[..., None]
    ground = mixed(ground, where, sand)
    pools = where & (noise(rng, 1.0) > 0.6)
    return mixed(ground, pools, (136, 164, 150)), where, way


def _conventional_mine(rng, ground, way, forest):
    """An open pit: pale terraces, ring in ring, around a dark sump."""
    where, (row, column) = blob(rng, rng.uniform(10, 15))
    far = np.hypot(ROWS - row, COLUMNS - column)
    rings = np.array([176, 164, 152]) + (20 * np.sin(far * 1.7))[..., None]
    return mixed(mixed(ground, where, rings), far < 2.5, (58, 82, 92)), where, way


def _blow_down(rng, ground, way, forest):
    """A fan of trees that a gust has thrown over: pale streaks that open away from a point."""
    row, column = rng.uniform(14, SIDE - 14, 2)
    angle = np.arctan2(ROWS - row, COLUMNS - column) - rng.uniform(-np.pi, np.pi)
    angle = np.abs((angle + np.pi) % (2 * np.pi) - np.pi)
    far = np.hypot(ROWS - row, COLUMNS - column)
    ragged = 0.12 * noise(rng, 1.2)
    where = (angle + ragged < rng.uniform(0.35, 0.6)) & (far * (1 + ragged) < rng.uniform(18, 30))
    streaks = 0.3 + 0.4 * (np.sin(angle * 40) + noise(rng, 0.5) > 0.2)
    return mixed(ground, where * streaks, (146, 134, 104)), where, way


def _blooming(rng, ground, way, forest):
    """Single crowns in flower, yellow or pale pink, all over the forest."""
    tone = np.array([[214, 196, 84], [210, 170, 186]])[rng.integers(2)]
    where = (noise(rng, 0.15) > rng.uniform(2.1, 2.5)) & patch(rng, 0.7)
    return mixed(ground, where * 0.85, tone), where, way


def _selective_logging(rng, ground, way, forest):
    """Thin tracks from gap to gap, where single trees were taken out."""
    where = np.zeros((SIDE, SIDE), bool)
    for _ in range(2):
        far, points = distance_to_way(rng, 12)
        where |= far < 0.75
        for row, column in points[rng.integers(8, 82, 5)]:
            where |= np.hypot(ROWS - row, COLUMNS - column) < rng.uniform(1.2, 2.2)
    return mixed(ground, where * 0.75, (142, 118, 88)), where, way


def _road(rng, ground, way, forest):
    far, points = distance_to_way(rng, rng.choice([1.0, 5.0]))
    half = rng.uniform(0.7, 1.3)
    tone = np.array([[176, 148, 120], [164, 160, 154]])[rng.integers(2)]
    return mixed(ground, np.clip(half + 0.5 - far, 0, 1), tone), far < half + 0.3, points


def _habitation(rng, ground, way, forest):
    """Roofs in a cluster; along the road, where there is one."""
    where = np.zeros((SIDE, SIDE), bool)
    middle = rng.uniform(12, SIDE - 12, 2)
    if way is not None:
        inside = way[((way > 8) & (way < SIDE - 8)).all(1)]
        middle = inside[rng.integers(len(inside))] if len(inside) else middle
    roofs = np.array([[226, 222, 214], [186, 108, 88], [150, 164, 186], [204, 196, 178]])
    for _ in range(rng.integers(7, 22)):
        row, column = np.round(middle + rng.normal(0, 6, 2)).astype(int)
        high, wide = rng.integers(2, 4, 2)
        box = np.s_[max(row, 0) : max(row + high, 0), max(column, 0) : max(column + wide, 0)]
        ground[box] = roofs[rng.integers(4)] * rng.uniform(0.85, 1.1)
        where[box] = True
    return ground, where, way


PAINTERS = {  # in the order in which they lie on one another
    "agriculture": _agriculture,
    "cultivation": _cultivation,
    "bare_ground": _bare_ground,
    "slash_burn": _slash_burn,
    "blow_down": _blow_down,
    "selective_logging": _selective_logging,
    "blooming": _blooming,
    "water": _water,
    "artisinal_mine": _artisinal_mine,
    "conventional_mine": _conventional_mine,
    "road": _road,
    "habitation": _habitation,
}


# --- what lies above it ---------------------------------------------------------------------


def _cover(rng, weather):
    """Make (opacity, shade), both (64, 64): of clouds and haze, and of the clouds' shadows."""
    veil = rng.uniform(0.0, 0.08) * (1 + 0.3 * noise(rng, 2.0))
    shade = np.zeros((SIDE, SIDE))
    if weather == "haze":
        veil = rng.uniform(0.5, 0.85) * (1 + 0.12 * noise(rng, 2.2))
    if weather == "cloudy":
        veil = 0.95 + 0.04 * noise(rng, 2.0)
    if weather == "partly_cloudy":
        field = noise(rng, 1.9)
        edge = np.quantile(field, 1 - rng.uniform(0.45, 0.92))
        clouds = np.clip((field - edge) / 0.35, 0, 1)
        shade = 0.45 * np.roll(clouds, rng.integers(-7, 8, 2), (0, 1))
        veil = np.maximum(veil, clouds)
    return veil.clip(0, 1), shade
