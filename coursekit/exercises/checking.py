"""Exercises as the lessons declare them, how an answer is judged, and what a learner calls.

``lesson_N.py`` holds the exercises of a lesson, each whole in one place: the docstring of the
decorated function is the text, with the hints as a list, its code the solution that is shown. The
decorators are laid out by hand (``fmt: off``): what is said of a mistake, then the mistake.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import importlib
import inspect
import math
import signal
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from coursekit.arguments import checked
from coursekit.console import no_such, reason
from coursekit.exercises import record

LESSONS = range(1, 8)
SECONDS = 10  # a function that takes longer is taken for one that never ends


class UnansweredError(Exception):
    """The dots are still there."""


class UnreadableError(Exception):
    """An answer of the wrong kind, or a function that stops; the message is for the learner."""


@dataclass(frozen=True)
class Exercise:
    """An exercise: its solution, and the wrong answers that are known.

    With ``cases`` the answer is a function; else it is what the solution returns: a number, a word,
    a tuple of numbers. It is right where it comes to the same as the solution.

    Attributes:
        solution: function whose docstring is the text and the hints, whose code is the solution.
        number: such as "1.2".
        mistakes: {what is said: a wrong answer of which it is said}. A tuple is also told what is
            said of one with the same number in its first wrong place.
        cases: arguments that a function is called with.
        edges: more of them, tried where all ``cases`` are right.
        tolerance: how far a number may be off.
        measure: function that turns an answer into numbers, where many answers are right.
    """

    solution: Callable[..., Any]
    number: str
    mistakes: Mapping[str, Any]
    cases: Sequence[tuple] = ()
    edges: Sequence[tuple] = ()
    tolerance: float = 1e-5
    measure: Callable[[Any], list] | None = None

    def __call__(self, *case: Any) -> Any:
        """Call the solution."""
        return self.solution(*case)

    @property
    def text(self) -> str:
        """What is asked, in Markdown."""
        return self._description()[0]

    @property
    def hints(self) -> list[str]:
        """Up to three hints, the faintest first."""
        return [" ".join(hint.split()) for hint in self._description()[2].split("\n- ")]

    def _description(self) -> tuple[str, str, str]:
        return (inspect.getdoc(self.solution) or "").partition("\n\n- ")

    @property
    def code(self) -> str:
        """The solution as a learner would write it."""
        lines = inspect.getsource(self.solution).splitlines()
        function: Any = ast.parse("\n".join(lines)).body[0]
        docstring = function.body[0]
        body = lines[docstring.end_lineno :]
        if self.cases:
            return "\n".join([*lines[function.lineno - 1 : docstring.lineno - 1], *body])
        return textwrap.dedent("\n".join(body)).replace("return ", "answer = ")

    @property
    def open_cell(self) -> str:
        """The code of the cell that a learner fills in."""
        if not self.cases:
            return f'answer = {_dots(self())}\nck.check("{self.number}", answer)'
        head, name = self.code.splitlines()[0], self.solution.__name__
        return f'{head}\n    return ...\n\n\nck.check("{self.number}", {name})'

    def judge(self, answer: Any) -> str | None:
        """Say what is off with an answer; None where it is right.

        Raises:
            UnansweredError: the answer is still open.
        """
        try:
            return self._compare(answer, self.cases) or self._compare(answer, self.edges)
        except UnreadableError as error:
            return str(error)

    def _compare(self, answer: Any, cases: Sequence[tuple]) -> str | None:
        given = self._results(answer, cases)
        right = self._results(self.solution if self.cases else self(), cases)
        same = list(map(self._same, given, right))
        if all(same):
            return None
        off = same.index(False)
        known = {}
        for word, wrong in self.mistakes.items():
            with contextlib.suppress(UnreadableError):  # a mistake may stop where others do not
                known[word] = self._results(wrong, cases)
        told = [word for word, results in known.items() if all(map(self._same, results, given))]
        if not self.cases:
            told += [word for word, part in known.items() if self._same(part[off], given[off])]
        if told:
            return told[0]
        if self.cases:
            case, gave = ", ".join(map(_brief, cases[off])), _brief(given[off])
            return f"For {case} it gives {gave}, and should give {_brief(right[off])}."
        return "That is not it." if len(given) == 1 else f"Number {off + 1} is not right."

    def _results(self, answer: Any, cases: Sequence[tuple]) -> list:
        """What an answer comes to: the results of a function, or the parts of a value."""
        if _is_open(answer):
            raise UnansweredError
        if self.cases:
            return _call(answer, cases)
        right, asked = self(), "a number"
        try:
            if self.measure:
                asked = f"numbers of shape {numpy.shape(right)}"
                return self.measure(answer)
            if isinstance(right, tuple):
                asked = f"{len(right)} numbers in brackets"
                return [float(part) for part, _ in zip(answer, right, strict=True)]
            if isinstance(right, str):
                asked = "a word in quotes"
                return [" ".join(answer.lower().split())]
            return [float(answer)]
        except Exception:  # a learner may answer with anything
            told = f"The answer is {asked}, and this is {_brief(answer)}."
            raise UnreadableError(told) from None

    def _same(self, one: Any, other: Any) -> bool:
        """Whether two results are the same: numbers nearly so, words exactly."""
        if isinstance(one, str) or isinstance(other, str):
            return isinstance(one, str) and one == other
        try:
            one, other = (
                numpy.asarray(value.detach().cpu() if hasattr(value, "detach") else value, float)
                for value in (one, other)
            )
            near = numpy.isclose(one, other, 1e-5, self.tolerance, equal_nan=True)
            return one.shape == other.shape and bool(near.all())
        except Exception:  # a learner's function may return anything
            return False


def exercise(number: str, **details: Any) -> Callable[[Callable[..., Any]], Exercise]:
    """Make a decorator that turns a solution into an ``Exercise`` with these details."""
    return functools.partial(Exercise, number=number, **details)


def _call(function: Callable[..., Any], cases: Sequence[tuple]) -> list:
    """Call a learner's function with copies of every case."""
    if not callable(function):
        raise UnreadableError(f"The answer is a function, and this is {_brief(function)}.")
    try:
        with _time_limit():
            given = [function(*copy.deepcopy(case)) for case in cases]
    except TimeoutError:
        said = f"Your function takes more than {SECONDS} seconds: when does its loop end?"
        raise UnreadableError(said) from None
    except Exception as error:  # a learner's function may raise anything
        said = f"Your function stops with {type(error).__name__}: {reason(error)}."
        raise UnreadableError(said) from None
    if any(map(_is_open, given)):
        raise UnansweredError
    if given and all(one is None for one in given):
        raise UnreadableError("Your function gives nothing back: it needs a return.")
    return given


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Raise a TimeoutError after ``SECONDS``; on Windows and outside of the main thread, never."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        return (yield)

    def ring(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _is_open(answer: Any) -> bool:
    return any(map(_is_open, answer)) if isinstance(answer, tuple | list) else answer is ...


def _dots(value: Any) -> str:
    """Dots in the shape of an answer."""
    if isinstance(value, tuple):
        return ", ".join(map(_dots, value))
    return f"[{', '.join(map(_dots, value))}]" if isinstance(value, list) else "..."


def _brief(value: Any) -> str:
    """Write a value as short text."""
    if hasattr(value, "tolist") and numpy.ndim(value):
        if math.prod(value.shape) > 12:
            return f"an array of shape {tuple(value.shape)}"
        value = value.tolist()
    text = repr(round(value, 5) if isinstance(value, float) else value)
    return text if len(text) < 120 else f"{text[:117]}..."


@functools.cache
def exercises(lesson: int) -> dict[str, Exercise]:
    """Exercises of a lesson by their numbers, in order."""
    module = importlib.import_module(f"coursekit.exercises.lesson_{lesson}")
    return {one.number: one for one in vars(module).values() if isinstance(one, Exercise)}


def _find(number: str | float) -> Exercise:
    known = {name: one for lesson in LESSONS for name, one in exercises(lesson).items()}
    if (asked := str(number).strip()) not in known:
        raise no_such("exercise", number, known)
    return known[asked]


# For the learner ------------------------------------------------------------------------------


@checked
def check(number: str | float, answer: Any) -> None:
    """Say whether an answer to an exercise is right, or what is off.

    Args:
        number: of the exercise, such as "1.2".
        answer: what the exercise asks for: a number, a word, a function.
    """
    one = _find(number)
    number, helps = one.number, f'ck.hint("{one.number}") helps.'
    try:
        off = one.judge(answer)
    except UnansweredError:
        print(f"{number} is open: write your answer in place of the dots, run the cell; {helps}")
        return
    if off:
        print(f"{number}: not yet. {off} {helps}")
        return
    kept, line = record.read(), f"exercise {number}"
    if line not in kept:
        record.add(line)
    mine = exercises(int(number[0]))
    done = sum(name == number or f"exercise {name}" in kept for name in mine)
    print(f"{number}: right. {done} of {len(mine)} exercises of this lesson are done.")


@checked
def hint(number: str | float) -> None:
    """Give the next hint to an exercise, such as "1.2"; there are up to three."""
    one = _find(number)
    line, hints = f"hint {one.number}", one.hints
    place = min(record.read()[line] + 1, len(hints))
    record.add(line)
    print(f"{one.number}, hint {place} of {len(hints)}: {hints[place - 1]}")
    if place == len(hints):
        print(f'That was the last one; ck.solution("{one.number}") shows a solution.')


@checked
def solution(number: str | float) -> None:
    """Show a solution of an exercise, such as "1.2"; others may be as good."""
    print(_find(number).code)
