"""Patches that excite a channel, receptive fields, batch norm on and off."""

import itertools

import numpy
import pytest
import torch
from torch import nn

import coursekit as ck
from coursekit.data.batches import Batches
from coursekit.visuals import explore, layers
from tests.visuals.explorers.lesson_7 import field
from tests.visuals.figures import noise, readable, refused


class Net(nn.Module):
    """A network with a body of maps of 16, 8 and 4 cells a side."""

    def __init__(self):
        torch.manual_seed(0)
        super().__init__()
        stages = [
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
            for a, b in itertools.pairwise([3, 6, 8, 10])
        ]
        self.body, self.head = (
            nn.Sequential(*stages),
            nn.Sequential(nn.Flatten(), nn.Linear(160, 2)),
        )

    def forward(self, x):
        """Compute scores (B, 2)."""
        return self.head(self.body(x))


def batches(count=20):
    inputs = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return [(x, None) for x in inputs.split(8)]


# What excites a channel -------------------------------------------------------------------------


test_the_figure_can_be_read = readable(
    lambda: ck.show_layers(Net(), batches(1)), lambda: ck.show_layers(Net(), batches(20))
)


def test_the_model_is_left_as_it_was(capsys):
    """Hooks left behind, gradients kept, and a changed training mode or running statistics."""
    model = Net().train()
    model.body[1].eval()
    modes = [module.training for module in model.modules()]
    statistics = model.body[0][1].running_mean.clone()
    drawn = ck.show_layers(model, batches(), channels=2)
    said = capsys.readouterr().out
    assert drawn.shape == (3, 2)
    assert "body.0" in said
    assert "20 pictures" in said
    assert modes == [module.training for module in model.modules()]
    assert torch.equal(statistics, model.body[0][1].running_mean)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_patches_are_those_that_excite_most():
    """One bright spot that is cut out elsewhere, or found in another picture."""
    finder = nn.Sequential(nn.Conv2d(3, 1, 5, stride=2, padding=2, bias=False))
    nn.init.constant_(finder[0].weight, 1.0)
    dark = torch.zeros(6, 3, 32, 32)
    dark[4, :, 9:12, 19:22] = 1.0
    (stage,) = layers.probe(finder, [(dark, None)]).values()
    assert stage.values[:, 0].argmax() == 4
    patch, whole = (numpy.asarray(tile) for tile in stage.tiles(4, 0))
    assert patch[40:56, 40:56].mean() > 230
    assert patch[:8].mean() < 128
    red = (whole == (0xD5, 0x5E, 0)).all(2)
    rows, columns = (numpy.flatnonzero(red.any(axis)) * 32 / layers.TILE for axis in (1, 0))
    assert rows.mean() == pytest.approx(10.5, abs=1)
    assert columns.mean() == pytest.approx(20.5, abs=1)


def test_pictures_are_taken_from_everywhere():
    """Files stand class by class: the first hundred are all cats."""
    inputs = torch.zeros(400, 3, 8, 8)
    inputs[300:] = 1.0
    net, some = nn.Sequential(nn.Conv2d(3, 2, 3)), Batches(inputs, torch.zeros(400))
    (stage,) = layers.probe(net, some).values()
    assert len(stage.images) == 256
    assert stage.images.float().mean() == pytest.approx(255 / 4, abs=1)


def test_the_view_of_a_unit_grows_with_the_stage():
    """A field that is measured at the wrong module, or stays one size."""
    found = layers.probe(Net().eval(), batches())
    assert list(found) == ["body.0", "body.1", "body.2"]
    sides = [stage.side for stage in found.values()]
    assert 2 <= sides[0] <= 4  # a 3 x 3 kernel sees no more
    assert sides[0] < sides[1] < sides[2] <= 15


test_what_has_no_maps_is_refused = refused(
    (lambda: ck.show_layers(Net(), []), r"such as data\.train"),
    (lambda: ck.show_layers("net", batches()), "model='net'"),
    (lambda: ck.show_layers(Net(), batches(), channels=0), "channels is 0"),
    (lambda: explore.layers(Net(), batches(), stage="body.7"), r"'body\.7'"),
    (lambda: explore.receptive_field(lambda s: 2.5, noise()).redraw(), "returned is 2.5"),
    (lambda: explore.receptive_field(field, noise(), pooling="yes"), "give True or False"),
    (lambda: explore.batch_norm(nn.BatchNorm2d, *some(), on="yes"), "give True or False"),
    (lambda: explore.batch_norm(nn.BatchNorm2d, some()[0], [0, 1]), "do not fit"),
    (lambda: explore.batch_norm(lambda n: None, *some(), on=True).redraw(), "returned None"),
    (lambda: ck.show_layers(nn.Sequential(nn.Flatten()), batches()), "no feature maps"),
)


# What a unit sees -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "depth", "pooling"),
    [(3, 2, 1, 3, False), (3, 1, 1, 4, False), (5, 3, 1, 1, True), (3, 1, 3, 2, True),
     (3, 2, 2, 2, False), (4, 1, 2, 2, False)],
)  # fmt: skip
def test_a_unit_sees_the_pixels_whose_gradient_is_not_zero(
    kernel, stride, dilation, depth, pooling
):
    """A tree that is off by one, forgets the strides before it, or the gaps of a dilation."""
    settings = {"kernel": kernel, "stride": stride, "dilation": dilation, "depth": depth}
    picture = numpy.full((64, 64, 3), 100, numpy.uint8)
    explorer = explore.receptive_field(field, picture, **settings, pooling=pooling)
    explorer.redraw()
    parts = [nn.Conv2d(1, 1, kernel, stride, dilation=dilation) for _ in range(depth)]
    for part in parts:
        nn.init.uniform_(part.weight, 0.5, 1.5)  # positive: nothing cancels out
    pools = [nn.AvgPool2d(2)] * (depth if pooling else 0)
    chain = itertools.chain.from_iterable(itertools.zip_longest(parts, pools))
    net = nn.Sequential(*(part for part in chain if part))
    pixels = torch.rand(1, 1, 64, 64, requires_grad=True)
    net(pixels)[0, 0, 0, 0].backward()
    touched = (pixels.grad[0, 0].abs().sum(1) > 0).nonzero()[:, 0].numpy()
    seen = explorer.axes[1].lines[-1].get_xdata()
    assert (seen - seen[0]).tolist() == touched.tolist()
    assert f"sees {touched[-1] + 1} x" in explorer.axes[0].get_title()
    shown = explorer.axes[0].images[0].get_array()
    assert (shown[:, :, 0] == 100).any(0).nonzero()[0].tolist() == seen.tolist()


# Batch norm -------------------------------------------------------------------------------------


def some(classes=10, rows=128, inputs=64):
    x = torch.randn(rows, inputs, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(rows) % classes


def test_without_it_the_standard_deviation_shrinks_or_explodes_with_it_it_stays():
    """A picture in which batch norm changes nothing, and a loss that falls either way."""
    for scale, low, high in ((0.5, 0, 0.05), (1.0, 0.5, 3), (2.0, 50, 1e9)):
        plain, losses = layers.train(None, *some(), 8, scale, 0.1)
        normed, better = layers.train(nn.BatchNorm2d, *some(), 8, scale, 0.1)
        assert low <= plain[-1].std() <= high
        assert all(abs(one.std() - 1) < 0.02 for one in normed)
        assert better[-1] < 1.9
        assert scale == 1.0 or not losses[-1] < 2.2  # or no number


def test_a_net_is_trained_by_gradient_descent():
    """A step that adds the gradient, or uses the loss after it; random numbers used up."""
    x, y = some(3, 30, 8)
    state = torch.get_rng_state()
    _, losses = layers.train(nn.BatchNorm2d, x, y, 2, 1.0, 0.05)
    assert torch.equal(state, torch.get_rng_state())
    rng = torch.Generator().manual_seed(0)
    first, second, last = (
        torch.randn(out, size, generator=rng) * factor
        for out, size, factor in ((32, 8, 0.5), (32, 32, 0.25), (3, 32, 32**-0.5))
    )
    raw = nn.Sequential(
        nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(),
        nn.Linear(32, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3, bias=False),
    )  # fmt: skip
    for layer, matrix in zip((raw[0], raw[3], raw[6]), (first, second, last), strict=True):
        layer.weight.data = matrix
    optimizer, wanted = torch.optim.SGD(raw.parameters(), 0.05), []
    for _ in range(3):
        loss = nn.functional.cross_entropy(raw(x), y)
        wanted.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    numpy.testing.assert_allclose(losses[:3], wanted, rtol=1e-5)


def test_the_field_grows_with_the_layers_and_is_told():
    """The lesson's own numbers: 3, 7, 15, 31 with stride 2."""
    picture = numpy.zeros((64, 64, 3), numpy.uint8)
    explorer = explore.receptive_field(field, picture, depth=4)
    explorer.redraw()
    assert "3, 7, 15, 31 pixels" in explorer.caption
    assert "spans it all" in explorer.set(depth=6).caption
    assert "with gaps" in explorer.set(depth=1, dilation=3).caption


def test_the_switch_uses_the_layer_that_it_was_given():
    """A batch norm of the package's own, whatever the learner has written."""
    made = []
    explorer = explore.batch_norm(lambda n: made.append(n) or nn.BatchNorm2d(n), *some(), depth=3)
    explorer.redraw()
    assert made == [32, 32, 32]
    assert "with batch norm the standard deviation is 1 in the first layer" in explorer.caption
    assert explorer.set(on=True).caption.startswith("With batch norm")
