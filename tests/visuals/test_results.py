"""Results: groups, confusion and losses found again by plain means; the cleaner used to the end."""

import math
import os
from types import SimpleNamespace

import numpy
import pandas
import pytest
import torch

import coursekit as ck
from coursekit.visuals import explore
from tests.visuals.explorers import lesson_1 as small
from tests.visuals.explorers.lesson_1 import results_of
from tests.visuals.figures import noise, readable, refused

LONG = [f"herbaceous vegetation {number}" for number in range(20)]


def predictions(count, classes, *, sharp=1.5, seed=0):
    """Make a stand-in for Predictions, the right class favored by ``sharp``."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, classes, (count,), generator=generator)
    scores = torch.randn(count, classes, generator=generator)
    scores[torch.arange(count), targets] += sharp
    logs = scores.log_softmax(1)
    losses = -logs[torch.arange(count), targets]
    return SimpleNamespace(probabilities=logs.exp(), targets=targets, losses=losses)


def some_results(count=30, names=("cats", "dogs"), **keywords):
    drawn = [noise(24, 24, row) for row in range(count)]
    return results_of(predictions(count, len(names), **keywords), names, drawn)


test_figures_are_readable = readable(
    lambda: some_results().show_groups(),
    lambda: some_results(sharp=50.0).show_groups(),
    lambda: some_results(60, LONG).show_groups(3),
    lambda: some_results(1).show_groups(),
    lambda: some_results().show_confusion(),
    lambda: some_results(900, LONG).show_confusion(),
    lambda: some_results().show_top_losses(),
    lambda: some_results(1, LONG).show_top_losses(),
)


@pytest.mark.parametrize("classes", [2, 5])
def test_groups_hold_exactly_the_right_rows(classes):
    """Wrongly sorted or filtered groups: each is found again in a table."""
    made = predictions(200, classes, seed=classes)
    state = numpy.random.get_state()[1].copy()
    names = [f"class {number}" for number in range(classes)]
    found = results_of(made, names)
    chances, truth = made.probabilities.numpy(), made.targets.numpy()
    table = pandas.DataFrame({"truth": truth, "chance": chances[range(200), truth]})
    table["right"] = chances.argmax(1) == truth
    table["gap"] = numpy.diff(numpy.sort(chances)[:, -2:])[:, 0]
    table["loss"] = made.losses.numpy()
    groups, few = found.groups(1000), found.groups(5)
    assert sorted(groups["random right"]) == list(table.index[table.right])
    assert sorted(groups["random wrong"]) == list(table.index[~table.right])
    assert len(set(few["random right"])) == 5
    mistakes = (~table.right).groupby(table.truth).sum()
    shown = mistakes.sort_values(ascending=False, kind="stable").index[:4]
    assert len(groups) == 3 + 2 * len(shown)
    for label in shown:
        own = table[table.truth == label].sort_values("chance")
        assert list(groups[f"most right\n{names[label]}"]) == list(own.index[own.right])[::-1]
        assert list(few[f"most wrong\n{names[label]}"]) == list(own.index[~own.right])[:5]
    assert list(few["most uncertain"]) == list(table.gap.nsmallest(5).index)
    assert list(found.top_losses(9)) == list(table.loss.nlargest(9).index)
    assert (state == numpy.random.get_state()[1]).all(), "a training would go on otherwise"


def test_confusion_equals_scikit_learns():
    """Rows and columns of the matrix changed over."""
    from sklearn.metrics import confusion_matrix

    made = predictions(300, 4)
    found = results_of(made, "abcd")
    expected = confusion_matrix(made.targets, made.probabilities.argmax(1), labels=range(4))
    assert (found.confusion() == expected).all()
    off = expected * (1 - numpy.eye(4, dtype=int))
    pairs = {("abcd"[i], "abcd"[j], off[i, j]) for i, j in numpy.argwhere(off)}
    listed = found.most_confused()
    assert set(listed) == pairs
    assert [count for *_, count in listed] == sorted((p[2] for p in pairs), reverse=True)
    axis = found.show_confusion()
    assert [int(text.get_text()) for text in axis.texts] == list(expected.ravel())


def test_titles_give_the_probability_of_the_prediction_and_the_truth(capsys):
    """The truth's probability shown as if it were the prediction's."""
    made = SimpleNamespace(
        probabilities=torch.tensor([[0.97, 0.03], [0.6, 0.4]]),
        targets=torch.tensor([0, 1]),
        losses=torch.tensor([0.03, 0.92]),
    )
    found = results_of(made, ["cats", "dogs"], [noise(), noise()])
    right, wrong = "cats 0.97\ntruly cats", "cats 0.60\ntruly dogs"
    titles = [axis.get_title() for axis in found.show_groups(1)[:, 0]]
    assert titles == [right, wrong, right, "", "", wrong, wrong]
    assert "1 of 2 pictures right, 1 wrong." in capsys.readouterr().out
    found.show_confusion()
    assert "most often dogs was taken for cats, 1 time." in capsys.readouterr().out
    found.show_top_losses()
    assert "The highest loss is 0.92, of row 1; the median is 0.475" in capsys.readouterr().out


found = results_of(predictions(5, 2), ["cats", "dogs"])

test_results_refuse_what_they_cannot_show = refused(
    (lambda: found.show_top_losses(), "no pictures"),
    (lambda: found.top_losses(-1), "n is -1"),
    (lambda: found.show_groups(0), "count is 0"),
    (lambda: explore.cleaner(found, None), r"ck\.Results\(learn\)"),
    (lambda: explore.cleaner(small.results(), "fixes.csv"), r"a ck\.Corrections"),
    (lambda: results_of(predictions(5, 2), []), "names of the classes"),
    *(
        (lambda t=targets: results_of(SimpleNamespace(targets=t), "ab"), "one class each")
        for targets in (None, torch.zeros(5, 2), torch.zeros(0))
    ),
)


# The cleaner ----------------------------------------------------------------------------------


@pytest.fixture
def fixes(tmp_path):
    """Make corrections in a new file."""
    return ck.Corrections(tmp_path / "fixes.csv", classes=small.CLASSES)


def test_a_whole_walk_is_written_down(fixes):
    """Decisions that stay on the screen, or are written for the picture beside."""
    found = small.results()
    explorer = explore.cleaner(found, fixes)
    names = [found.names[row] for row in found.top_losses(6)]
    fixes.drop(names[2])  # which "Keep" takes back
    explorer.widget()
    for label in ["Give it the new label", "Drop it", *["Keep it as it is"] * 4]:
        explorer.presses[label].click()
    again = ck.Corrections(fixes.file, classes=small.CLASSES)
    assert again.changes == {names[0]: "cats", names[1]: None}
    for words in ("All 6 pictures", "1 relabeled, 1 dropped, 4 kept", "fixes.csv", "corrections="):
        assert words in explorer.caption
    explorer.keep()  # nothing is left to decide
    assert len(explorer.decided) == 6


def test_undo_goes_back_to_the_first_and_not_further(fixes):
    """Undo that takes back what was decided last week, or leaves it in the file."""
    fixes.drop("valid/cats/from-last-week.png")
    explorer = explore.cleaner(small.results(), fixes)
    explorer.relabel("dogs")
    explorer.keep()
    for _ in range(4):
        explorer.undo()
    again = ck.Corrections(fixes.file, classes=small.CLASSES)
    assert again.changes == {"valid/cats/from-last-week.png": None}
    assert "Picture 1 of 6" in explorer.caption


@pytest.mark.skipif(os.name == "nt", reason="a folder in the file's place is another error there")
def test_what_cannot_be_written_is_not_decided(tmp_path):
    """A full disk, and a cleaner that goes on as if all were kept."""
    (tmp_path / "blocked").write_text("a file where a folder should be")
    fixes = ck.Corrections(tmp_path / "blocked" / "fixes.csv", classes=small.CLASSES)
    explorer = explore.cleaner(small.results(), fixes)
    explorer.widget()
    explorer.presses["Drop it"].click()
    assert "fixes.csv" in explorer.view.caption.value
    assert explorer.decided == []


def test_no_mistake_and_single_class_predictions_are_told(capsys):
    """An error, or silence, where there is nothing wrong to show."""
    perfect = some_results(sharp=50.0)
    perfect.show_groups()
    assert "30 of 30 pictures right, 0 wrong" in capsys.readouterr().out
    perfect.show_confusion()
    assert "no class was taken for another" in capsys.readouterr().out
    assert perfect.most_confused() == []
    one = predictions(20, 2)
    one.probabilities[:, 0], one.probabilities[:, 1] = 1.0, 0.0
    one.losses[3] = math.nan
    found = results_of(one, ["cats", "dogs"], [noise()] * 20)
    assert len(found.groups()["most right\ndogs"]) == 0
    assert found.top_losses(1)[0] == 3
    found.show_groups()
    assert found.confusion()[:, 1].sum() == 0


def test_results_leave_the_random_numbers_alone():
    """A training that goes on otherwise because something was drawn."""
    state = numpy.random.get_state()[1].copy(), torch.get_rng_state()
    small.results().show_groups(2)
    assert (state[0] == numpy.random.get_state()[1]).all()
    assert torch.equal(state[1], torch.get_rng_state())
