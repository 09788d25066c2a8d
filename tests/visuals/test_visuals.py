"""Tests of the figures: what they say, what they draw, and that they leave no trace."""

import itertools
import math

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy
import pytest
import torch
from torch import nn

from coursekit.console import CourseError
from coursekit.data.batches import Batches
from coursekit.learners import schedules
from coursekit.learners.lr_finder import Sweep
from coursekit.models.pictures import ConcatPool2d, ImageModel, Normalize
from coursekit.visuals import curves, layers
from tests.visuals.figures import assert_readable, noise


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def history(valid, train=None, **metrics):
    train = train or [1 / (epoch + 1) for epoch in range(len(valid))]
    rows = []
    for number, (one, other) in enumerate(zip(train, valid, strict=True)):
        row = {"epoch": number + 1, "train_loss": one, "valid_loss": other}
        row |= {name: values[number] for name, values in metrics.items()}
        rows.append(row | {"seconds": 1.0})
    return rows


def a_sweep(suggestion=0.02):
    rates = list(numpy.geomspace(1e-6, 10, 60))
    losses = [0.7 - 0.5 / (1 + 100 * math.exp(-step / 5)) for step in range(55)] + [1, 2, 4, 9, 40]
    reason = "the smoothed loss is lowest at 2.0e-01; a tenth of that still falls fast and is safe"
    return Sweep(rates, losses, losses[:57] + [2.0] * 3, suggestion, reason, "it was told to")


class Net(ImageModel):
    """An ImageModel small enough for a test: maps of 16, 8 and 4 cells a side."""

    def __init__(self):
        torch.manual_seed(0)
        widths = [3, 6, 8, 10]
        stages = [
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
            for a, b in itertools.pairwise(widths)
        ]
        body = nn.Sequential(*stages)
        super().__init__(Normalize([0.5] * 3, [0.5] * 3), body, ConcatPool2d(), nn.Linear(20, 2))


def batches(count=20, side=32, size=8):
    inputs = numpy.stack([noise(side, side, row) for row in range(count)])

    def prepare(x):
        return x.permute(0, 3, 1, 2).float() / 255

    names = [f"valid/cats/{row}.jpg" for row in range(count)]
    targets = torch.arange(count) % 2
    return Batches(inputs, targets, batch_size=size, transform=prepare, filenames=names)


LONG = [f"herbaceous vegetation {number}" for number in range(20)]
SCHEDULES = {"constant": schedules.constant, "restarts": schedules.CosineRestarts(3, 2)}
DIVERGED = history([5.0, math.nan, math.inf], [3.0, math.nan, math.nan], accuracy=[0.5] * 3)


GALLERY = {
    "history": lambda: curves.show_history(history([0.5, 0.4, 0.45], accuracy=[0.8, 0.9, 0.9])),
    "history of one epoch": lambda: curves.show_history(history([0.5], accuracy=[0.8])),
    "history of forty": lambda: curves.show_history(history([0.5] * 40, a=[0] * 40, b=[1] * 40)),
    "history diverged": lambda: curves.show_history(DIVERGED),
    "histories": lambda: curves.show_histories({"rate 1": DIVERGED, "0.01": history([0.5, 0.1])}),
    "histories, none finite": lambda: curves.show_histories({"rate 9": history([math.nan])}),
    "sweep": lambda: curves.show_sweep(a_sweep()),
    "sweep in vain": lambda: curves.show_sweep(Sweep([], [], [], None, "it never fell", "NaN")),
    "schedules": lambda: curves.show_schedules(SCHEDULES, 7, 0.01),
    "filters": lambda: layers.show_filters(Net()),
    "layers": lambda: layers.show_layers(Net(), batches()),
    "layers, one picture": lambda: layers.show_layers(Net(), batches(1), patches=5),
}


@pytest.mark.parametrize("name", GALLERY)
def test_figures_are_readable(name, capsys):
    """Overlapping texts, a missing caption."""
    assert_readable(GALLERY[name], capsys)


def test_a_slider_can_draw_on_the_same_axes_again():
    """Guards against figures that pile up when a slider draws a second time."""
    axes = plt.subplots()[1]
    for _ in range(2):
        curves.show_schedules(SCHEDULES, 5, 0.1, axes=axes)
    assert len(axes.lines) == 2


# Curves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (history([0.5, 0.4, 0.45]), "lowest in epoch 2 (0.4) and has risen since, while the train"),
        (history([0.5, 0.4, 0.45], [1, 2, 3]), "lowest in epoch 2 (0.4) and has risen since."),
        (
            history([0.5, 0.4, 0.3], accuracy=[0.1, 0.2, 0.9932]),
            "accuracy 0.993; the valid loss is",
        ),
        (history([0.5]), "After 1 epoch: train loss 1, valid loss 0.5."),
        (DIVERGED, "training diverged in epoch 2"),
    ],
)
def test_history_is_read_aloud(rows, words, capsys):
    """Guards against a sentence that does not follow from the rows."""
    drawn = curves.show_history(rows)
    assert words in capsys.readouterr().out
    assert (
        list(drawn[0].lines[1].get_xdata())
        == [row["epoch"] for row in rows if math.isfinite(row["valid_loss"])]
        or rows is DIVERGED
    )


@pytest.mark.parametrize(
    ("count", "ticks"), [(1, [1]), (10, [*range(1, 11)]), (12, [2, 4, 6, 8, 10, 12]), (60, "tens")]
)
def test_many_epochs_stay_readable(count, ticks):
    """Guards against ticks at 1, 7, 13, and marks that cover the dashes of a long run."""
    axis = curves.show_history(history([0.5] * count))[0]
    wanted = [10, 20, 30, 40, 50, 60] if ticks == "tens" else ticks
    assert list(axis.get_xticks()) == wanted
    assert {line.get_marker() for line in axis.lines} == {"None" if count > 20 else "o"}


def test_history_without_an_epoch_or_value_says_what_to_do():
    """Guards against an IndexError when nothing was trained, or a misspelt column."""
    with pytest.raises(CourseError, match=r"learn\.fit"):
        curves.show_history([])
    with pytest.raises(CourseError, match="'valid_loss'"):
        curves.show_histories({"a": history([1.0])}, value="valid_los")
    with pytest.raises(CourseError, match="no run"):
        curves.show_histories({})


def test_compared_runs_mark_divergence_and_choose_the_scale(capsys):
    """Guards against diverged runs that vanish, and a huge loss that flattens the others."""
    axis = curves.show_histories({"wild": DIVERGED, "tame": history([0.5, 0.04])})
    said = capsys.readouterr().out
    assert "wild ends at infinite (diverged in epoch 2); tame ends at 0.04 after 2 epochs" in said
    assert axis.get_yscale() == "log"
    assert [line.get_marker() for line in axis.lines].count("^") == 3  # two marks and the legend's
    assert curves.show_histories({"a": history([0.5, 0.1])}).get_yscale() == "linear"


def test_sweep_names_rate_and_reason(capsys):
    """Guards against a suggestion drawn or said other than the sweep's own."""
    sweep = a_sweep(0.0123)
    left, right = curves.show_sweep(sweep)
    said = capsys.readouterr().out
    assert "suggested is 0.0123 (the smoothed loss is lowest at 2.0e-01" in said
    assert "Over 60 mini-batches from a rate of 1e-06 to 10 " in said
    marks = [line for line in right.lines if "suggestion 0.0123" in line.get_label()]
    assert list(marks[0].get_xdata()) == [0.0123, 0.0123]
    assert (left.get_yscale(), right.get_xscale()) == ("log", "log")
    curves.show_sweep(a_sweep(None))
    assert "none is suggested" in capsys.readouterr().out


def test_the_fall_of_a_sweep_is_not_squeezed_by_its_end():
    """A loss that flies away at the end, and above it a flat line that was the whole point."""
    sweep = a_sweep()
    sweep.smoothed[-3:] = [5.0, 20.0, 90.0]
    low, high = curves.show_sweep(sweep)[1].get_ylim()
    fall = max(sweep.smoothed[:5]) - min(sweep.smoothed)
    assert low < min(sweep.smoothed)
    assert fall > 0.45 * (high - low)
    flat = Sweep(sweep.rates, [1.0] * 60, [1.0] * 60, None, "it never fell", "the end")
    low, high = curves.show_sweep(flat)[1].get_ylim()
    assert low < 1 < high


def test_schedules_are_multiplied_and_told(capsys):
    """Guards against a curve drawn over progress instead of epochs."""
    axis = curves.show_schedules({"one cycle": schedules.one_cycle, **SCHEDULES}, 10, 0.5)
    said = capsys.readouterr().out
    assert "One cycle goes from 0.02 to 2e-06 with its top of 0.5 at epoch 3" in said
    assert "constant stays at 0.5" in said
    assert "jumping back up 2 times" in said
    x, y = axis.lines[0].get_data()
    assert (x[-1], round(max(y), 9)) == (10, 0.5)


# Layers -----------------------------------------------------------------------------------------


def test_patches_are_those_that_excite_most_and_the_model_is_left_as_it_was(capsys):
    """Guards against patches cut elsewhere, hooks left behind, and a changed training mode."""
    model = Net()
    model.train()
    model.body[1].eval()
    modes = [module.training for module in model.modules()]
    statistics = model.body[0][1].running_mean.clone()
    drawn = layers.show_layers(model, batches(), channels=2, patches=2)
    said = capsys.readouterr().out
    assert drawn.shape == (3, 2)
    assert "body.0" in said
    assert "20 pictures" in said
    layers.show_layers(model, batches(), ["0"], pictures=7)
    assert "7 pictures" in capsys.readouterr().out
    assert modes == [module.training for module in model.modules()]
    assert torch.equal(statistics, model.body[0][1].running_mean)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    # One bright dot: a unit that adds up its window must find it, in the right picture and place.
    finder = nn.Sequential(nn.Conv2d(3, 1, 5, stride=2, padding=2, bias=False))
    nn.init.constant_(finder[0].weight, 1.0)
    dark = torch.zeros(6, 3, 32, 32)
    dark[4, :, 9:12, 19:22] = 1.0
    drawn = layers.show_layers(finder, [(dark, None)], ["0"], channels=1, patches=1)
    tile = drawn[0, 0].images[0].get_array()
    middle = tile[24:40, 24:40]
    assert middle.mean() > 0.9
    assert tile[:8].mean() < 0.5


def test_view_of_a_unit_grows_with_the_stage():
    """Guards against a field that is measured at the wrong module or stays one size."""
    model, x = Net().eval(), batches().one_batch()[0]
    sides = [layers._field(model, model.body, str(stage), x) for stage in range(3)]
    assert sides == sorted(sides)
    assert sides[0] <= 3  # a 3 x 3 kernel sees no more
    assert sides[0] < sides[2] <= 15


def test_stages_are_named_or_found_or_refused():
    """Guards against a KeyError for a misspelt stage, and stages without maps."""
    model = Net()
    assert layers.show_layers(model, batches(), ["0.0", "2"]).shape == (2, 3)
    with pytest.raises(CourseError, match="no module '7'"):
        layers.show_layers(model, batches(), ["7"])
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    with pytest.raises(CourseError, match="gives no maps"):
        layers.show_layers(flat, batches())
    with pytest.raises(CourseError, match="takes three colours"):
        layers.show_filters(flat)


def test_filters_tell_grey_from_coloured_kernels(capsys):
    """Guards against colours counted over pixels instead of planes."""
    layer = nn.Conv2d(3, 4, 3)
    with torch.no_grad():
        layer.weight[:3] = layer.weight[:3].mean(1, keepdim=True)
        layer.weight[3] = torch.eye(3)[0].reshape(3, 1, 1)
    layers.show_filters(layer)
    assert "4 kernels of 3 x 3 pixels: 3 look at brightness alone, 1 at" in capsys.readouterr().out
