"""Everything that has no fur: birds, fish, frogs, and the things people make or plant."""

import numpy as np

from worlds.paint import curve, mirrored, shifted, smooth_noise

DARK, GLASS = (30, 26, 30), (150, 186, 206)


def vivid(rng):
    """Draw a color of any hue, more or less bright."""
    hue = rng.uniform(0, 6)
    pure = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    gray = rng.uniform(0.3, 0.75)
    color = (pure * (1 - gray) + gray * rng.uniform(0.5, 1)) * rng.uniform(130, 250)
    return tuple(int(v) for v in color)


def speckled(brush, color, strength=0.12, cells=30, second=None):
    """Texture: ``color`` with grain, and blotches of ``second`` where it is given."""
    rng, sheet = brush.rng, brush.sheet
    grain = smooth_noise(rng, sheet.width, sheet.height, cells)
    grain = grain + 0.5 * rng.standard_normal(grain.shape, np.float32)
    grain = 1 + 0.7 * strength * grain[:, :, None]
    ground = np.array(color, np.float32)
    if second is not None:
        amount = np.clip(3 * smooth_noise(rng, sheet.width, sheet.height, 8), 0, 0.8)[:, :, None]
        ground = ground + (np.array(second, np.float32) - ground) * amount
    return sheet.spread(ground * grain)


def _eye(brush, x, y, size, iris=None):
    if iris:
        brush.oval(x, y, size, size, iris, volume=0.3)
        size *= 0.6
    brush.oval(x, y, size, size, DARK)
    brush.oval(x - 0.35 * size, y - 0.35 * size, 0.28 * size, 0.28 * size, (250, 250, 250))


def owl(brush):
    """An owl from the front."""
    rng = brush.rng
    color = shifted(vivid(rng), -0.3)
    feathers = speckled(brush, color, 0.25, 34, shifted(color, 0.35))
    pale = speckled(brush, shifted(color, 0.6), 0.2, 40)
    for side in (-1, 1):
        brush.line([(0.25 * side, 1.1), (0.25 * side, 1.45)], 0.14, (206, 160, 70))
    brush.blob(
        mirrored([(0, -0.7), (0.6, -0.5), (0.85, 0.3), (0.6, 1.15), (0, 1.35)]), feathers, 0.5, 0.05
    )
    brush.oval(0, 0.55, 0.5, 0.68, pale, volume=0.4, fuzz=0.06)
    for k in range(int(rng.integers(3, 7))):
        y = 0.2 + 0.15 * k
        brush.line([(-0.3, y), (-0.15, y + 0.1), (0, y), (0.15, y + 0.1), (0.3, y)], 0.04, color)
    for side in (-1, 1):
        lift = rng.uniform(0, 0.3)
        brush.blob([(0.6 * side, -0.35), ((0.95 + lift) * side, 0.3), ((0.85 + lift) * side, 1.05),
                    (0.62 * side, 0.7)], feathers, 0.6, 0.05)  # fmt: skip
    turn = rng.uniform(-0.15, 0.15)
    head = brush.at(turn, -0.75, angle=rng.normal(0, 0.15))
    if rng.random() < 0.6:
        for side in (-1, 1):
            head.shape(
                [(0.2 * side, -0.45), (0.75 * side, -0.85), (0.7 * side, -0.2)], feathers, 0.4
            )
    head.oval(0, 0, 0.78, 0.62, feathers, volume=0.5, fuzz=0.06)
    for side in (-1, 1):
        head.oval(0.33 * side, 0, 0.36, 0.4, pale, volume=0.3, fuzz=0.05)
        _eye(head, 0.3 * side + turn / 2, -0.02, 0.2, (236, 186, 60))
    head.shape([(-0.09, 0.08), (0.09, 0.08), (0, 0.36)], (222, 170, 80), 0.4)


def duck(brush):
    """A duck or another plump bird from the side."""
    rng = brush.rng
    color = vivid(rng) if rng.random() < 0.5 else (236, 228, 210)
    feathers = speckled(
        brush, color, 0.15, 36, shifted(color, -0.3) if rng.random() < 0.5 else None
    )
    bill = (232, 160 - int(rng.integers(0, 60)), 50)
    if rng.random() < 0.6:
        for x in (-0.15, 0.2):
            brush.line([(x, 0.6), (x + 0.02, 1.15)], 0.08, bill)
            brush.blob([(x - 0.05, 1.1), (x + 0.3, 1.12), (x + 0.28, 1.22), (x - 0.08, 1.2)], bill)
    brush.blob([(-1.35, -0.25), (-0.7, -0.1), (0.2, -0.2), (0.8, 0.0), (0.85, 0.5), (0.3, 0.8),
                (-0.6, 0.7), (-1.1, 0.25)], feathers, 0.5, 0.03)  # fmt: skip
    long_ = rng.uniform(0.2, 0.75)
    brush.limb([(0.6, 0.2), (0.72, -0.4), (0.8, -0.55 - long_)], [0.4, 0.28, 0.26], feathers, 0.35)
    head = brush.at(0.85, -0.65 - long_, angle=rng.normal(0, 0.15))
    cap = speckled(brush, shifted(vivid(rng), -0.4), 0.1) if rng.random() < 0.4 else feathers
    reach = rng.uniform(0.45, 0.8)
    head.blob([(0.2, -0.08), (reach, 0.0), (reach + 0.1, 0.12), (0.3, 0.22)], bill, 0.4)
    head.oval(0, 0, 0.42, 0.38, cap, volume=0.45)
    _eye(head, 0.14, -0.08, 0.085)
    wing = shifted(color, -0.25)
    brush.blob([(-0.95, 0.05), (-0.2, -0.08), (0.4, 0.15), (0.1, 0.5), (-0.5, 0.45)],
               speckled(brush, wing, 0.2, 36), 0.5, 0.04)  # fmt: skip
    for k in range(3):
        brush.line([(-0.7 + 0.2 * k, 0.3), (-0.35 + 0.2 * k, 0.38)], 0.03, shifted(wing, -0.4))


def fish(brush):
    """A fish from the side, striped or plain."""
    rng = brush.rng
    color, second = vivid(rng), vivid(rng)
    scales = speckled(brush, color, 0.12, 45, second if rng.random() < 0.4 else None)
    fin = shifted(second, 0.1)
    tall = rng.uniform(0.4, 0.75)
    brush.blob([(-0.8, 0), (-1.45, -0.55), (-1.3, 0), (-1.45, 0.55)], fin, 0.5)
    brush.blob([(-0.5, -0.7 * tall), (-0.1, -1.5 * tall), (0.4, -0.9 * tall)], fin, 0.5)
    brush.blob([(-0.3, 0.7 * tall), (-0.2, 1.35 * tall), (0.2, 0.85 * tall)], fin, 0.5)
    body = curve([(-0.95, 0), (-0.3, -0.85 * tall), (0.5, -0.9 * tall), (1.1, 0.02),
                  (0.5, 0.85 * tall), (-0.3, 0.8 * tall)])  # fmt: skip
    brush.shape(body, scales, 0.55)
    if rng.random() < 0.6:
        for x in np.arange(-0.5, 0.5, rng.uniform(0.25, 0.4)):
            h = 0.75 * tall * (1 - 0.5 * abs(x))
            brush.limb(
                [(x, -h), (x + 0.1, 0), (x, h)], [0.03, 0.07, 0.03], shifted(second, -0.2), 0.2
            )
    brush.line([(0.52, -0.5 * tall), (0.42, 0), (0.52, 0.5 * tall)], 0.045, shifted(color, -0.5))
    brush.blob([(0.25, 0.1), (-0.15, 0.0), (-0.1, 0.35)], fin, 0.4)
    _eye(brush, 0.72, -0.22 * tall, 0.13, (244, 240, 220))
    brush.line([(1.06, 0.1), (0.9, 0.2)], 0.05, shifted(color, -0.6))


def frog(brush):
    """A frog that sits and looks at us."""
    rng = brush.rng
    color = vivid(rng)
    skin = speckled(brush, color, 0.1, 20, shifted(color, -0.35) if rng.random() < 0.6 else None)
    pale = shifted(color, 0.6)
    for side in (-1, 1):
        brush.limb([(0.6 * side, 0.3), (1.15 * side, 0.05), (1.1 * side, 0.75), (0.8 * side, 0.95)],
                   [0.3, 0.34, 0.2, 0.14], skin, 0.5)  # fmt: skip
        brush.blob(
            [(0.75 * side, 0.85), (1.4 * side, 0.92), (1.35 * side, 1.06), (0.7 * side, 1.05)],
            skin,
            0.4,
        )
    brush.blob(mirrored([(0, -0.5), (0.65, -0.2), (0.85, 0.5), (0.5, 1.0), (0, 1.02)]), skin, 0.5)
    brush.oval(0, 0.55, 0.5, 0.42, pale, volume=0.4)
    for side in (-1, 1):
        brush.limb(
            [(0.5 * side, 0.3), (0.55 * side, 0.7), (0.45 * side, 1.0)],
            [0.16, 0.12, 0.1],
            skin,
            0.4,
        )
        for k in (-1, 0, 1):
            brush.oval(0.45 * side + 0.12 * k, 1.05, 0.07, 0.06, skin, volume=0.3)
    head = brush.at(rng.uniform(-0.1, 0.1), -0.45, angle=rng.normal(0, 0.1))
    for side in (-1, 1):
        head.oval(0.48 * side, -0.38, 0.28, 0.28, skin, volume=0.4)
    head.blob(mirrored([(0, -0.4), (0.6, -0.3), (0.92, 0.12), (0.5, 0.45), (0, 0.5)]), skin, 0.5)
    for side in (-1, 1):
        _eye(head, 0.48 * side, -0.42, 0.19, (226, 196, 70))
        head.oval(0.1 * side, -0.02, 0.03, 0.03, DARK)
    head.line(
        [(-0.75, 0.12), (-0.3, 0.28), (0, 0.3), (0.3, 0.28), (0.75, 0.12)],
        0.05,
        shifted(color, -0.6),
    )


def car(brush):
    """A car from the side."""
    rng = brush.rng
    color = vivid(rng)
    back, front, tall = rng.uniform(-1.1, -0.7), rng.uniform(0.4, 0.75), rng.uniform(0.6, 0.9)
    roof = [(back, 0), (back + 0.25, -tall), (front - 0.35, -tall), (front + 0.1, 0)]
    brush.shape(curve(roof, 5), shifted(color, -0.1), 0.3)
    inset = [(x * 0.86, -0.04 + y * 0.82) for x, y in roof]
    brush.shape(inset, GLASS, 0.5)
    middle = (back + front) / 2
    brush.line([(middle, -tall), (middle, 0)], 0.1, color)
    brush.blob([(-1.5, 0.0), (-0.8, -0.12), (0.7, -0.1), (1.35, 0.08), (1.5, 0.45), (0.9, 0.55),
                (-1.4, 0.55)], color, 0.55)  # fmt: skip
    for x in (-0.9, 0.9):
        brush.oval(x, 0.55, 0.38, 0.38, DARK)
        brush.oval(x, 0.55, 0.2, 0.2, (190, 192, 196), volume=0.5)
    brush.oval(1.38, 0.2, 0.1, 0.09, (252, 240, 180))
    brush.oval(-1.42, 0.2, 0.07, 0.1, (196, 50, 46))
    brush.line([(middle, 0), (middle, 0.42)], 0.03, shifted(color, -0.4))
    brush.line([(middle + 0.12, 0.1), (middle + 0.3, 0.1)], 0.05, shifted(color, -0.5))


def house(brush):
    """A house with a roof, windows and a door."""
    rng = brush.rng
    wall, roof = vivid(rng), shifted(vivid(rng), -0.25)
    wide, tall = rng.uniform(0.8, 1.2), rng.uniform(0.6, 1.1)
    if rng.random() < 0.7:
        brush.shape(
            [(0.4, -1.4), (0.65, -1.4), (0.65, -0.3), (0.4, -0.3)], shifted(wall, -0.35), 0.4
        )
    bricks = speckled(brush, wall, 0.12, 50)
    brush.shape([(-wide, -0.3), (wide, -0.3), (wide, tall), (-wide, tall)], bricks, 0.35)
    tiles = speckled(brush, roof, 0.2, 40)
    top = rng.uniform(-1.4, -0.9)
    flat = rng.choice([0.0, 0.5]) * wide
    brush.shape([(-wide - 0.2, -0.25), (-flat, top), (flat, top), (wide + 0.2, -0.25)], tiles, 0.45)
    brush.line([(-wide - 0.2, -0.25), (wide + 0.2, -0.25)], 0.07, shifted(roof, -0.4))
    for x in (-0.58 * wide, 0.58 * wide):
        brush.shape(
            [(x - 0.22, -0.05), (x + 0.22, -0.05), (x + 0.22, 0.4), (x - 0.22, 0.4)],
            (240, 236, 226),
        )
        brush.shape([(x - 0.17, 0), (x + 0.17, 0), (x + 0.17, 0.35), (x - 0.17, 0.35)], GLASS, 0.6)
        brush.line([(x, 0), (x, 0.35)], 0.05, (240, 236, 226))
    door = shifted(vivid(rng), -0.3)
    brush.shape([(-0.17, 0.05), (0.17, 0.05), (0.17, tall), (-0.17, tall)], door, 0.5)
    brush.oval(0.1, (0.05 + tall) / 2, 0.03, 0.03, (230, 200, 90))


def tree(brush):
    """A tree with a round crown, or a fir."""
    rng = brush.rng
    leaf = (int(rng.integers(50, 190)), int(rng.integers(100, 180)), int(rng.integers(40, 100)))
    bark = speckled(brush, (int(rng.integers(84, 130)), 76, 54), 0.3, 40)
    leaves = speckled(brush, leaf, 0.22, 40, shifted(leaf, -0.35))
    brush.limb([(0, -0.2), (rng.uniform(-0.1, 0.1), 0.6), (0, 1.5)], [0.1, 0.14, 0.22], bark, 0.5)
    if rng.random() < 0.4:
        for k in range(4):
            y, w = 0.75 - 0.55 * k, 1.0 - 0.2 * k
            brush.shape(curve([(-w, y), (0, y + 0.1), (w, y), (0.3 * w, y - 0.45), (0, y - 0.8),
                               (-0.3 * w, y - 0.45)]), leaves, 0.6, 0.09)  # fmt: skip
        return
    for side in (-1, 1):
        brush.limb(
            [(0, 0.5), (0.35 * side, 0.1), (0.6 * side, -0.2)], [0.08, 0.06, 0.03], bark, 0.3
        )
    for _ in range(int(rng.integers(6, 10))):
        t, far = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.7)
        brush.oval(
            far * np.cos(t), -0.6 + far * 0.8 * np.sin(t), 0.5, 0.45, leaves, volume=0.6, fuzz=0.1
        )


def flower(brush):
    """A flower on its stem."""
    rng = brush.rng
    petal, heart = vivid(rng), vivid(rng)
    green = (70, int(rng.integers(110, 160)), 60)
    lean = rng.uniform(-0.4, 0.4)
    brush.limb([(0, -0.4), (lean, 0.5), (lean * 0.6, 1.5)], [0.06, 0.06, 0.07], green, 0.3)
    for side in (-1, 1):
        y = rng.uniform(0.4, 1.0)
        brush.blob([(lean, y + 0.2), (lean + 0.45 * side, y - 0.2), (lean + 0.8 * side, y - 0.25),
                    (lean + 0.4 * side, y + 0.1)], green, 0.5)  # fmt: skip
    head = brush.at(0, -0.5, angle=rng.uniform(0, 1))
    head.matrix = np.diag([1, rng.uniform(0.75, 1)]) @ head.matrix
    count, slim = int(rng.integers(5, 12)), rng.uniform(0.6, 1.1)
    texture = speckled(brush, petal, 0.1, 30)
    for k in range(count):
        part = head.at(0, 0, angle=2 * np.pi * k / count)
        half = slim * 1.7 / count
        part.blob(
            [(0, 0.05), (half, -0.5), (0.4 * half, -0.92), (-0.4 * half, -0.92), (-half, -0.5)],
            texture,
            0.5,
        )
    head.oval(0, 0, 0.27, 0.27, speckled(brush, heart, 0.3, 60), volume=0.5)


# kind -> (painter, left, top, right, bottom in its own units)
THINGS = {
    "owls": (owl, -1.0, -1.5, 1.0, 1.45),
    "ducks": (duck, -1.4, -1.5, 1.6, 1.2),
    "fish": (fish, -1.45, -0.95, 1.15, 0.95),
    "frogs": (frog, -1.4, -1.15, 1.4, 1.1),
    "cars": (car, -1.5, -0.85, 1.5, 0.95),
    "houses": (house, -1.3, -1.4, 1.3, 1.0),
    "trees": (tree, -1.1, -1.6, 1.1, 1.5),
    "flowers": (flower, -1.0, -1.45, 1.0, 1.5),
}
