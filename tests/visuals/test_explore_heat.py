"""What stands behind the explorers of lesson 7: maps, fields, a net with and without batch norm."""

import numpy as np
import pytest
import torch
from torch import nn

from coursekit.visuals import explore
from coursekit.visuals.explore.heat import fields, losses_of, run_through, seen, weights_of

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
