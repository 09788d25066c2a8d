"""The explorers of lesson 6: filters, a text that streams, one unit's state."""

import html
import re

import numpy
import pytest
import torch
from nbclient import NotebookClient
from nbformat import v4

from coursekit.visuals import explore
from coursekit.visuals.explore import writing
from tests.sentences import refuses
from tests.visuals.explorers.lesson_6 import EXPLORERS, NAMES, TEXT, states

SCORES = numpy.array([1.0, 3.0, -2.0, 0.5, 2.0, -numpy.inf])


def test_without_filters_it_is_softmax():
    """Probabilities that do not add up to one, or a scale that is bent by the filters."""
    wanted = torch.tensor(SCORES).softmax(0).numpy()
    assert numpy.allclose(writing.filtered(SCORES), wanted)


def test_temperature_divides_the_scores():
    """A temperature that multiplies: bold where timid was asked for."""
    wanted = (torch.tensor(SCORES) / 0.4).softmax(0).numpy()
    assert numpy.allclose(writing.filtered(SCORES, temperature=0.4), wanted)
    assert writing.filtered(SCORES, temperature=0.01).max() > 0.999


def test_top_k_keeps_the_most_probable_in_their_places():
    """Probabilities given back in sorted order: every letter gets another one's."""
    kept = writing.filtered(SCORES, top_k=2)
    assert kept.nonzero()[0].tolist() == [1, 4]
    assert kept.sum() == pytest.approx(1)
    assert kept[1] / kept[4] == pytest.approx(numpy.e)


def test_the_nucleus_is_the_smallest_that_reaches_its_share():
    """One character too few, so that the share is not reached, or one too many."""
    shares = writing.filtered(SCORES)
    for share in (0.1, 0.5, 0.8, 0.95):
        kept = writing.filtered(SCORES, nucleus=share) > 0
        assert shares[kept].sum() >= share
        assert shares[kept].sum() - shares[kept].min() < share


def test_what_is_no_character_is_never_drawn():
    """A text with <unk> in it, as if the book had such a sign."""
    model = writing.Writing(lambda text: [9.0, 1, 1, 1], ["<unk>", "a", "b", "c"])
    assert {model.letter("") for _ in range(50)} == {"a", "b", "c"}
    assert model.shares("")[0] == 0


def test_tensors_are_taken_too_and_wrong_shapes_refused():
    """A lesson's own model gives tensors; one that gives a score for each place is a mistake."""
    model = writing.Writing(lambda text: torch.zeros(2, requires_grad=True), ["a", "b"])
    assert model.shares("x").tolist() == [0.5, 0.5]
    with refuses("shape (3, 2)", "each of the 2 characters"):
        writing.Writing(lambda text: numpy.zeros((3, 2)), ["a", "b"]).shares("x")


def test_the_net_reads_no_more_than_it_should_and_once_each_letter():
    """A text that grows slower and slower, or a net that is run again for each slider."""
    read = []

    def scores(text):
        read.append(len(text))
        return [0.0, 1.0]

    explorer = explore.generate(scores, ["a", "b"], start="b" * 600, count=5)
    explorer.widget()
    assert read == [writing.REACH]
    explorer.widgets["temperature"].value = 0.5
    assert len(read) == 1
    explorer._pressed(explorer.buttons["Write"])
    assert len(read) == 1 + 5


def test_the_text_grows_and_begins_again():
    """Buttons that are connected to nothing."""
    explorer = EXPLORERS["generate"][0]()
    explorer.widget()
    assert explorer.text == "ab"
    explorer._pressed(explorer.buttons["Write"])
    explorer._pressed(explorer.buttons["Write"])
    assert len(explorer.text) == 2 + 2 * 8
    explorer._pressed(explorer.buttons["Begin again"])
    assert explorer.text == "ab"


def test_standing_still_it_writes_the_same_text_each_time(capsys, monkeypatch):
    """A stored notebook whose text is another one at each build."""
    monkeypatch.setenv("COURSEKIT_WIDGETS", "off")
    monkeypatch.setattr("IPython.display.display", lambda data, raw: None)
    texts = []
    for _ in range(2):
        EXPLORERS["generate"][0]()._ipython_display_()
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert texts[0].startswith("ab")
    assert "may be drawn" in texts[0]


KERNEL = """\
import asyncio
from coursekit.visuals import explore
shown = explore.generate(lambda text: [0.0, 1.0], ["a", "b"], start="a", count=10_000)
shown.widget()
shown._pressed(shown.buttons["Write"])
print(len(shown.text))
"""


def test_it_streams_while_other_cells_run_and_stops():
    """A stream that blocks the kernel: neither Stop nor a slider is heard until it has ended."""
    cells = [
        KERNEL,
        "while len(shown.text) < 5: await asyncio.sleep(0.01)\nprint(len(shown.text))",
        "shown._pressed(shown.buttons['Stop']); print(len(shown.text))",
        "await asyncio.sleep(0.3); print(len(shown.text))",
    ]
    cells = [v4.new_code_cell(cell) for cell in cells]
    NotebookClient(v4.new_notebook(cells=cells), timeout=120, kernel_name="python3").execute()
    begun, later, stopped, still = (int(cell.outputs[0].text) for cell in cells)
    assert begun == 1 < later
    assert later <= stopped < 10_000
    assert still == stopped


# One unit ---------------------------------------------------------------------------------------


def test_correlations_are_numpys():
    """A unit praised for a fact that it does not go with."""
    random = numpy.random.default_rng(0)
    facts, states = random.random((2, 50)), random.random((50, 3))
    wanted = numpy.corrcoef(facts, states.T)[:2, 2:]
    assert numpy.allclose(writing.correlations(facts, states), wanted)
    assert numpy.isfinite(writing.correlations(numpy.zeros((1, 50)), states)).all()


def test_the_unit_is_named_with_the_fact_it_goes_with():
    """A passage under the numbers of another place, or of another unit."""
    explorer = EXPLORERS["hidden_unit"][0]()
    explorer.widget()
    assert "in quotes (1)" in explorer.sentence
    explorer.widgets["place"].value = 4
    letters = re.findall(r'title="(-?1)">(.*?)</span>', explorer._view.picture.value, re.DOTALL)
    assert "".join(html.unescape(one) for _, one in letters).replace("↵", "") == TEXT[4:44]
    assert [value == "1" for value, _ in letters] == list(states()[1][4:44] == 1)


def teststates_that_do_not_fit_are_refused():
    """Letters and numbers shifted against each other."""
    with refuses("50 characters", "(49, 3)", "one row of states"):
        explore.hidden_unit("x" * 50, numpy.zeros((49, 3)))


def test_letters_are_text_not_markup():
    """A manual of HTML that eats its own page."""
    explorer = EXPLORERS["hidden_unit"][0]()
    explorer.widget()
    assert "<b>" not in explorer._view.picture.value
    assert ">&lt;</span>" in explorer._view.picture.value
    explorer = explore.generate(lambda text: numpy.zeros(7), NAMES, start="<b>a")
    explorer.widget()
    assert "&lt;b&gt;a" in explorer._view.picture.value


@pytest.mark.parametrize("name", ["hidden_unit", "generate"])
def test_nothing_slow_is_drawn_on_the_way(name):
    """A slider that trails behind the hand: a page of letters takes matplotlib a second."""
    make, moves = EXPLORERS[name]
    explorer = make()
    explorer.widget()
    for move in moves:
        for control, value in move.items():
            explorer.widgets[control].value = value
    assert explorer.png is None
