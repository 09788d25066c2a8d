"""The layer table: shapes, parameters, multiply-adds, and nothing of the network changed."""

import pytest
import torch
from torch import nn

import coursekit as ck


def small():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 4, 1, groups=2),
        nn.Flatten(),
        nn.Linear(4 * 16 * 16, 10),
    )


def test_counts_are_those_of_the_formulas():
    """Multiply-adds of the whole batch, of both operations, or with groups ignored."""
    table = ck.summary(small(), torch.zeros(5, 3, 32, 32))
    convolution, pointwise, linear = 27 * 8 * 256, 4 * 4 * 256, 1024 * 10
    work = [convolution, 0, 0, pointwise, 0, linear]
    assert table["multiply_adds"].tolist() == [*work, sum(work)]
    weights = [27 * 8, 16, 0, 4 * 4 + 4, 0, 1024 * 10 + 10]
    assert table["parameters"].tolist() == [*weights, sum(weights)]
    assert table["output"].tolist()[:2] == ["5 x 8 x 16 x 16"] * 2
    assert table["layer"].tolist()[-1] == "total"


class Own(nn.Module):
    """A module with weights of its own beside a layer that it uses twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.matrix = nn.Parameter(torch.ones(4, 4))
        self.same = self.layer

    def forward(self, x, y):
        """Return two tensors."""
        return self.layer(self.layer(x)) @ self.matrix, y


def test_own_weights_shared_layers_several_inputs_and_outputs():
    """Weights that hang on no layer are forgotten, or shared ones counted twice."""
    table = ck.summary(Own(), (torch.zeros(2, 4), torch.zeros(2, 3)))
    assert table["parameters"].tolist() == [20, 16, 36]
    assert table["multiply_adds"].tolist() == [32, 16, 48]
    assert table["output"].tolist()[-1] == "(2 x 4), (2 x 3)"


def test_tuple_outputs():
    """An LSTM gives a tuple of a tensor and a tuple."""
    table = ck.summary(nn.LSTM(4, 5, batch_first=True), torch.zeros(2, 7, 4))
    assert table["output"].tolist()[0] == "(2 x 7 x 5), ((1 x 2 x 5), (1 x 2 x 5))"
    assert table["parameters"].tolist()[-1] == 4 * 5 * (4 + 5 + 2)


def test_the_network_is_only_looked_at():
    """A table that moves the running statistics, leaves hooks behind or switches to evaluation."""
    net = small()
    net[2].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    ck.summary(net, torch.rand(4, 3, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [part.training for part in net] == [True, True, False, True, True, True]
    assert not any(part._forward_hooks for part in net.modules())


@pytest.mark.parametrize(
    ("model", "x", "sentence"),
    [
        (small, torch.zeros(1, 3, 32, 32), "model=.*torch.nn.Module"),
        (small(), torch.zeros(1, 1, 32, 32), "Sequential cannot be called with 1 x 1 x 32 x 32"),
        (Own(), torch.zeros(1, 4), "Own cannot be called with 1 x 4"),
    ],
    ids=["class instead of net", "wrong channels", "one input too few"],
)
def test_bad_input_is_one_sentence(model, x, sentence):
    """Forty lines of a traceback where a batch of the data would do."""
    with pytest.raises(ck.CourseError, match=sentence):
        ck.summary(model, x)
