"""Augmentation: whole batches, a fresh draw per picture, nothing bent that was straight."""

import math

import pytest
import torch

import coursekit as ck
from coursekit.console import CourseError

STILL = {"flip": False, "rotate": 0.0, "zoom": 1.0, "brightness_contrast": 0.0}


def pictures(count=6, height=9, width=9):
    """random pictures (count, 3, height, width) in 0..1."""
    draw = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, height, width, generator=draw)


def eight(picture):
    """the eight turns and mirrorings of a square picture (3, S, S)."""
    turned = [picture.rot90(quarter, (-2, -1)) for quarter in range(4)]
    return turned + [one.flip(-1) for one in turned]


@pytest.mark.parametrize(
    "augment", [ck.side_on, ck.top_down, ck.Augment(brightness_contrast=0.9, zoom=2)]
)
@pytest.mark.parametrize("count", [1, 6])
def test_shape_type_and_range_stay(augment, count):
    """Guards against pictures that the network cannot take, or lighter than white."""
    x = pictures(count)
    x[0], x[-1, :, 4] = 0, 1
    before = x.clone()
    found = augment(x)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(x, before)  # what came in may be the data set itself


def test_everything_off_changes_nothing():
    """Guards against a blur by sampling where no turn was asked for."""
    x = pictures()
    assert torch.equal(ck.Augment(**STILL)(x), x)


@pytest.mark.parametrize(
    "augment", [ck.side_on, ck.top_down, ck.Augment(**{**STILL, "brightness_contrast": 0.2})]
)
def test_every_picture_has_its_own_draw(augment):
    """A whole batch turned, zoomed or lit alike, or draws that no seed reaches."""
    torch.manual_seed(0)
    found = augment(pictures(1).expand(8, -1, -1, -1))
    pairs = [(i, j) for i in range(8) for j in range(i)]
    alike = sum(torch.allclose(found[i], found[j]) for i, j in pairs)
    assert alike == 0
    assert not torch.allclose(found, augment(pictures(1).expand(8, -1, -1, -1)))
    torch.manual_seed(0)
    assert torch.equal(found, augment(pictures(1).expand(8, -1, -1, -1)))


def test_a_flip_is_exact():
    """Guards against a mirror that is a pixel off or runs top to bottom; half are mirrored."""
    x = pictures(400)
    torch.manual_seed(0)
    found = ck.Augment(**{**STILL, "flip": True})(x)
    mirrored = [torch.equal(one, other.flip(-1)) for one, other in zip(found, x, strict=True)]
    kept = [torch.equal(one, other) for one, other in zip(found, x, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 160 < sum(mirrored) < 240


def test_all_eight_symmetries_occur_and_are_exact():
    """Guards against a turn that is never drawn, drawn twice as often, or blurred."""
    x = pictures(1, 8, 8).expand(800, -1, -1, -1)
    torch.manual_seed(0)
    found = ck.Augment(**{**STILL, "dihedral": True})(x)
    counts = [sum(torch.equal(one, wanted) for one in found) for wanted in eight(x[0])]
    assert sum(counts) == 800
    assert all(60 < count < 140 for count in counts)


def angled(monkeypatch, draws):
    """Make every draw of the warp a given one: turn, zoom, place across, place down."""
    real = torch.rand

    def given(*shape, **options):
        if shape[0] != 4:
            return real(*shape, **options)
        return torch.tensor(draws)[:, None].expand(4, shape[1])

    monkeypatch.setattr(torch, "rand", given)


@pytest.mark.parametrize(("height", "width"), [(33, 33), (25, 41)])
def test_a_turn_moves_a_spot_by_its_angle(monkeypatch, height, width):
    """Guards against another angle across than down."""
    angled(monkeypatch, [5 / 6, 0.0, 0.5, 0.5])  # two thirds of the way to 45 degrees
    x = torch.zeros(1, 3, height, width)
    x[..., height // 2, width // 2 + 8] = 1
    found = ck.Augment(**{**STILL, "rotate": 45.0})(x)[0, 0]
    weight = found / found.sum()
    down = (weight * (torch.arange(height)[:, None] - height // 2)).sum().item()
    across = (weight * (torch.arange(width)[None] - width // 2)).sum().item()
    assert math.hypot(down, across) == pytest.approx(8, abs=0.2)
    assert abs(math.degrees(math.atan2(down, across))) == pytest.approx(30, abs=1.5)


@pytest.mark.parametrize("place", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.0, 1.0)])
def test_zoom_shows_a_part_of_the_picture_and_nothing_beside_it(monkeypatch, place):
    """Guards against borders that are drawn into the picture by a magnification."""
    angled(monkeypatch, [0.5, 1.0, *place])
    ramp = torch.linspace(0, 1, 40)
    across = ramp.expand(1, 3, 40, 40)
    down = across.transpose(-1, -2)
    zoom = ck.Augment(**{**STILL, "zoom": 2.0})
    for picture, where in ((across, place[0]), (down, place[1])):
        found = zoom(picture)
        assert (found.max() - found.min()).item() == pytest.approx(0.5, abs=0.03)
        assert found.min().item() == pytest.approx(where / 2, abs=0.03)


def test_brightness_and_contrast_move_within_their_range():
    """Guards against light of another size than asked for, or colors that drift apart."""
    torch.manual_seed(0)
    grey = torch.full((500, 3, 4, 4), 0.5)
    found = ck.Augment(**{**STILL, "brightness_contrast": 0.2})(grey)
    assert (found - 0.5).abs().max() <= 0.1 + 1e-6
    assert (found - 0.5).abs().max() > 0.09
    assert torch.equal(found[:, 0], found[:, 2])
    steps = torch.tensor([0.4, 0.6]).repeat(500, 3, 4, 2)
    spread = (
        ck.Augment(**{**STILL, "brightness_contrast": 0.2})(steps).std((1, 2, 3)) / steps[0].std()
    )
    assert 0.79 < spread.min() < 0.83
    assert 1.17 < spread.max() < 1.21


def test_the_seven_views_are_exact_and_all_others():
    """Random draws in test-time augmentation, or one symmetry twice and another never."""
    x = pictures(2)
    found = [version(x) for version in ck.top_down.tta_views(7)]
    for number in range(2):
        wanted = eight(x[number])
        seen = [next(k for k in range(8) if torch.equal(wanted[k], v[number])) for v in found]
        assert sorted(seen) == [1, 2, 3, 4, 5, 6, 7]
    assert ck.side_on.tta_views(3) == [ck.side_on] * 3


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: ck.Augment(rotate="10"), "rotate="),
        (lambda: ck.Augment(rotate=200), "rotate="),
        (lambda: ck.Augment(zoom=0), "zoom="),
        (lambda: ck.Augment(zoom=float("nan")), "zoom="),
        (lambda: ck.Augment(brightness_contrast=-0.1), "brightness_contrast="),
        (lambda: ck.top_down.tta_views(8), "not 8"),
        (lambda: ck.side_on.tta_views(-1), "tta=-1"),
        (lambda: ck.top_down.tta_views(1)[0](pictures(2, height=7)), "9 x 7"),
        (lambda: ck.top_down(pictures(2, height=7)), "9 x 7"),
        (lambda: ck.side_on(pictures(1)[0]), "B, C, H, W"),
        (lambda: ck.side_on(pictures().mul(255).byte()), "B, C, H, W"),
        (lambda: ck.side_on(pictures().numpy()), "B, C, H, W"),
    ],
)
def test_what_cannot_be_augmented(use, says):
    """Black pictures, planes lit differently, views counted twice, or an error of torch."""
    with pytest.raises(CourseError, match=says):
        use()
