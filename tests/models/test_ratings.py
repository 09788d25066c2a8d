"""The net of biases and factors against its formula."""

import pytest
import torch

from coursekit import CourseError
from coursekit.models.tables import RatingNet


def random_net(*sizes, **options):
    torch.manual_seed(0)
    net = RatingNet(*sizes, **options)
    for table in net.children():
        table.initialize(std=1.0)
    return net.eval()


def test_prediction_equals_the_formula():
    """A bias forgotten, factors of the wrong table, a sigmoid stretched to the wrong range."""
    net = random_net(5, 7, 3, y_range=(0.5, 5.5), mean=3.2)
    users, items = torch.tensor([1, 4, 2]), torch.tensor([6, 1, 1])
    for user, item, found in zip(users, items, net(users, items), strict=True):
        score = torch.log(torch.tensor(2.7 / 2.3))  # of the mean
        score = score + net.user_bias.weight[user, 0] + net.item_bias.weight[item, 0]
        score = score + net.user_factors.weight[user] @ net.item_factors.weight[item]
        assert found.item() == pytest.approx(0.5 + 5 * score.sigmoid().item(), abs=1e-5)


def test_unknown_users_and_items_count_as_the_mean_of_all_others():
    """A newcomer who gets the random numbers of a row that was never trained."""
    net = random_net(4, 6, 2, mean=3.0)
    with torch.no_grad():
        net.user_bias.weight[0] = net.user_factors.weight[0] = 100.0
    found = net.eval()(torch.tensor([0]), torch.tensor([3]))
    score = net.user_bias.weight[1:].mean() + net.item_bias.weight[3, 0]
    score = score + net.user_factors.weight[1:].mean(0) @ net.item_factors.weight[3]
    assert found.item() == pytest.approx(0.5 + 5 * (score + net.offset).sigmoid().item(), abs=1e-5)


def test_predictions_stay_in_the_range_and_begin_at_the_mean():
    """Six stars of five, or a training that spends an epoch on finding the mean."""
    net = RatingNet(50, 50, 8, mean=3.5)
    pairs = torch.arange(50), torch.arange(50)
    assert (net(*pairs) - 3.5).abs().max() < 0.1
    with torch.no_grad():
        net.item_bias.weight.copy_(torch.linspace(-50, 50, 50)[:, None])
    assert net(*pairs).min() >= 0.5
    assert net(*pairs).max() <= 5.5


@pytest.mark.parametrize(
    ("options", "value"),
    [({"y_range": (5, 1)}, r"\(5, 1\)"), ({"mean": 9.0}, "9.00"), ({"n_factors": 0}, "=0")],
)
def test_sizes_that_cannot_be_trained(options, value):
    """A logarithm of a negative number, far from the argument that caused it."""
    with pytest.raises(CourseError, match=value):
        RatingNet(5, 7, **options)
