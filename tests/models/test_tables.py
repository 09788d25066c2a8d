"""The net of tables against torch's own layers."""

import copy

import pytest
import torch
from torch import nn

from coursekit import CourseError
from coursekit.models.tables import TableNet, embedding_dim


def test_net_equals_torch_layers():
    """A net that is not the one that its description speaks of."""
    torch.manual_seed(0)
    options = {"dropout": 0, "embedding_dropout": 0, "y_range": (1.0, 3.0)}
    net = TableNet([5, 4], 3, hidden_sizes=(6,), **options)
    codes = torch.stack([torch.randint(1, 5, (64,)), torch.randint(1, 4, (64,))], 1)
    numbers = torch.randn(64, 3)
    linear, norm, last = (copy.deepcopy(net.layers[place]) for place in (0, 2, 4))
    vectors = [nn.functional.embedding(codes[:, i], net.embeddings[i].weight) for i in (0, 1)]
    x = torch.cat([*vectors, nn.BatchNorm1d(3)(numbers)], 1)
    expected = 1 + 2 * last(norm(linear(x).relu())).sigmoid()[:, 0]
    torch.testing.assert_close(net(codes, numbers), expected, atol=1e-5, rtol=0)
    assert [table.embedding_dim for table in net.embeddings] == [embedding_dim(5), 2]


@pytest.mark.parametrize("columns", [([5], 0), ([], 2)])
def test_columns_of_one_kind_only(columns):
    """A table of numbers, or of categories, that ends in an empty concatenation."""
    net = TableNet(*columns).eval()
    codes = torch.ones(3, len(columns[0]), dtype=torch.int64)
    assert net(codes, torch.randn(3, columns[1])).shape == (3,)


def test_unseen_category_is_the_mean_of_all_others():
    """A new shop that is predicted from random numbers, or from the mean of before the training."""
    net = TableNet([5], 0).train()
    with torch.no_grad():
        net.embeddings[0].weight.normal_()
    net.eval()
    unseen, known = net.embed(torch.tensor([[0], [2]]))
    torch.testing.assert_close(unseen, net.embeddings[0].weight[1:].mean(0))
    assert torch.equal(known, net.embeddings[0].weight[2])


def test_evaluating_twice_changes_nothing():
    """Weights that differ after a look at them, so that no checkpoint fits any more."""
    net = TableNet([5, 1], 1)
    before = copy.deepcopy(net.state_dict())
    net.eval().train().eval()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("columns", "options", "value"),
    [
        (([3], 2), {"y_range": (1.0, 1.0)}, r"\(1.0, 1.0\)"),
        (([3], 2), {"hidden_sizes": [0]}, "hidden_sizes=0"),
        (([3], 2), {"dropout": 5}, "dropout=5"),
        (([3, 4], 2), {"embedding_dims": [1]}, r"\[1\].* 2 categorical"),
        (([], 0), {}, "0 continuous"),
    ],
)
def test_sizes_that_do_not_fit(columns, options, value):
    """A matrix product of wrong shapes in the first batch."""
    with pytest.raises(CourseError, match=value):
        TableNet(*columns, **options)


def test_half_precision_does_not_round_the_predictions():
    """Logarithms near 9 in bfloat16: sales in steps of six percent, forty values in all."""
    torch.manual_seed(0)
    net = TableNet([9], 2, y_range=(8.0, 10.0)).eval()
    codes, numbers = torch.randint(1, 9, (2000, 1)), 3 * torch.randn(2000, 2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = net(codes, numbers)
    assert half.dtype == torch.float32
    assert len(half.unique()) > 200
    torch.testing.assert_close(half, net(codes, numbers), atol=0.01, rtol=0)
