"""What lesson 7 claims, over three seeds: the ladder of nets, and maps against known outlines."""

import numpy as np
import pytest
import torch
from torch import nn

import coursekit as ck
from coursekit.data.samples.miniatures import CLASSES

SEEDS = (1, 2, 3)
pytestmark = pytest.mark.claims


# --- the ladder -------------------------------------------------------------------------------


class Block(nn.Sequential):
    """Convolution, batch norm where asked for, ReLU; with a shortcut around all where asked for."""

    def __init__(self, inputs, outputs, stride, norm, shortcut=False):
        layers = [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*(layers if norm else layers[::2]))
        self.shortcut = shortcut

    def forward(self, x):
        """Return maps."""
        return x + super().forward(x) if self.shortcut else super().forward(x)


def net(norm=True, more=0, shortcut=False, widths=(12, 24, 48, 96)):
    """Return the nets of the lesson's ladder, from its rung 2 to its rung 7."""
    layers = []
    for inputs, outputs in zip((3, *widths), widths, strict=False):
        layers.append(Block(inputs, outputs, 2, norm))
        layers += [Block(outputs, outputs, 1, norm, shortcut) for _ in range(more)]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10))


class Centred(nn.Module):
    """Bring the colours to a mean of about zero first."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        """Return scores."""
        return self.inner((x - 0.5) / 0.25)


def fully_connected():
    """Return rung 1: every dot to each of forty units."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 40), nn.ReLU(), nn.Linear(40, 10))


RUNGS = {
    "fully connected": fully_connected,
    "convolutional": lambda: net(norm=False),
    "batch norm": net,
    "deeper": lambda: net(more=3),
    "residual": lambda: net(more=3, shortcut=True),
    "wider": lambda: net(more=1, shortcut=True, widths=(20, 40, 80, 160)),
}


@pytest.fixture(scope="module")
def miniatures():
    augment = ck.Augment(rotate=0, zoom=1, light=0)
    path = ck.fetch("cifar10", edition="sample")
    return ck.images(path, size=32, valid="test", batch=32, augment=augment)


@pytest.fixture(scope="module")
def ladder(miniatures):
    """Return ({rung: accuracies}, what mirrored pictures add to the last rung), one a seed."""
    found, gains = {}, []
    for label, make in RUNGS.items():
        for seed in SEEDS:
            ck.seed(seed)
            model = Centred(make())
            learn = ck.Learner(miniatures, model, ck.cross_entropy, metrics=[ck.accuracy])
            found.setdefault(label, []).append(learn.fit(4, 0.005)[-1]["accuracy"])
            if label == "wider":
                gains.append(_mirrored(model.eval(), miniatures) - found[label][-1])
    return found, gains


@torch.no_grad()
def _mirrored(model, data):
    """Return the accuracy where each test picture is shown mirrored as well."""
    hits = [(model(x) + model(x.flip(-1))).argmax(1) == y for x, y in data.valid]
    return torch.cat(hits).float().mean().item()


def test_the_ladder_rises_where_the_lesson_says_so(ladder, say):
    """Batch norm or shortcuts that bring nothing: the text would speak of steps that are none."""
    ladder, gains = ladder
    mean = {label: np.mean(values) for label, values in ladder.items()}
    said = (f"{label} {mean[label]:.3f} ± {np.std(v):.3f}" for label, v in ladder.items())
    say("; ".join(said) + f"; mirrored pictures add {np.mean(gains):.3f} ± {np.std(gains):.3f}")
    assert mean["convolutional"] >= mean["fully connected"] + 0.02, ladder
    assert mean["wider"] >= mean["batch norm"] + 0.02, ladder
    assert np.mean(gains) >= -0.01, gains
    assert mean["batch norm"] >= mean["convolutional"] + 0.02, ladder
    assert mean["deeper"] <= mean["batch norm"] + 0.02, ladder  # depth alone brings no gain
    for deeper, residual in zip(ladder["deeper"], ladder["residual"], strict=True):
        assert residual >= deeper + 0.03, ladder


def _share_dead(model, data):
    """Return the share of units that give zero for every test picture, a ReLU layer each."""
    names = [name for name, part in model.named_modules() if isinstance(part, nn.ReLU)]
    with ck.hook_outputs(model.eval(), names) as outputs, torch.no_grad():
        model(torch.cat([x for x, _ in data.valid])[:512])
    return [(out.amax((0, 2, 3)) <= 0).float().mean().item() for out in outputs.values()]


@pytest.mark.parametrize("seed", SEEDS)
def test_units_die_at_a_rate_that_is_far_too_high(miniatures, seed, say):
    """The lesson says that whole layers die, which batch norm does not mend; else it keeps them."""
    found = {}
    for norm in (False, True):
        for factor in (1, 20):
            ck.seed(seed)
            model = Centred(net(norm=norm))
            learn = ck.Learner(miniatures, model, ck.cross_entropy, metrics=[ck.accuracy])
            history = learn.fit(1, 0.005 * factor, schedule=ck.constant)
            found[norm, factor] = history[-1]["accuracy"], _share_dead(model, miniatures)
    say("; ".join(f"norm {n}, {f} times: {a:.2f}, dead {d}" for (n, f), (a, d) in found.items()))
    accuracy, dead = found[False, 20]
    assert accuracy <= 0.15
    assert max(dead) >= 0.9
    accuracy, dead = found[True, 20]
    assert accuracy <= 0.2
    assert dead[-1] >= 0.3
    accuracy, dead = found[True, 1]
    assert accuracy >= 0.25
    assert max(dead) <= 0.1
    assert found[False, 1][1][-1] >= 0.2


def test_the_small_drawings_hold_ten_classes_evenly(miniatures):
    """A class that dominates would make any accuracy look good."""
    assert miniatures.classes == CLASSES
    for part in (miniatures.train, miniatures.valid):
        assert len(set(part.targets.bincount().tolist())) == 1


# --- the maps ---------------------------------------------------------------------------------


class AverageHead(nn.Module):
    """One linear layer on the averages of the maps."""

    def __init__(self, channels, classes=2):
        super().__init__()
        self.channels, self.linear = channels, nn.Linear(channels, classes)

    def forward(self, pooled):
        """Return scores (B, classes) of (B, 2 * channels) averages and maxima."""
        return self.linear(pooled[:, : self.channels])


def average_net(data, architecture, seed):
    """Return the lesson's network for cats and dogs, trained."""
    ck.seed(seed)
    learn = ck.image_learner(data, architecture, precompute=True)
    learn.model.head = AverageHead(learn.model.head[0].num_features // 2)
    learn.groups = learn.model.layer_groups()
    learn.fit(5, lr=0.02, resume=False)
    return learn.model.eval()


@pytest.fixture(scope="module")
def pets():
    path = ck.fetch("dogscats", edition="sample")
    data = ck.images(path, size=80)
    files = [path / "truth" / name.replace(".jpg", ".png") for name in data.valid.names]
    masks = [np.asarray(ck.read_picture(file, size=80))[:, :, 0] > 127 for file in files]
    return data, torch.cat([x for x, _ in data.valid]), torch.as_tensor(np.stack(masks))


@pytest.fixture(scope="module")
def nets(pets):
    return [average_net(pets[0], "drawings", seed) for seed in SEEDS]


def _peaks(model, pets, *, part=slice(None), **options):
    """Return (share of peaks on the animal, share of the heat inside) of what is named rightly.

    part: of which pictures, a slice.
    """
    data, pictures, outlines = pets
    truth, pictures, outlines = data.valid.targets[part], pictures[part], outlines[part]
    parts = pictures.split(100)
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in parts]) == truth
    heat = torch.cat([ck.heat_map(model, part, **options) for part in parts])
    large = ck.enlarge(heat, 80)
    hit = outlines.flatten(1).gather(1, large.flatten(1).argmax(1)[:, None])[:, 0]
    inside = (large * outlines).sum((1, 2)) / large.sum((1, 2)).clamp(min=1e-9)
    return hit[right].float().mean().item(), inside[right].mean().item()


def test_the_peak_lies_on_the_animal(pets, nets, say):
    """Maps that look good and point elsewhere; or that say no more than the middle would."""
    outlines = pets[2]
    middle = outlines[:, 40, 40].float().mean().item()
    found = [_peaks(net, pets, layer="body.stage2", pooled=False) for net in nets]
    peaks, inside = zip(*found, strict=True)
    say(
        f"peak on the animal {np.mean(peaks):.3f} ± {np.std(peaks):.3f} (the middle of the picture "
        f"{middle:.3f}), heat inside {np.mean(inside):.3f}, area {outlines.float().mean():.3f}"
    )
    assert min(peaks) >= 0.95, peaks
    assert min(peaks) >= middle + 0.05
    assert min(inside) >= outlines.float().mean() + 0.10


def test_a_map_chosen_on_one_half_holds_on_the_other(pets, nets, say):
    """The best of six maps, reported on the very pictures that it was chosen on."""
    kinds = [(f"body.stage{n}", pooled) for n in (2, 3, 4) for pooled in (True, False)]
    found = []
    for model in nets:
        parts = slice(0, None, 2), slice(1, None, 2)
        first = {
            kind: _peaks(model, pets, layer=kind[0], pooled=kind[1], part=parts[0])[0]
            for kind in kinds
        }
        assert max(first, key=first.get) == ("body.stage2", False), first
        found.append(_peaks(model, pets, layer="body.stage2", pooled=False, part=parts[1])[0])
    middle = pets[2][1::2, 40, 40].float().mean().item()
    say(f"on the other half {np.mean(found):.3f} ± {np.std(found):.3f}, the middle {middle:.3f}")
    assert min(found) >= middle + 0.05
    assert min(found) >= 0.94


def test_the_last_layer_is_too_coarse(pets, nets, say):
    """The lesson says that the class activation map hardly beats the middle of the picture."""
    peaks = [_peaks(net, pets, layer="body")[0] for net in nets]
    say(f"class activation map: peak on the animal {np.mean(peaks):.3f} ± {np.std(peaks):.3f}")
    assert 0.80 <= np.mean(peaks) <= 0.93


def test_a_net_that_has_learned_nothing_points_elsewhere(pets, nets):
    """Maps that show edges, not reasons, would look as good without any training."""
    ck.seed(1)
    model = ck.image_model("drawings", 2, size=80, pretrained=False).eval()
    _, pictures, outlines = pets
    heat = ck.heat_map(model, pictures[::4], layer="body.stage2", pooled=False)
    peak = ck.enlarge(heat, 80).flatten(1).argmax(1)
    hit = outlines[::4].flatten(1).gather(1, peak[:, None]).float().mean().item()
    assert hit <= 0.85


def test_each_class_finds_its_own_animal(pets, nets, say):
    """A map that is hot on the animal whatever class it is asked for."""
    data, pictures, _ = pets
    cats, dogs = ((data.valid.targets == k).nonzero()[:60, 0] for k in (0, 1))
    both = torch.cat([pictures[cats], pictures[dogs]], 3)
    shares = []
    for model in nets:
        for number in (0, 1):
            heat = ck.heat_map(model, both, number, layer="body")
            left = heat[:, :, :5].sum((1, 2)) / heat.sum((1, 2)).clamp(min=1e-9)
            shares.append((left if number == 0 else 1 - left).mean().item())
    say(f"heat on the side of the class that was asked for: {np.mean(shares):.3f}")
    assert min(shares) >= 0.75, shares


def _fall(model, x, target, heat):
    """Return how far the probability falls, on average, without the hottest fifth."""
    large = ck.enlarge(heat, x.shape[-2:]).flatten(1)
    count = round(0.2 * large.shape[1])
    hot = torch.zeros_like(large).scatter(1, large.topk(count).indices, 1.0)
    hot = hot.view(len(x), 1, *x.shape[-2:])
    painted = x * (1 - hot) + x.mean((2, 3), keepdim=True) * hot
    with torch.no_grad():
        before, after = (model(one).softmax(1).gather(1, target[:, None]) for one in (x, painted))
    return (before - after).mean().item()


def _deletion(model, x, layer, **options):
    with torch.no_grad():
        target = model(x).argmax(1)
    heat = ck.heat_map(model, x, target, layer=layer, **options)
    torch.manual_seed(1)
    return _fall(model, x, target, heat), _fall(model, x, target, torch.rand(len(x), 10, 10))


def test_what_is_hot_matters(pets, nets, say):
    """A map whose hot places the score does not depend on."""
    found = [_deletion(net, pets[1][::5], "body") for net in nets]
    hot, random = map(np.mean, zip(*found, strict=True))
    say(f"without the hottest fifth the probability falls by {hot:.3f}, at random by {random:.3f}")
    assert all(a > b for a, b in found), found


@pytest.mark.real
def test_photographs_of_cifar10(real_home, monkeypatch, say):
    """A ladder that rises on drawings only: a part of CIFAR-10, few epochs."""
    for name, folder in real_home.items():
        monkeypatch.setenv(name, folder)
    augment = ck.Augment(rotate=0, zoom=1, light=0)
    path = ck.fetch("cifar10", edition="full")
    data = ck.images(path, size=32, valid="test", batch=64, augment=augment)
    found = {}
    for label in ("fully connected", "batch norm", "wider"):
        ck.seed(1)
        model = Centred(RUNGS[label]())
        learn = ck.Learner(data, model, ck.cross_entropy, metrics=[ck.accuracy])
        found[label] = learn.fit(4, 0.005)[-1]["accuracy"]
    say(f"{data.train.examples} photographs of CIFAR-10, 4 epochs: {found}")
    assert found["fully connected"] + 0.05 <= found["batch norm"] <= found["wider"]


@pytest.mark.real
def test_what_is_hot_matters_on_photographs(real_home, monkeypatch, say):
    """The same on real dogs and cats, with a body that was trained on ImageNet."""
    for name, folder in real_home.items():
        monkeypatch.setenv(name, folder)
    data = ck.images(ck.fetch("dogscats", edition="full"), size=224)
    some = data.train.subset(range(0, data.train.examples, 3))
    few = data.valid.subset(range(0, data.valid.examples, 4))
    data = ck.Data(some, few, classes=data.classes, path=data.path, options=data.options)
    model = average_net(data, "squeezenet1_0", 1)
    x = torch.cat([x for x, _ in few])[:48]
    hot, random = _deletion(model, x, "body")
    say(f"photographs: the probability falls by {hot:.3f}, at random by {random:.3f}")
    assert hot > random
