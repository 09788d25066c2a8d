"""What lesson 7 claims, over three seeds: the ladder of nets, and maps against known outlines."""

import numpy as np
import pytest
import torch

import coursekit as ck
from tests.lessons.source import SEEDS, of_lesson

pytestmark = pytest.mark.claims


# --- the ladder -------------------------------------------------------------------------------


NETS = (
    "Centre fully_connected ending convolutional Block blocks norm deeper Residual residual wider"
)
lesson = of_lesson(7, NETS + " dead_units", since="norm", until="dead_units")
RUNGS = {
    "fully connected": lesson.fully_connected,
    "convolutional": lesson.convolutional,
    "batch norm": lambda: lesson.blocks(norm=lesson.norm),
    "deeper": lesson.deeper,
    "residual": lesson.residual,
    "wider": lesson.wider,
}


def miniatures_of(edition, batch):
    augment = ck.Augment(rotate=0, zoom=1, brightness_contrast=0)
    path = ck.fetch("cifar10", edition=edition)
    return ck.images(path, size=32, valid="test", batch_size=batch, augment=augment)


@pytest.fixture(scope="module")
def miniatures():
    return miniatures_of("sample", 32)


def climb(data, label, seed, epochs=4, lr=0.005, **options):
    """Return a trained rung."""
    ck.seed(seed)
    learn = ck.Learner(data, RUNGS[label](), ck.cross_entropy, metrics=[ck.accuracy])
    learn.fit(epochs, lr, **options)
    return learn


@pytest.fixture(scope="module")
def ladder(miniatures):
    """Return ({rung: accuracies}, what mirrored pictures add to the last rung), one a seed."""
    found, gains = {}, []
    for label in RUNGS:
        for seed in SEEDS[:2]:  # over four seeds no rung has a spread above 0.02
            learn = climb(miniatures, label, seed)
            found.setdefault(label, []).append(learn.history[-1]["accuracy"])
            if label == "wider":
                gains.append(_mirrored(learn.model.eval(), miniatures) - found[label][-1])
    return found, gains


@torch.no_grad()
def _mirrored(model, data):
    """Return the accuracy where each test picture is shown mirrored as well."""
    hits = [(model(x) + model(x.flip(-1))).argmax(1) == y for x, y in data.valid]
    return torch.cat(hits).float().mean().item()


def test_the_ladder_rises_where_the_lesson_says_so(ladder, show):
    """Batch norm or shortcuts that bring nothing: the text would speak of steps that are none."""
    ladder, gains = ladder
    show(**ladder, **{"mirrored pictures add": gains})
    mean = {label: np.mean(values) for label, values in ladder.items()}
    assert mean["convolutional"] >= mean["fully connected"] + 0.02, ladder
    assert mean["wider"] >= mean["batch norm"] + 0.02, ladder
    assert np.mean(gains) >= -0.01, gains
    assert mean["batch norm"] >= mean["convolutional"] + 0.02, ladder
    assert mean["deeper"] <= mean["batch norm"] + 0.02, ladder  # depth alone brings no gain
    assert mean["residual"] >= mean["deeper"] + 0.03, ladder


@pytest.mark.parametrize("seed", SEEDS)
def test_units_die_at_a_rate_that_is_far_too_high(miniatures, seed, say):
    """The lesson says that whole layers die, which batch norm does not mend; else it keeps them."""
    lesson.data, found = miniatures, {}
    for label in ("convolutional", "batch norm"):
        for times in (1, 20):
            learn = climb(miniatures, label, seed, 1, 0.005 * times, schedule=ck.constant)
            dead = list(lesson.dead_units(learn).values())
            found[label, times] = learn.history[-1]["accuracy"], dead
    say("; ".join(f"{k}, {t} times: {a:.2f}, dead {d}" for (k, t), (a, d) in found.items()))
    accuracy, dead = found["convolutional", 20]
    assert accuracy <= 0.15
    assert max(dead) >= 0.9
    accuracy, dead = found["batch norm", 20]
    assert accuracy <= 0.2
    assert dead[-1] >= 0.3
    accuracy, dead = found["batch norm", 1]
    assert accuracy >= 0.25
    assert max(dead) <= 0.1
    assert found["convolutional", 1][1][-1] >= 0.2


# --- the maps ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pets():
    """Return the lesson as it looks at cats and dogs whose outlines are known."""
    names = (
        "size architecture pets AverageHead train_pets pictures truth outlines heat_of judge"
        " without probability"
    )
    path = ck.fetch("dogscats", edition="sample")
    return of_lesson(7, names, since="PETS", until="probability", PETS=path)


@pytest.fixture(scope="module")
def nets(pets):
    return [pets.train_pets(seed).model.eval() for seed in SEEDS]


def _peaks(model, pets, *, part=slice(None), **options):
    """Return (share of peaks on the animal, share of the heat inside) of what is named rightly.

    part: of which pictures, a slice.
    """
    with torch.no_grad():
        named = torch.cat([model(some).argmax(1) for some in pets.pictures.split(100)])
    right = torch.zeros(len(named), dtype=torch.bool)
    right[part] = (named == pets.pets.valid.targets)[part]
    return pets.judge(pets.heat_of(model, **options), right)


FINE = {"layer": "body.stage2", "pooled": False}


def test_the_peak_lies_on_the_animal(pets, nets, show):
    """Maps that look good and point elsewhere; or that say no more than the middle would."""
    middle = pets.outlines[:, 40, 40].float().mean().item()
    area = pets.outlines.float().mean().item()
    peaks, inside = zip(*(_peaks(net, pets, **FINE) for net in nets), strict=True)
    show(**{"peak on the animal": peaks, "heat inside": inside}, middle=middle, area=area)
    assert min(peaks) >= 0.94, peaks  # over four seeds 0.956 ± 0.002
    assert np.mean(peaks) >= 0.95, peaks
    assert min(peaks) >= middle + 0.05
    assert min(inside) >= area + 0.10


def test_a_map_chosen_on_one_half_holds_on_the_other(pets, nets, show):
    """The best of six maps, reported on the very pictures that it was chosen on."""
    kinds = [(f"body.stage{n}", pooled) for n in (2, 3, 4) for pooled in (True, False)]
    found, other = [], slice(1, None, 2)
    for model in nets[:2]:  # four of four choose the same map, and keep 0.959 ± 0.004
        first = {
            kind: _peaks(model, pets, layer=kind[0], pooled=kind[1], part=slice(0, None, 2))[0]
            for kind in kinds
        }
        assert max(first, key=first.get) == ("body.stage2", False), first
        found.append(_peaks(model, pets, **FINE, part=other)[0])
    middle = pets.outlines[other, 40, 40].float().mean().item()
    show(**{"on the other half": found, "the middle": middle})
    assert min(found) >= middle + 0.05
    assert min(found) >= 0.94


def test_the_last_layer_is_too_coarse(pets, nets, show):
    """The lesson says that the class activation map hardly beats the middle of the picture."""
    peaks = [_peaks(net, pets, layer="body")[0] for net in nets]
    show(**{"class activation map, peak on the animal": peaks})
    assert 0.80 <= np.mean(peaks) <= 0.93


def test_a_net_that_has_learned_nothing_points_elsewhere(pets):
    """Maps that show edges, not reasons, would look as good without any training."""
    ck.seed(1)
    model = ck.image_model("drawings", 2, size=80, pretrained=False).eval()
    some = torch.arange(len(pets.pictures)) % 4 == 0
    assert pets.judge(pets.heat_of(model, **FINE), some)[0] <= 0.85


def test_each_class_finds_its_own_animal(pets, nets, show):
    """A map that is hot on the animal whatever class it is asked for."""
    cats, dogs = ((pets.pets.valid.targets == k).nonzero()[:60, 0] for k in (0, 1))
    both = torch.cat([pets.pictures[cats], pets.pictures[dogs]], 3)
    shares = []
    for model in nets:
        for number in (0, 1):
            heat = ck.heat_map(model, both, number, layer="body")
            left = heat[:, :, :5].sum((1, 2)) / heat.sum((1, 2)).clamp(min=1e-9)
            shares.append((left if number == 0 else 1 - left).mean().item())
    show(**{"heat on the side of the class that was asked for": shares})
    assert min(shares) >= 0.75, shares


def _falls(lesson, model, x):
    """Return how far the probability falls without the hottest fifth, and a fifth at random."""
    with torch.no_grad():
        target = model(x).argmax(1)
    heat = ck.heat_map(model, x, target, layer="body")
    torch.manual_seed(1)
    before = lesson.probability(model, x, target)
    without = (lesson.without(x, one) for one in (heat, torch.rand(len(x), 10, 10)))
    return [(before - lesson.probability(model, one, target)).mean().item() for one in without]


def test_what_is_hot_matters(pets, nets, show):
    """A map whose hot places the score does not depend on."""
    found = [_falls(pets, net, pets.pictures[::5]) for net in nets]
    hot, random = zip(*found, strict=True)
    show(hot=hot, random=random)
    assert all(a > b for a, b in found), found


@pytest.mark.real
def test_photographs_of_cifar10(published, say):
    """A ladder that rises on drawings only: a part of CIFAR-10, few epochs."""
    data = miniatures_of("full", 64)
    labels = ("fully connected", "batch norm", "wider")
    found = {label: climb(data, label, 1).history[-1]["accuracy"] for label in labels}
    say(f"{data.train.num_examples} photographs of CIFAR-10, 4 epochs: {found}")
    assert found["fully connected"] + 0.05 <= found["batch norm"] <= found["wider"]


@pytest.mark.real
def test_what_is_hot_matters_on_photographs(published, show):
    """The same on real dogs and cats, with a body that was trained on ImageNet."""
    data = ck.images(ck.fetch("dogscats", edition="full"), size=224)
    some = data.train.subset(range(0, data.train.num_examples, 3))
    few = data.valid.subset(range(0, data.valid.num_examples, 4))
    data = data.replace(train=some, valid=few)
    known = {"pets": data, "architecture": "squeezenet1_0"}
    lesson = of_lesson(7, "AverageHead train_pets without probability", **known)
    model = lesson.train_pets(1).model.eval()
    hot, random = _falls(lesson, model, torch.cat([x for x, _ in few])[:48])
    show(hot=hot, random=random)
    assert hot > random
