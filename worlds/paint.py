"""The paint box of the drawings: curves, shaded shapes, and the camera that takes the picture."""

import functools

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

DETAIL = 2  # painted this many times larger than the picture, so that edges come out clean


@functools.cache
def _weights(steps):
    """Weights (steps, 4) of the four nearest points of a Catmull-Rom spline."""
    t = np.linspace(0, 1, steps, endpoint=False)
    columns = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    return np.stack(columns, 1) / 2


def curve(points, steps=6, closed=True):
    """Smooth line through ``points`` (N, 2): a Catmull-Rom spline, (N * steps, 2)."""
    p = np.asarray(points, dtype=float)
    if closed:
        p = np.concatenate([p[-1:], p, p[:2]])
    else:
        p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    windows = np.stack([p[:-3], p[1:-2], p[2:-1], p[3:]], 1)  # (N, 4, 2)
    line = (_weights(steps) @ windows).reshape(-1, 2)
    return line if closed else np.concatenate([line, p[-2:-1]])


@functools.cache
def _circle(corners):
    t = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], 1)


def oval(x, y, rx, ry, angle=0.0, corners=28):
    """Outline of an ellipse; ``angle`` in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return _circle(corners) @ [[rx * c, rx * s], [-ry * s, ry * c]] + (x, y)


def mirrored(half):
    """Closed outline from its right half, listed from top to bottom."""
    half = np.asarray(half, dtype=float)
    left = half[::-1] * (-1, 1)
    return np.concatenate([half, left[left[:, 0] < -1e-6]])


def limb(points, widths):
    """Outline of a rounded limb along a smooth line, with a half-width per point."""
    spine = curve(points, closed=False)
    along = np.concatenate(
        [spine[1:2] - spine[:1], spine[2:] - spine[:-2], spine[-1:] - spine[-2:-1]]
    )
    along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
    normal = along[:, ::-1] * (-1, 1)
    half = np.interp(_even(len(spine)), _even(len(widths)), widths)[:, None]
    last = spine[-1] + half[-1] * _CAP @ [normal[-1], along[-1]]
    first = spine[0] - half[0] * _CAP @ [normal[0], along[0]]
    return np.concatenate([spine + normal * half, last, (spine - normal * half)[::-1], first])


_CAP = _circle(12)[1:6]


@functools.cache
def _even(count):
    return np.linspace(0, 1, count)


def smooth_noise(rng, width, height, cells):
    """Smooth random field (height, width) of about -1 to 1, ``cells`` bumps across."""
    rows = max(2, round(cells * height / max(width, 1)))
    small = rng.standard_normal((rows + 1, int(cells) + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def shifted(color, amount):
    """Make ``color`` lighter (amount up to 1) or darker (down to -1)."""
    target = 255 if amount > 0 else 0
    return tuple(round(c + (target - c) * abs(amount)) for c in color)


@functools.cache
def _ball(side, volume):
    """Darkness of a lit ball, light from the upper ``side`` (-1, 0 or 1): (96, 96) L."""
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    far = np.hypot(x - 0.45 * side, y + 0.5)
    dark = np.clip((far - 0.35) / 1.35, 0, 1) ** 1.5
    return Image.fromarray((dark * volume * 255).astype(np.uint8))


class Sheet:
    """A picture while it is painted, ``DETAIL`` times larger, and the outline of its subject."""

    def __init__(self, width, height, rng):
        self.width, self.height, self.rng = width, height, rng
        self.picture = Image.new("RGB", (width * DETAIL, height * DETAIL))
        self.outline = Image.new("L", self.picture.size)
        self.subject = 0  # what a shape writes into the outline: 255 while the subject is painted
        self.started = False  # nothing of the subject has been painted yet
        self.side = int(rng.integers(-1, 2))  # where the light comes from

    def lay(self, pixels, paint, volume=0.0):
        """Fill a polygon (N, 2) in pixels with a color or a texture of the sheet's size.

        Args:
            volume: 0 paints it flat, 1 shades it like a ball.
        """
        left, top = np.floor(pixels.min(0)).astype(int) - 1
        right, bottom = np.ceil(pixels.max(0)).astype(int) + 2
        box = (max(left, -60), max(top, -60))
        box += (min(right, self.picture.width + 60), min(bottom, self.picture.height + 60))
        if box[2] <= box[0] or box[3] <= box[1]:
            return
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        corners = (pixels - box[:2]).ravel().tolist()
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        textured = isinstance(paint, Image.Image)  # a picture is pasted faster than a color
        source = paint.crop(box) if textured else Image.new("RGB", mask.size, paint)
        self.picture.paste(source, box, mask)
        if self.subject or self.started:
            self.outline.paste(self.subject, box, mask)
            self.started = True
        if volume:
            dark = _ball(self.side, volume).resize(mask.size, Image.Resampling.NEAREST)
            shade = Image.new("RGB", mask.size, (12, 10, 22))
            self.picture.paste(shade, box, ImageChops.multiply(mask, dark))

    def veil(self, pixels, strength):
        """Darken a polygon (N, 2) in pixels; 1 makes it black."""
        left, top = np.floor(pixels.min(0)).astype(int).tolist()
        size = np.ceil(np.ptp(pixels, axis=0)).astype(int).tolist()
        mask = Image.new("L", size)
        corners = (pixels - (left, top)).ravel().tolist()
        ImageDraw.Draw(mask).polygon(corners, fill=round(255 * strength))
        self.picture.paste(Image.new("RGB", size, (16, 14, 24)), (left, top), mask)

    def spread(self, colors):
        """Texture of the sheet's size from (height, width, 3) colors of 0 to 255."""
        small = Image.fromarray(np.clip(colors, 0, 255).astype(np.uint8))
        return small.resize(self.picture.size, Image.Resampling.NEAREST)

    def photograph(self):
        """Make (picture, mask): scaled down, lit unevenly, a little blurred, with noise."""
        rng = self.rng
        picture = self.picture.reduce(DETAIL)
        blur = rng.uniform(0.05, 0.35) if rng.random() < 0.9 else rng.uniform(0.5, 1.1)
        picture = picture.filter(ImageFilter.BoxBlur(blur))
        values = np.asarray(picture, dtype=np.float32)
        values = self._lit(values) + rng.standard_normal(values.shape, np.float32) * (
            rng.uniform(1, 6)
        )
        mask = self.outline.reduce(DETAIL).point(lambda v: 255 * (v > 127))
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)), mask

    def _lit(self, values):
        rng = self.rng
        y, x = np.mgrid[-1 : 1 : self.height * 1j, -1 : 1 : self.width * 1j].astype(np.float32)
        light = 1 + rng.uniform(0, 0.28) * (self.side * 0.7 * x - y * rng.uniform(0.2, 1))
        light -= rng.uniform(0, 0.16) * (x * x + y * y)
        cast = 1 + rng.uniform(-0.08, 0.08) * np.array([1, 0.1, -1], np.float32)
        contrast = rng.uniform(0.8, 1.12)
        values = (values - 118) * contrast + 118 + rng.uniform(-14, 20)
        return values * light[:, :, None] * cast


class Brush:
    """Paints shapes, given in a thing's own units, onto a sheet.

    Args:
        sheet: where it paints.
        matrix, origin: from the thing's units to pixels of the sheet, (2, 2) and (2,).
    """

    def __init__(self, sheet, matrix, origin):
        self.sheet, self.matrix, self.origin = sheet, np.asarray(matrix), np.asarray(origin)
        self.rng = sheet.rng

    def at(self, x, y, size=1.0, angle=0.0, mirror=False):
        """Brush whose origin lies at (x, y), turned and scaled."""
        c, s = np.cos(angle) * size, np.sin(angle) * size
        turn = np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if mirror else 1.0, 1.0])
        return Brush(self.sheet, self.matrix @ turn, self.pixels([(x, y)])[0])

    @property
    def scale(self):
        """Pixels of the sheet per unit."""
        return abs(np.linalg.det(self.matrix)) ** 0.5

    def pixels(self, points):
        """Where ``points`` (N, 2) lie on the sheet."""
        return np.asarray(points, dtype=float) @ self.matrix.T + self.origin

    def units(self):
        """Units (x, y) of the brush at every picture pixel, each (height, width)."""
        y, x = np.mgrid[: self.sheet.height, : self.sheet.width] * DETAIL + 1.0
        back = np.linalg.inv(self.matrix)
        x, y = x - self.origin[0], y - self.origin[1]
        return back[0, 0] * x + back[0, 1] * y, back[1, 0] * x + back[1, 1] * y

    def shape(self, outline, paint, volume=0.0, fuzz=0.0):
        """Fill an outline (N, 2); ``fuzz`` lets hairs of that length stand out from it."""
        outline = np.asarray(outline, dtype=float)
        if fuzz:
            outward = outline - outline.mean(0)
            outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
            hairs = self.rng.uniform(-0.3, 1, (len(outline), 1))
            hairs[::2] *= -0.3
            outline = outline + outward * hairs * fuzz
        self.sheet.lay(self.pixels(outline), paint, volume)

    def blob(self, points, paint, volume=0.0, fuzz=0.0):
        """Fill a smooth shape through ``points``."""
        self.shape(curve(points), paint, volume, fuzz)

    def oval(self, x, y, rx, ry, paint, angle=0.0, volume=0.0, fuzz=0.0):
        """Fill an ellipse."""
        self.shape(oval(x, y, rx, ry, angle), paint, volume, fuzz)

    def limb(self, points, widths, paint, volume=0.0, fuzz=0.0):
        """Fill a rounded limb along ``points``."""
        self.shape(limb(points, widths), paint, volume, fuzz)

    def line(self, points, width, color):
        """Draw a smooth line of ``width`` units; at least a pixel of the sheet."""
        pixels = self.pixels(curve(points, closed=False)).ravel().tolist()
        width = max(1, round(width * self.scale))
        ImageDraw.Draw(self.sheet.picture).line(pixels, fill=color, width=width, joint="curve")
