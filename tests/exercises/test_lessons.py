"""The exercises of all lessons: what is right passes, and each mistake is called by its name."""

import subprocess
import sys

import numpy
import pandas
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import ndcg_score

import coursekit as ck
from coursekit.data.text import Vocabulary
from coursekit.exercises import record
from coursekit.exercises.checking import LESSONS, UnansweredError, exercises
from coursekit.exercises.quiz import questions
from notebooks.source import build

EVERY = {number: one for lesson in LESSONS for number, one in exercises(lesson).items()}
FUNCTIONS = [number for number, one in EVERY.items() if one.cases]
every = pytest.mark.parametrize("number", EVERY)
lessons = pytest.mark.parametrize("lesson", LESSONS)


@lessons
def test_a_lesson_places_each_of_its_exercises_and_its_quiz(lesson):
    """An exercise that no lesson shows, or shows twice."""
    source = build.lessons(build.ROOT)[lesson - 1]
    code = [cell for cell in build.read(source) if cell.cell_type == "code"]
    placed = [cell.metadata["exercise"] for cell in code if "exercise" in cell.metadata]
    assert placed == sorted(exercises(lesson))
    assert [cell.source for cell in code].count(f"ck.quiz({lesson})") == 1


@lessons
def test_a_quiz_has_one_right_answer_and_a_reason_for_each(lesson):
    """A question without a right answer, or whose right answer always stands first."""
    assert 6 <= len(questions(lesson)) <= 10
    for question in questions(lesson):
        answers = question.answers.values()
        assert len(answers) >= 3
        assert all(answer.text and answer.why for answer in answers)
        assert sum(answer.right for answer in answers) == 1, question.text
    rights = [[answer.right for answer in one.answers.values()] for one in questions(lesson)]
    assert len({right.index(True) for right in rights}) > 1


@every
def test_an_exercise_is_whole(number):
    """A text or a hint that is missing, and a mistake that has no name."""
    one = EVERY[number]
    assert len(one.text) > 20
    assert 1 <= len(one.hints) <= 3
    assert all(hint and "\n" not in hint for hint in one.hints)
    assert len(one.mistakes) >= 3


@every
def test_an_open_cell_is_open(number, capsys):
    """A lesson run from the top that scolds for what nobody has answered yet."""
    code = compile(EVERY[number].open_cell, number, "exec")
    assert number in code.co_consts
    ck.check(number, (lambda *_: ...) if EVERY[number].cases else ...)
    assert capsys.readouterr().out.startswith(f"{number} is open")
    assert not record.read()


@every
def test_the_solution_is_right_in_every_form(number):
    """A right answer that is refused since it is a tensor, an array, a list or text."""
    one = EVERY[number]
    forms = [lambda x: x, torch.as_tensor, numpy.asarray, lambda x: numpy.asarray(x).tolist()]
    if not one.cases and isinstance(one(), str):
        forms = [str, str.upper, lambda word: f"  {word} "]
    for form in forms:
        answer = (lambda *case, form=form: form(one(*case))) if one.cases else form(one())
        assert one.judge(answer) is None


_ROWS, _WINDOWS = numpy.arange(1000).reshape(10, 100), range(0, 100, 30)
OTHER_ROADS = {
    "1.2": lambda scores: torch.softmax(scores, dim=-1),
    "1.5": [[0, 1, 0], [0, 0, 0], [0, -1, 0]],
    "1.6": lambda losses, n: torch.as_tensor(losses).topk(n).indices,
    "2.1": "0.625",
    "2.4": F.binary_cross_entropy_with_logits,
    "3.1": lambda dates, happens: (
        ((days := pandas.Series(dates)) - days.where(pandas.Series(happens)).ffill()).dt.days
    ),
    "3.2": lambda train, other: pandas.Series(other).fillna(pandas.Series(train).median()),
    "3.3": lambda dates, days: [(max(dates) - date).astype(int) < days for date in dates],
    "4.2": (len(_WINDOWS), _ROWS[:, _WINDOWS[-1] :].shape[1]),
    "4.1": len(Vocabulary("words", []).split("WOOOW, it's GREAT!!")),
    "5.2": -numpy.log(5 / 4.5 - 1),
    "5.4": lambda ratings, mean, extra: (sum(ratings) + extra * mean) / (len(ratings) + extra),
    "5.5": lambda hits, k: ndcg_score([hits], [range(len(hits), 0, -1)], k=k),
    "5.6": -torch.tensor(2.0).sigmoid().log(),
    "6.5": sum(p.numel() for p in torch.nn.LSTM(32, 96).parameters()),
    "7.1": torch.nn.Conv2d(1, 1, 9, 2, 4)(torch.zeros(1, 1, 50, 50)).shape[-1],
    "7.3": sum(p.numel() for p in torch.nn.Conv2d(48, 96, 3).parameters()),
    "7.4": lambda x: F.batch_norm(x, None, None, training=True),
    "7.5": lambda maps, weights: torch.einsum("c,chw->hw", weights, maps).clamp(min=0),
    "7.6": lambda heat, outline: heat[outline].sum() / heat.sum().clamp(min=1e-9),
}


@pytest.mark.parametrize("number", OTHER_ROADS)
def test_a_library_gives_the_same(number):
    """A solution that is wrong itself, or a check that allows one road to the answer only."""
    assert EVERY[number].judge(OTHER_ROADS[number]) is None


@every
def test_each_mistake_is_called_by_its_name(number):
    """ "Wrong" alone, or the sentence of another mistake: a sign, an axis, one too many."""
    for word, wrong in EVERY[number].mistakes.items():
        assert EVERY[number].judge(wrong) == word


@pytest.mark.parametrize("number", FUNCTIONS)
def test_a_function_may_stop_or_give_nothing(number):
    """A traceback out of the check, in place of a word on the learner's own line."""
    assert "stops with IndexError" in EVERY[number].judge(lambda *_: [][1])
    assert "needs a return" in EVERY[number].judge(lambda *_: None)
    with pytest.raises(UnansweredError):
        EVERY[number].judge(lambda *_: ...)


def test_solutions_run_as_they_are_shown(tmp_path):
    """A solution that needs a name which its lesson does not have, or shows its description."""
    shown = ["import numpy as np\nimport torch\nimport coursekit as ck"]
    for number, one in EVERY.items():
        name = one.solution.__name__ if one.cases else "answer"
        shown += [one.code, f'ck.check("{number}", {name})']
    (tmp_path / "shown.py").write_text("\n".join(shown))
    ran = subprocess.run([sys.executable, tmp_path / "shown.py"], capture_output=True, text=True)
    assert ran.stdout.count(": right. ") == len(EVERY), ran.stdout + ran.stderr
    assert '"""' not in "".join(shown)
