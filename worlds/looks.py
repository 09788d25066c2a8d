"""What makes a cat a cat and a dog a dog: the build of every animal with fur.

Colors, markings, sizes, poses and places are drawn from the same urns for every kind. What tells
the kinds apart are ears, snout, eyes, whiskers, tail and build.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Looks:
    """The build of one animal; lengths in half-widths of its head.

    Args:
        ears: pointed, round, floppy, long or side.
        skull: (height, widest below the middle, chin width).
        snout: (length, half-width at the face, half-width at the tip).
        nose: small, button, wide, disc or slits.
        eyes: (size, kind) with the kinds slit, round and dot.
        tail: slender, plume, sickle, bush, ringed, stub, tassel, curl, bare or flow.
        legs: (length, half-width).
        extras: any of whiskers, horns, mask, mane, wool, tongue, teeth, beard.
    """

    ears: str
    ear: tuple = (0.8, 0.4)  # length, half-width
    ears_apart: float = 0.55
    skull: tuple = (0.95, 1.0, 0.6)
    snout: tuple = (0.3, 0.45, 0.4)
    nose: str = "button"
    eyes: tuple = (0.15, "round")
    tail: str = "slender"
    legs: tuple = (1.1, 0.2)
    body: float = 1.0  # stoutness
    head: float = 0.78  # size of the head when the body is in the picture
    fuzz: float = 0.07
    extras: tuple = ()


def _cat(rng):
    folded = rng.random() < 0.02
    slim = rng.random() < 0.25
    return Looks(
        ears="floppy" if folded else "pointed",
        ear=(0.4, 0.3) if folded else (rng.uniform(0.62, 0.95), rng.uniform(0.34, 0.46)),
        ears_apart=rng.uniform(0.55, 0.68),
        skull=(rng.uniform(0.78, 0.9), rng.uniform(0.98, 1.12), rng.uniform(0.42, 0.58)),
        snout=(rng.uniform(0.08, 0.2) + 0.12 * slim, 0.42, 0.36),
        nose="small",
        eyes=(rng.uniform(0.19, 0.25), "slit" if rng.random() < 0.9 else "round"),
        tail="plume" if rng.random() < 0.2 else "slender",
        legs=(rng.uniform(0.9, 1.2), rng.uniform(0.14, 0.2)),
        body=rng.uniform(0.8, 1.1),
        extras=("whiskers",),
    )


def _dog(rng):
    pricked = rng.random() < 0.15
    flat = rng.random() < 0.06
    extras = [
        word for word, chance in (("tongue", 0.45), ("whiskers", 0.04)) if rng.random() < chance
    ]
    return Looks(
        ears="pointed" if pricked else "floppy",
        ear=(rng.uniform(0.6, 0.95), 0.34) if pricked else (rng.uniform(0.75, 1.35), 0.36),
        ears_apart=rng.uniform(0.5, 0.65),
        skull=(rng.uniform(0.85, 1.05), rng.uniform(0.8, 1.0), rng.uniform(0.4, 0.55)),
        snout=(0.35, 0.55, 0.5)
        if flat
        else (rng.uniform(0.5, 0.95), 0.46, rng.uniform(0.26, 0.38)),
        nose="wide",
        eyes=(rng.uniform(0.13, 0.19), "round"),
        tail=str(rng.choice(["sickle", "sickle", "plume", "stub"])),
        legs=(rng.uniform(0.9, 1.3), rng.uniform(0.16, 0.24)),
        body=rng.uniform(0.8, 1.1),
        extras=tuple(extras),
    )


def _rabbit(rng):
    lop = rng.random() < 0.3
    return Looks(
        ears="floppy" if lop else "long",
        ear=(1.5, 0.3) if lop else (rng.uniform(1.2, 1.7), rng.uniform(0.22, 0.3)),
        ears_apart=0.62 if lop else rng.uniform(0.25, 0.4),
        skull=(rng.uniform(0.9, 1.05), 0.95, 0.6),
        snout=(rng.uniform(0.12, 0.22), 0.42, 0.34),
        nose="small",
        eyes=(rng.uniform(0.16, 0.22), "dot"),
        tail="stub",
        legs=(0.7, 0.2),
        body=rng.uniform(0.95, 1.2),
        fuzz=0.1,
        extras=("teeth", "whiskers") if rng.random() < 0.6 else ("teeth",),
    )


def _fox(rng):
    return Looks(
        ears="pointed",
        ear=(rng.uniform(0.85, 1.15), rng.uniform(0.36, 0.44)),
        skull=(rng.uniform(0.8, 0.9), rng.uniform(1.05, 1.2), 0.3),
        snout=(rng.uniform(0.65, 0.95), 0.4, 0.16),
        nose="button",
        eyes=(rng.uniform(0.13, 0.17), "slit" if rng.random() < 0.4 else "round"),
        tail="bush",
        legs=(rng.uniform(0.9, 1.1), 0.15),
        body=rng.uniform(0.75, 0.95),
        extras=("whiskers",) if rng.random() < 0.4 else (),
    )


def _bear(rng):
    return Looks(
        ears="round",
        ear=(rng.uniform(0.3, 0.42), 0.3),
        ears_apart=0.72,
        skull=(rng.uniform(0.9, 1.0), 1.02, 0.65),
        snout=(rng.uniform(0.4, 0.65), 0.46, 0.34),
        nose="wide",
        eyes=(rng.uniform(0.09, 0.12), "dot"),
        tail="stub",
        legs=(rng.uniform(0.8, 1.0), 0.32),
        body=rng.uniform(1.2, 1.4),
        head=0.7,
        fuzz=0.12,
    )


def _mouse(rng):
    return Looks(
        ears="round",
        ear=(rng.uniform(0.6, 0.85), rng.uniform(0.5, 0.62)),
        ears_apart=0.7,
        skull=(0.85, 0.85, 0.34),
        snout=(rng.uniform(0.4, 0.65), 0.36, 0.12),
        nose="small",
        eyes=(rng.uniform(0.13, 0.18), "dot"),
        tail="bare",
        legs=(0.5, 0.12),
        body=rng.uniform(0.85, 1.1),
        head=0.8,
        fuzz=0.05,
        extras=("whiskers",),
    )


def _pig(rng):
    return Looks(
        ears="floppy" if rng.random() < 0.6 else "pointed",
        ear=(rng.uniform(0.5, 0.75), 0.34),
        skull=(0.92, 0.95, 0.7),
        snout=(rng.uniform(0.3, 0.55), 0.42, 0.38),
        nose="disc",
        eyes=(0.1, "dot"),
        tail="curl",
        legs=(rng.uniform(0.6, 0.8), 0.24),
        body=rng.uniform(1.15, 1.35),
        fuzz=0.02,
    )


def _cow(rng):
    return Looks(
        ears="side",
        ear=(rng.uniform(0.6, 0.8), 0.24),
        skull=(1.05, 0.8, 0.55),
        snout=(rng.uniform(0.7, 0.95), 0.52, 0.52),
        nose="slits",
        eyes=(0.13, "dot"),
        tail="tassel",
        legs=(rng.uniform(0.9, 1.1), 0.2),
        body=rng.uniform(1.1, 1.3),
        head=0.66,
        fuzz=0.03,
        extras=("horns",) if rng.random() < 0.8 else (),
    )


def _horse(rng):
    return Looks(
        ears="pointed",
        ear=(rng.uniform(0.5, 0.7), 0.2),
        ears_apart=0.35,
        skull=(1.05, 0.72, 0.5),
        snout=(rng.uniform(1.1, 1.4), 0.46, 0.36),
        nose="slits",
        eyes=(0.13, "dot"),
        tail="flow",
        legs=(rng.uniform(1.3, 1.6), 0.16),
        body=rng.uniform(0.9, 1.05),
        head=0.6,
        fuzz=0.02,
        extras=("mane",),
    )


def _sheep(rng):
    return Looks(
        ears="side",
        ear=(rng.uniform(0.5, 0.7), 0.2),
        skull=(1.0, 0.75, 0.45),
        snout=(rng.uniform(0.5, 0.75), 0.42, 0.3),
        nose="small",
        eyes=(0.12, "dot"),
        tail="stub",
        legs=(rng.uniform(0.7, 0.9), 0.14),
        body=rng.uniform(1.2, 1.4),
        head=0.64,
        extras=("wool",),
    )


def _squirrel(rng):
    return Looks(
        ears="pointed",
        ear=(rng.uniform(0.5, 0.75), 0.22),
        ears_apart=0.6,
        skull=(0.88, 0.92, 0.5),
        snout=(rng.uniform(0.22, 0.38), 0.42, 0.26),
        nose="small",
        eyes=(rng.uniform(0.17, 0.22), "dot"),
        tail="brush",
        legs=(0.55, 0.15),
        body=rng.uniform(0.85, 1.05),
        head=0.6,
        fuzz=0.1,
        extras=("teeth", "whiskers") if rng.random() < 0.5 else ("teeth",),
    )


def _raccoon(rng):
    return Looks(
        ears="round" if rng.random() < 0.5 else "pointed",
        ear=(rng.uniform(0.42, 0.58), 0.3),
        ears_apart=0.68,
        skull=(0.85, 1.15, 0.4),
        snout=(rng.uniform(0.45, 0.7), 0.36, 0.2),
        nose="button",
        eyes=(0.13, "round"),
        tail="ringed",
        legs=(0.75, 0.2),
        body=rng.uniform(1.0, 1.2),
        fuzz=0.12,
        extras=("mask", "whiskers"),
    )


def _goat(rng):
    extras = [word for word, chance in (("horns", 0.6), ("beard", 0.8)) if rng.random() < chance]
    return Looks(
        ears="floppy" if rng.random() < 0.6 else "side",
        ear=(rng.uniform(0.7, 1.2), rng.uniform(0.22, 0.3)),
        skull=(rng.uniform(0.95, 1.1), 0.78, 0.4),
        snout=(rng.uniform(0.6, 0.95), 0.42, 0.28),
        nose="small",
        eyes=(0.13, "dot"),
        tail="stub",
        legs=(rng.uniform(0.9, 1.2), 0.14),
        body=rng.uniform(0.9, 1.15),
        head=0.64,
        extras=tuple(extras),
    )


def _otter(rng):
    return Looks(
        ears="round",
        ear=(0.22, 0.2),
        ears_apart=0.85,
        skull=(rng.uniform(0.72, 0.82), 1.08, 0.75),
        snout=(rng.uniform(0.15, 0.4), 0.5, 0.42),
        nose="wide",
        eyes=(rng.uniform(0.1, 0.14), "dot"),
        tail="plume" if rng.random() < 0.5 else "slender",
        legs=(0.5, 0.18),
        body=rng.uniform(0.8, 1.0),
        fuzz=0.04,
        extras=("whiskers",),
    )


LOOKS = {
    "cats": _cat, "dogs": _dog, "rabbits": _rabbit, "foxes": _fox, "bears": _bear, "mice": _mouse,
    "pigs": _pig, "cows": _cow, "horses": _horse, "sheep": _sheep, "squirrels": _squirrel,
    "raccoons": _raccoon, "goats": _goat, "otters": _otter,
}  # fmt: skip
