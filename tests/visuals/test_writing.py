"""What may follow a text, a text that streams, and one unit's state."""

import numpy
import pytest
import torch
from nbclient import NotebookClient
from nbformat import v4

import coursekit as ck
from coursekit.visuals import explore
from tests.visuals.explorers import lesson_4, lesson_6
from tests.visuals.explorers.lesson_6 import EXPLORERS, TEXT, filtered, scores, states


def next_words(model=lesson_4.probabilities, text="The plot"):
    explorer = explore.next_words(model, lesson_4.VOCABULARY, lesson_4.sharpen, text=text)
    explorer.widget()
    return explorer


def test_bars_are_the_probabilities_after_the_learners_filter():
    """Bars in another order than their names, or a filter that is not asked."""
    explorer = EXPLORERS["generate"][0]().set(top_k=3, temperature=0.5)
    p = filtered(scores([4, 5]), 0.5, 3)
    order = (-scores([4, 5])).argsort().tolist()[:6]
    lengths = [bar.get_width() for bar in explorer.axes.patches]
    assert lengths[:6] == pytest.approx(p[order].tolist(), abs=1e-6)
    assert lengths[6:] == pytest.approx(scores([4, 5]).softmax(0)[order].tolist(), abs=1e-6)
    names = [label.get_text().strip("'") for label in explorer.axes.get_yticklabels()]
    itos = [lesson_6.VOCABULARY.itos[number] for number in order]
    assert names == [name.replace("\n", "\\n") for name in itos]
    assert f"3 of {len(p)} tokens may follow" in explorer.caption


def test_the_model_reads_each_text_once_and_not_more_than_it_should():
    """A text that grows slower and slower, or a model that runs again for each slider."""
    read = []

    def model(numbers):
        read.append(len(numbers))
        return torch.zeros(7)

    explorer = explore.generate(model, lesson_6.VOCABULARY, filtered, text="b" * 600, count=6)
    explorer.widget()
    assert read == [500]
    explorer.widgets["temperature"].value = 0.5
    assert read == [500]
    explorer.presses["Write"].click()
    assert len(read) == 1 + 6


def test_the_text_grows_and_begins_again():
    """Buttons that are connected to nothing."""
    explorer = EXPLORERS["generate"][0]()
    explorer.widget()
    assert explorer.page == "ab"
    explorer.presses["Write"].click()
    explorer.presses["Write"].click()
    assert len(explorer.page) == 2 + 2 * 9
    explorer.presses["Begin again"].click()
    assert explorer.page == "ab"


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
    assert "After 'ab'" in texts[0]


KERNEL = """\
import asyncio
from tests.visuals.explorers.lesson_6 import VOCABULARY, filtered, scores
from coursekit.visuals import explore
shown = explore.generate(scores, VOCABULARY, filtered, text="a", count=10_000)
shown.widget()
shown.presses["Write"].click()
print(len(shown.numbers))
"""


def test_it_streams_while_other_cells_run_and_stops():
    """A stream that blocks the kernel: neither Stop nor a slider is heard until it has ended."""
    cells = [
        KERNEL,
        "while len(shown.numbers) < 8: await asyncio.sleep(0.01)\nprint(len(shown.numbers))",
        "shown.presses['Stop'].click(); print(len(shown.numbers))",
        "await asyncio.sleep(0.5); print(len(shown.numbers))",
    ]
    cells = [v4.new_code_cell(cell) for cell in cells]
    NotebookClient(v4.new_notebook(cells=cells), timeout=120, kernel_name="python3").execute()
    begun, later, stopped, still = (int(cell.outputs[0].text) for cell in cells)
    assert begun < 8 <= later
    assert later <= stopped < 10_000
    assert still == stopped


def test_buttons_add_words_and_typing_begins_anew():
    """Words that are drawn and not shown, or the most probable one that is drawn."""
    explorer = next_words()
    before = list(explorer.numbers)
    likely = int(explorer.probabilities(temperature=1.0).argmax())
    explorer.presses["Take the most probable"].click()
    assert explorer.numbers == [*before, likely]
    explorer.presses["Draw one"].click()
    explorer.presses["Draw ten"].click()
    assert len(explorer.numbers) == len(before) + 12
    assert explorer.page == lesson_4.VOCABULARY.decode(explorer.numbers)
    explorer.widgets["text"].value = "The cast"
    assert explorer.numbers == lesson_4.VOCABULARY.encode("The cast")
    explorer.settings["text"] = "The plot"  # typed, and not drawn yet
    explorer.presses["Draw one"].click()
    assert explorer.numbers[:-1] == before


def test_a_mark_is_not_lost():
    """A capital that is drawn, forgotten with the next word, and drawn again for ever."""
    stoi = lesson_4.VOCABULARY.stoi

    def always(numbers):
        wanted = "plot" if numbers[-1] == stoi["<cap>"] else "<cap>"
        return torch.eye(len(lesson_4.VOCABULARY))[stoi[wanted]]

    explorer = next_words(always, "The plot.")
    explorer.presses["Draw one"].click()
    assert explorer.page == "The plot. <cap>"
    explorer.add(3)
    explorer.redraw()
    assert explorer.page == "The plot. Plot Plot"


def test_draws_are_repeated():
    """A lesson whose stored text nobody can get again."""
    one, other = next_words(), next_words()
    one.add(10)
    other.add(10)
    assert one.numbers == other.numbers


@pytest.mark.parametrize("wrong", [torch.ones(3) / 3, torch.ones(len(lesson_4.VOCABULARY))])
def test_what_is_no_probability_for_each_token_is_refused(wrong):
    """Bars with the names of other words, or longer than the whole."""
    explorer = explore.next_words(lambda n: wrong, lesson_4.VOCABULARY, lambda p, temperature: p)
    with pytest.raises(ck.CourseError, match="shape"):
        explorer.redraw()


def test_the_unit_is_named_with_the_fact_it_goes_with():
    """A passage under the numbers of another place, or of another unit."""
    explorer = EXPLORERS["hidden_unit"][0]().set(place=4)
    assert "in quotes (correlation 1.00)" in explorer.caption
    drawn = explorer._draw(explorer.axes, unit=0, place=4).hover
    assert "".join(text[0] for _, _, text in drawn) == TEXT[4:44]
    assert [text.endswith(": 1") for _, _, text in drawn] == list(states()[1][4:44] == 1)


def test_states_that_do_not_fit_are_refused():
    """Letters and numbers shifted against each other."""
    with pytest.raises(ck.CourseError, match=r"50 characters.*\(49, 3\)"):
        explore.hidden_unit("x" * 50, numpy.zeros((49, 3)))


def test_letters_are_text_not_markup():
    """A manual of HTML that eats its own page."""
    explorer = explore.generate(scores, lesson_6.VOCABULARY, filtered, text="<b>a")
    explorer.widget()
    assert "<b" not in explorer.view.picture.value
    assert "&lt;b" in explorer.view.picture.value
