"""What stands behind the explorers of lesson 7: maps, fields, a net with and without batch norm."""

import numpy as np
import pytest
import torch
from torch import nn

import coursekit as ck
from coursekit.visuals import explore
from coursekit.visuals.explore import frame
from coursekit.visuals.explore.heat import Maps, fields, losses_of, run_through, seen, weights_of
from tests.sentences import refuses
from tests.visuals.explorers.lesson_7 import EXPLORERS, photograph

# --- maps of one picture ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return ck.image_model("drawings", 3, size=64).eval()


@pytest.mark.parametrize("pooled", [True, False])
def test_maps_are_those_of_heat_map(net, pooled):
    """One pass for all layers and classes that mixes them up, or leaves gradients in the net."""
    x = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    names = ["body.stage2", "body.stage4.conv1", "body.stage4", "body"]
    net.train()
    maps = Maps(net, x, names)
    assert net.training
    for name in names:
        for target in (0, 2):
            wanted = ck.heat_map(net, x[None], target, layer=name, pooled=pooled)[0]
            torch.testing.assert_close(maps.heat(name, target, pooled=pooled), wanted)
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(part._forward_hooks for part in net.modules())
    with torch.no_grad():
        scores = net.eval()(x[None]).softmax(1)[0].numpy()
    np.testing.assert_allclose(maps.shares, scores, atol=1e-6)


def test_a_picture_of_ones_own_is_looked_at():
    """An upload that is shown, while the map and the answer stay those of the picture before."""
    explorer = EXPLORERS["heat"][0]().set(target="dogs")
    before = explorer.sentence
    explorer.set(file=photograph())
    assert explorer.sentence != before
    assert explorer.set(file=None).sentence == before
    with refuses("cannot be read as a picture"):
        explorer.set(file=b"no picture")
    assert frame.uploaded(({"content": memoryview(photograph())},)) == photograph()


def test_a_layer_or_class_that_is_not_there_is_named(net):
    """A typo that ends in a KeyError from inside a widget, where nobody sees it."""
    picture, names = np.zeros((64, 64, 3), np.uint8), ["cats", "dogs", "foxes"]
    with refuses("There are 2 class names and 3 scores"):
        explore.heat(net, names[:2], picture, layers=["body.stage2"])
    with refuses("no layer 'body.stage9'"):
        explore.heat(net, names, picture, layers=["body.stage9"])
    with refuses("cannot be 'wolves'", "cats, dogs"):
        explore.heat(net, names, picture, layers=["body"], target="wolves")
    with refuses("'head' gives no maps"):
        explore.heat(net, names, picture, layers=["head"])


# --- what a unit sees -------------------------------------------------------------------------

STACKS = [
    [(3, 2, 1)] * 3,
    [(3, 1, 1)] * 4,
    [(5, 3, 1), (2, 2, 1)],
    [(3, 1, 3), (2, 2, 1)] * 2,
    [(3, 2, 2), (3, 1, 3)],
    [(1, 2, 1), (4, 1, 2)],
]


@pytest.mark.parametrize("layers", STACKS)
def test_a_unit_sees_those_dots_whose_gradient_is_not_zero(layers):
    """A formula that is off by one, forgets the strides before it, or the gaps of a dilation."""
    torch.manual_seed(0)
    field, step = fields(layers)[-1]
    parts = [nn.Conv2d(1, 1, k, stride=s, dilation=d) for k, s, d in layers]
    for part in parts:
        nn.init.uniform_(part.weight, 0.5, 1.5)  # positive: nothing cancels out
    stack = nn.Sequential(*parts).double()
    dots = torch.rand(1, 1, field + step, field + step, dtype=torch.float64, requires_grad=True)

    def touched(unit):
        (slope,) = torch.autograd.grad(stack(dots)[0, 0, unit, 0], dots)
        return (slope[0, 0].abs().sum(1) > 0).nonzero()[:, 0].tolist()

    assert touched(0) == seen(layers)[-1].tolist()
    assert touched(0)[-1] + 1 == field
    assert touched(1)[0] == step


def test_the_field_grows_with_the_layers_and_is_told():
    """The lesson's own numbers: 3, 7, 15, 31 with stride 2; 3, 5, 7, 9 with stride 1."""
    assert [field for field, _ in fields([(3, 2, 1)] * 4)] == [3, 7, 15, 31]
    assert [field for field, _ in fields([(3, 1, 1)] * 4)] == [3, 5, 7, 9]
    explorer = explore.receptive_field(depth=4).set(stride=2)
    assert "3, 7, 15, 31 dots" in explorer.sentence
    assert "spans it all" in explorer.set(depth=6).sentence
    assert "with gaps" in explorer.set(depth=1, dilation=3).sentence


# --- batch norm -------------------------------------------------------------------------------


def test_without_it_the_spread_shrinks_or_explodes_with_it_it_stays():
    """A picture in which batch norm changes nothing, because the scale was put back elsewhere."""
    x = torch.randn(128, 64, generator=torch.Generator().manual_seed(0))
    for scale, low, high in ((0.5, 0, 0.05), (1.0, 0.5, 3), (2.0, 50, 1e9)):
        weights = weights_of(64, 8, scale, 10)
        plain = run_through(x, weights, False)[0]
        assert low <= plain[-1].std() <= high
        normed = run_through(x, weights, True)[0]
        assert all(abs(one.std() - 1) < 0.02 for one in normed)


def test_batch_norm_is_the_layer_of_torch():
    """A batch norm of its own kind, that the lesson does not teach."""
    x = torch.randn(50, 20, generator=torch.Generator().manual_seed(0))
    (matrix, last) = weights_of(20, 1, 1.0, 3)
    wanted = nn.Sequential(nn.Linear(20, 32, bias=False), nn.BatchNorm1d(32))
    wanted[0].weight.data = matrix
    (given,), scores = run_through(x, [matrix, last], True)
    torch.testing.assert_close(given, wanted(x).detach())
    torch.testing.assert_close(scores, given.relu() @ last.T)


def test_the_loss_falls_with_it_and_is_lost_without():
    """The lesson says so: where the spread has collapsed or exploded, nothing is learned."""
    x = torch.randn(128, 64, generator=torch.Generator().manual_seed(0))
    y = torch.arange(128) % 10
    for scale in (0.4, 2.0):
        weights = weights_of(64, 8, scale, 10)
        before = weights[0].clone()
        plain = losses_of(x, y, weights, False, 0.1)
        normed = losses_of(x, y, weights, True, 0.1)
        assert torch.equal(before, weights[0])
        assert not plain[-1] < 2.2  # or no number
        assert normed[-1] < 1.9


def test_one_step_is_gradient_descent():
    """A step that adds the gradient, or uses the loss after it."""
    x = torch.randn(30, 8, generator=torch.Generator().manual_seed(1))
    y = torch.arange(30) % 3
    weights = weights_of(8, 2, 1.0, 3)
    layers = [nn.Linear(8, 32, bias=False), nn.ReLU(), nn.Linear(32, 32, bias=False), nn.ReLU()]
    raw = nn.Sequential(*layers, nn.Linear(32, 3, bias=False))
    for layer, matrix in zip(raw[::2], weights, strict=True):
        layer.weight.data = matrix.clone()
    optimizer, wanted = torch.optim.SGD(raw.parameters(), 0.05), []
    for _ in range(3):
        loss = nn.functional.cross_entropy(raw(x), y)
        wanted.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(losses_of(x, y, weights, False, 0.05, steps=2), wanted, rtol=1e-5)
