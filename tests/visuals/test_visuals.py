"""Tests of the figures: what they say, what they draw, and that they leave no trace."""

import itertools
import math
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy
import pytest
import torch
from torch import nn

from coursekit.console import CourseError
from coursekit.data.augment import side_on
from coursekit.data.batches import Batches, Data
from coursekit.learners import schedules
from coursekit.learners.learner import Learner
from coursekit.learners.losses import cross_entropy
from coursekit.learners.lr_finder import Sweep
from coursekit.models.pictures import ConcatPool2d, ImageModel, Normalize
from coursekit.visuals import curves, ideas, layers, pictures, style
from coursekit.visuals.results import Results, results

SOBEL = numpy.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def noise(height=40, width=60, seed=0):
    """Return a uint8 picture (height, width, 3)."""
    return numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), numpy.uint8)


def predictions(count, classes, *, sharp=1.5, seed=0):
    """Return a stand-in for Predictions, the right class favoured by ``sharp``."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, classes, (count,), generator=generator)
    scores = torch.randn(count, classes, generator=generator)
    scores[torch.arange(count), targets] += sharp
    logs = scores.log_softmax(1)
    losses = -logs[torch.arange(count), targets]
    return SimpleNamespace(probabilities=logs.exp(), targets=targets, losses=losses)


def some_results(count=30, names=("cats", "dogs"), **keywords):
    drawn = numpy.stack([noise(24, 24, row) for row in range(count)])
    return Results(predictions(count, len(names), **keywords), names, pictures=drawn)


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
    return Batches(inputs, targets, size=size, prepare=prepare, names=names)


LONG = [f"herbaceous vegetation {number}" for number in range(20)]
SCHEDULES = {"constant": schedules.constant, "restarts": schedules.CosineRestarts(3, 2)}
DIVERGED = history([5.0, math.nan, math.inf], [3.0, math.nan, math.nan], accuracy=[0.5] * 3)
X = numpy.linspace(-1, 1, 50)


def parabola(x):
    return x**2


def paths(*rates):
    return {
        f"rate {rate}": ideas.descent(parabola, lambda x: 2 * x, -3, rate, 10) for rate in rates
    }


GALLERY = {
    "pictures": lambda: pictures.show_pictures(
        [noise(), torch.rand(3, 40, 30), torch.rand(3, 30, 40)] * 3, ["valid/cats/cat.4711.jpg"] * 9
    ),
    "one picture": lambda: pictures.show_pictures([noise()]),
    "planes": lambda: pictures.show_planes(noise(60, 40)),
    "corner": lambda: pictures.show_corner(noise()),
    "corner of one pixel": lambda: pictures.show_corner(noise(1, 1)),
    "batch": lambda: pictures.show_batch(batches(), LONG[:2]),
    "batch without labels": lambda: pictures.show_batch([(torch.rand(5, 3, 9, 9), None)], ()),
    "versions": lambda: pictures.show_versions(side_on, noise()),
    "history": lambda: curves.show_history(history([0.5, 0.4, 0.45], accuracy=[0.8, 0.9, 0.9])),
    "history of one epoch": lambda: curves.show_history(history([0.5], accuracy=[0.8])),
    "history of forty": lambda: curves.show_history(history([0.5] * 40, a=[0] * 40, b=[1] * 40)),
    "history diverged": lambda: curves.show_history(DIVERGED),
    "histories": lambda: curves.show_histories({"rate 1": DIVERGED, "0.01": history([0.5, 0.1])}),
    "histories, none finite": lambda: curves.show_histories({"rate 9": history([math.nan])}),
    "sweep": lambda: curves.show_sweep(a_sweep()),
    "sweep in vain": lambda: curves.show_sweep(Sweep([], [], [], None, "it never fell", "NaN")),
    "schedules": lambda: curves.show_schedules(SCHEDULES, 7, 0.01),
    "groups": lambda: some_results().show_groups(),
    "groups, none wrong": lambda: some_results(sharp=50.0).show_groups(),
    "groups of twenty": lambda: some_results(60, LONG).show_groups(3),
    "groups of one picture": lambda: some_results(1).show_groups(),
    "confusion": lambda: some_results().show_confusion(),
    "confusion of twenty": lambda: some_results(900, LONG).show_confusion(),
    "top losses": lambda: some_results().show_top_losses(),
    "top loss of one": lambda: some_results(1, LONG).show_top_losses(),
    "descent": lambda: ideas.show_descent(parabola, paths(0.01, 0.1, 0.9, 1.1)),
    "one descent": lambda: ideas.show_descent(parabola, paths(0.1)["rate 0.1"]),
    "kernel": lambda: ideas.show_kernel(noise(), SOBEL),
    "kernel step": lambda: ideas.show_kernel_step(noise(), SOBEL / 8, 3, 5),
    "relus": lambda: ideas.show_relus(X, [numpy.maximum(0, X - k) for k in (-1, 0)], X**2, X),
    "filters": lambda: layers.show_filters(Net()),
    "layers": lambda: layers.show_layers(Net(), batches()),
    "layers, one picture": lambda: layers.show_layers(Net(), batches(1), patches=5),
}


def texts(axes):
    """Return every text that the panel really shows."""
    shown = [axes.title, axes._left_title, *axes.texts]
    if axes.get_legend():
        shown += axes.get_legend().get_texts()
    if axes.axison:
        shown += [axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
            shown += [label for place, label in ticks if low <= place <= high]
    return [text for text in shown if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", GALLERY)
def test_every_figure_is_axes_one_sentence_and_readable(name, capsys):
    """Guards against overlapping texts, a missing sentence, leaked settings, too wide figures."""
    before = dict(matplotlib.rcParams)
    with matplotlib.style.context("dark_background"):  # a learner's own style must not win
        drawn = GALLERY[name]()
        said = capsys.readouterr().out
        figure = numpy.array(drawn).flat[0].figure
        figure.canvas.draw()
    assert dict(matplotlib.rcParams) == before
    assert isinstance(drawn, plt.Axes) or all(isinstance(one, plt.Axes) for one in drawn.flat)
    assert said.count("\n") == 1
    assert said[0].isupper() or said[0].isdigit()
    assert said.endswith(".\n")
    assert figure.get_figwidth() <= 10
    assert figure.get_facecolor() == (1, 1, 1, 1)
    found = [text for axes in figure.axes for text in texts(axes)]
    boxes = [text.get_window_extent().padded(-1) for text in found]
    for (one, a), (two, b) in itertools.combinations(zip(found, boxes, strict=True), 2):
        assert not a.overlaps(b), (one.get_text(), two.get_text())
    cells = [text for axes in figure.axes for text in axes.texts]  # black or white, as can be read
    others = [text for text in found if text not in cells]
    assert all(matplotlib.colors.to_hex(text.get_color()) == "#000000" for text in others)


def test_a_slider_can_draw_on_the_same_axes_again():
    """Guards against figures that pile up when a slider draws a second time."""
    axes = plt.subplots()[1]
    for _ in range(2):
        curves.show_schedules(SCHEDULES, 5, 0.1, axes=axes)
    assert len(axes.lines) == 2
    grid = plt.subplots(1, 4)[1]
    for _ in range(2):
        ideas.show_kernel_step(noise(), SOBEL, 1, 1, axes=grid)
    assert [len(axis.images) for axis in grid] == [1] * 4
    assert len(plt.get_fignums()) == 2
    with pytest.raises(CourseError, match="4 panels and 1 Axes"):
        ideas.show_kernel_step(noise(), SOBEL, 1, 1, axes=axes)


def test_fit_keeps_lines_within_the_width_in_both_alphabets():
    """Guards against Japanese titles measured as if their letters were narrow."""
    for text in ("herbaceous vegetation", "犬と猫を見分ける画像分類の授業", "a/b/cat.4711.jpg"):
        for line in style.fit_text(text, 1.0, size=10).split("\n"):
            ems = sum(0.62 if ord(letter) < 0x3000 else 1 for letter in line.rstrip("…"))
            assert ems * 10 <= 72 + 10
    assert style.fit_text("", 1.0) == ""
    assert (
        style.fit_text("residential buildings", 1.0, lines=1) == "residentia…"
    )  # never a bare "…"


# Pictures ---------------------------------------------------------------------------------------


def test_every_kind_of_picture_becomes_the_same_array(tmp_path):
    """Guards against swapped axes or a lost scale in one of the accepted forms."""
    from PIL import Image

    array = noise()
    Image.fromarray(array).save(tmp_path / "a.png")
    tensor = torch.tensor(array).permute(2, 0, 1)
    for form in (
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        Image.fromarray(array),
        array,
        torch.tensor(array),
        tensor,
        tensor.float() / 255,
        array.astype(float) / 255,
    ):
        assert (pictures.as_array(form) == array).all()
    assert (pictures.as_array(array[..., 0])[..., 2] == array[..., 0]).all()


def test_a_picture_that_cannot_be_shown_is_one_clear_sentence(tmp_path):
    """Guards against a traceback from PIL or matplotlib."""
    (tmp_path / "a.jpg").write_text("no picture")
    for wrong in (tmp_path / "a.jpg", tmp_path / "missing.jpg", torch.rand(2, 3, 4, 4), "nowhere"):
        with pytest.raises(CourseError):
            pictures.as_array(wrong)
    with pytest.raises(CourseError, match="no picture"):
        pictures.show_pictures([])
    with pytest.raises(CourseError, match="1 picture but 2 titles"):
        pictures.show_pictures([noise()], ["a", "b"])


def test_planes_and_corner_name_the_numbers_of_the_picture(capsys):
    """Guards against red and blue taken for one another."""
    array = numpy.zeros((5, 7, 3), numpy.uint8)
    array[..., 0], array[..., 1] = 200, 30
    array[0, 0] = 1, 2, 3
    pictures.show_planes(array)
    assert "most red and least blue" in capsys.readouterr().out
    near, whole = pictures.show_corner(array)
    assert "red 1, green 2, blue 3" in capsys.readouterr().out
    assert near.texts[0].get_text() == "1\n2\n3"
    assert len(near.texts) == 16
    assert "5 rows, 7 columns" in whole.get_title()


def test_batch_counts_classes_and_several_labels(capsys):
    """Guards against names that stand over the wrong picture."""
    drawn = pictures.show_batch(batches(), ["cats", "dogs"], count=5)
    assert [axis.get_title() for axis in drawn] == ["cats", "dogs", "cats", "dogs", "cats"]
    assert "5 pictures of a mini-batch of 8" in (said := capsys.readouterr().out)
    assert "3 cats, 2 dogs" in said
    many = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    drawn = pictures.show_batch([(torch.rand(2, 3, 8, 8), many)], ["haze", "road", "water"])
    assert [axis.get_title() for axis in drawn] == ["haze, water", "no class"]
    assert "1 haze, 1 water, 1 no class" in capsys.readouterr().out


def test_versions_are_those_of_the_augmentation(capsys):
    """Guards against versions of another picture, or all alike."""
    array = noise()
    drawn = pictures.show_versions(lambda x: x, array, count=2)
    assert "differ from the original's by 0 of 255" in capsys.readouterr().out
    assert (drawn[2].images[0].get_array() == array).all()
    torch.manual_seed(0)
    drawn = pictures.show_versions(side_on, array, count=2)
    assert (drawn[1].images[0].get_array() != drawn[2].images[0].get_array()).any()


def test_versions_fill_their_grid():
    """Guards against an empty panel beside the last version."""
    drawn = pictures.show_versions(side_on, noise())
    assert len(drawn) == len(drawn[0].figure.axes) == 8


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


# Results ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 5])
def test_groups_hold_exactly_the_right_rows(classes):
    """Guards against wrongly sorted or filtered groups: each is found again by plain loops."""
    made = predictions(200, classes, seed=classes)
    names = [f"class {number}" for number in range(classes)]
    found = Results(made, names)
    rows = [
        (row, chances, truth, chances.index(max(chances)))
        for row, (chances, truth) in enumerate(
            zip(made.probabilities.tolist(), made.targets.tolist(), strict=True)
        )
    ]
    right = [row for row, _, truth, guess in rows if truth == guess]
    wrong = [row for row, _, truth, guess in rows if truth != guess]
    assert sorted(found.random_right(1000)) == right
    assert sorted(found.random_wrong(1000)) == wrong
    assert set(found.random_right(7)) < set(right)
    assert len(set(found.random_right(7))) == 7
    for klass, name in enumerate(names):
        of_class = [(chances[klass], row) for row, chances, truth, _ in rows if truth == klass]
        best = [row for _, row in sorted(of_class, reverse=True) if row in right]
        worst = [row for _, row in sorted(of_class) if row in wrong]
        assert list(found.most_right(name, 5)) == best[:5]
        assert list(found.most_right(klass, 999)) == best
        assert list(found.most_wrong(name, 5)) == worst[:5]
    gaps = [sorted(chances)[-1] - sorted(chances)[-2] for _, chances, _, _ in rows]
    assert list(found.most_uncertain(9)) == sorted(range(200), key=gaps.__getitem__)[:9]
    losses = made.losses.tolist()
    assert list(found.top_losses(9)) == sorted(range(200), key=lambda row: -losses[row])[:9]


def test_confusion_equals_scikit_learns():
    """Guards against rows and columns of the matrix changed over."""
    from sklearn.metrics import confusion_matrix

    made = predictions(300, 4)
    found = Results(made, "abcd")
    expected = confusion_matrix(made.targets, made.probabilities.argmax(1), labels=range(4))
    assert (found.confusion() == expected).all()
    pairs = {
        ("abcd"[i], "abcd"[j], expected[i, j])
        for i in range(4)
        for j in range(4)
        if i != j and expected[i, j] >= 3
    }
    listed = found.most_confused(3)
    assert set(listed) == pairs
    assert [count for *_, count in listed] == sorted((p[2] for p in pairs), reverse=True)
    axis = found.show_confusion()
    assert [int(text.get_text()) for text in axis.texts] == list(expected.ravel())


def test_titles_give_the_probability_of_the_guess_and_the_truth(capsys):
    """Guards against the truth's probability shown as if it were the guess's."""
    made = SimpleNamespace(
        probabilities=torch.tensor([[0.97, 0.03], [0.6, 0.4]]),
        targets=torch.tensor([0, 1]),
        losses=torch.tensor([0.03, 0.92]),
    )
    found = Results(made, ["cats", "dogs"], pictures=[noise(), noise()])
    drawn = found.show_groups(1)
    titles = [axis.get_title() for axis in drawn[:, 0]]
    assert titles == [
        "cats 0.97\ntruly cats",
        "cats 0.60\ntruly dogs",
        "cats 0.97\ntruly cats",
        "",
        "",
        "cats 0.60\ntruly dogs",
        "cats 0.60\ntruly dogs",
    ]
    assert "1 of 2 pictures right, 1 wrong; the least certain is row 1" in capsys.readouterr().out
    found.show_confusion()
    assert "most often dogs was taken for cats, 1 time." in capsys.readouterr().out
    found.show_top_losses()
    assert "The highest loss is 0.92 (row 1: cats 0.60, truly dogs)" in capsys.readouterr().out


def test_no_mistake_and_single_class_predictions_are_said(capsys):
    """Guards against an error, or silence, where there is nothing wrong to show."""
    perfect = some_results(sharp=50.0)
    perfect.show_groups()
    assert "30 of 30 pictures right, none wrong" in capsys.readouterr().out
    perfect.show_confusion()
    assert "no class was taken for another" in capsys.readouterr().out
    assert perfect.most_confused() == []
    one = predictions(20, 2)
    one.probabilities[:, 0], one.probabilities[:, 1] = 1.0, 0.0
    one.losses[3] = math.nan
    found = Results(one, ["cats", "dogs"], pictures=[noise()] * 20)
    assert len(found.most_right("dogs")) == 0
    assert found.top_losses(1)[0] == 3
    found.show_groups()
    assert found.confusion()[:, 1].sum() == 0


def test_results_refuse_what_they_cannot_show():
    """Guards against obscure errors for a test set, several labels, a typo, missing pictures."""
    made = predictions(5, 2)
    found = Results(made, ["cats", "dogs"])
    with pytest.raises(CourseError, match="Did you mean 'cats'"):
        found.most_right("cat")
    with pytest.raises(CourseError, match="no class 2"):
        found.most_wrong(2)
    with pytest.raises(CourseError, match="no pictures"):
        found.show_top_losses()
    for targets in (None, torch.zeros(5, 2), torch.zeros(0)):
        with pytest.raises(CourseError, match="one class each"):
            Results(SimpleNamespace(targets=targets), ["cats", "dogs"])


def test_results_of_a_learner_fit_its_pictures_and_files(tmp_path):
    """Guards against rows that point to other pictures than those predicted; random state kept."""
    valid = batches()
    data = Data(valid, valid, classes=("cats", "dogs"), path=tmp_path)
    learn = Learner(data, Net(), cross_entropy)
    state = numpy.random.get_state()[1].copy(), torch.get_rng_state()
    found = results(learn)
    found.show_groups(2)
    assert (state[0] == numpy.random.get_state()[1]).all()
    assert torch.equal(state[1], torch.get_rng_state())
    assert len(found) == 20
    assert found.files[7] == tmp_path / "valid/cats/7.jpg"
    assert (pictures.as_array(found.pictures[7]) == noise(32, 32, 7)).all()
    with torch.no_grad():
        chances = learn.model(valid.first()[0]).softmax(1)
    assert numpy.allclose(found.probabilities[:8], chances.numpy(), atol=1e-6)


# Ideas ------------------------------------------------------------------------------------------


def test_descent_follows_the_formula_and_ends_where_it_runs_away(capsys):
    """Guards against a step in the wrong direction and an overflow at a rate far too high."""
    points = ideas.descent(parabola, lambda x: 2 * x, -3, 0.1, 5)
    assert numpy.allclose([x for x, _ in points], [-3 * 0.8**step for step in range(6)])
    assert numpy.allclose([y for _, y in points], [9 * 0.64**step for step in range(6)])
    assert len(ideas.descent(parabola, lambda x: 2 * x, -3, 50, 1000)) < 10
    ideas.show_descent(parabola, paths(0.1, 1.1))
    said = capsys.readouterr().out
    assert "Rate 0.1: x from -3 to -0.322, y down to 0.104 in 10 steps" in said
    assert "rate 1.1: away from the valley, y from 9 up to 345" in said


def test_convolution_equals_torchs(capsys):
    """Guards against a flipped kernel and a window that is off by one."""
    grey = noise()[..., 0].astype(float)
    result = ideas.convolve(grey, SOBEL)
    whole, kernel = torch.tensor(grey)[None, None], torch.tensor(SOBEL).double()[None, None]
    expected = nn.functional.conv2d(whole, kernel)[0, 0].numpy()
    assert numpy.allclose(result, expected)
    ideas.show_kernel(grey, SOBEL)
    assert "40 x 60 pixels into 38 x 58 numbers" in capsys.readouterr().out
    drawn = ideas.show_kernel_step(grey, SOBEL, 37, 57)
    assert f"add up to {style.digits(expected[37, 57])}." in capsys.readouterr().out
    assert drawn[1].texts[0].get_text() == style.digits(grey[37, 57])
    for row, column in ((38, 0), (0, 58), (-1, 0)):
        with pytest.raises(CourseError, match="row from 0 to 37 and a column from 0 to 57"):
            ideas.show_kernel_step(grey, SOBEL, row, column)


def test_relus_say_how_far_the_sum_is_off(capsys):
    """Guards against a distance measured to something else than the curve to follow."""
    x = numpy.linspace(0, 1, 5)
    ideas.show_relus(x, [x, -x], x * 0, x)
    said = capsys.readouterr().out
    assert "sum of 2 ReLUs" in said
    assert "off the curve by 0.5 on average, 1 at most" in said


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
    model, x = Net().eval(), batches().first()[0]
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
