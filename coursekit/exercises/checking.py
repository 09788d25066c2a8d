"""Exercises: check an answer, give a hint, show a solution.

An exercise is a function that takes the answer and returns None where it is right, ``OPEN`` where
there is none yet, or else what is off, in a sentence or two; ``lesson_N.py`` holds those of one.
"""

import importlib

import numpy

from coursekit.console import CourseError, nearest, reason
from coursekit.exercises import record, texts

OPEN = object()  # the dots are still there


# For the learner ------------------------------------------------------------------------------


def check(number, answer):
    """Say whether an answer to an exercise is right, or what is off.

    Args:
        number: of the exercise, such as "1.2".
        answer: what the exercise asks for: a number, a word, a function.
    """
    exercise = _exercises()[_known(number)]
    off = OPEN if _is_open(answer) else exercise(answer)
    if off is OPEN:
        print(
            f"{number} is open: write your answer in place of the dots and run the cell again; "
            f'ck.hint("{number}") helps.'
        )
    elif off is None:
        record.exercise_done(number)
        mine = texts.lesson(_lesson(number))["exercises"]
        done = sum(one in mine for one in record.read()["exercises"])
        print(f"{number}: right. {done} of {len(mine)} exercises of this lesson are done.")
    else:
        print(f"{number}: not yet. {off}")


def hint(number):
    """Give the next hint to an exercise; there are up to three.

    Args:
        number: of the exercise, such as "1.2".
    """
    hints = texts.lesson(_lesson(_known(number)))["exercises"][number]["hints"]
    place = record.next_hint(number, len(hints))
    print(f"{number}, hint {place + 1} of {len(hints)}: {hints[place]}")
    if place + 1 == len(hints):
        print(f'That was the last one; ck.solution("{number}") shows a solution.')


def solution(number):
    """Show a solution of an exercise, one that was run and checked; others may be as good.

    Args:
        number: of the exercise, such as "1.2".
    """
    print(texts.lesson(_lesson(_known(number)))["exercises"][number]["solution"])


def _lesson(number):
    return int(number.split(".")[0])


def _exercises():
    """Return {number: exercise} of all lessons."""
    found = {}
    for lesson in texts.lessons():
        found |= importlib.import_module(f"coursekit.exercises.lesson_{lesson}").EXERCISES
    return found


def _known(number):
    """Return the number of an exercise, or raise a CourseError where there is none."""
    known = _exercises()
    if number not in known:
        raise CourseError(
            f'There is no exercise {number!r}; write its number as text, such as "1.2".'
            + nearest(number, known)
        )
    return number


def _is_open(answer):
    if isinstance(answer, tuple | list):
        return any(part is ... for part in answer)
    return answer is ...


# Kinds of exercises -----------------------------------------------------------------------------


def number(expected, mistakes=(), *, tolerance=5e-4, otherwise="Work it out once more by hand."):
    """Return an exercise whose answer is a number.

    Args:
        expected: the right number.
        mistakes: {wrong number: what was mistaken}.
        tolerance: how far an answer may lie from it.
        otherwise: what is said of any other number.
    """

    def exercise(answer):
        try:
            value = float(answer)
        except (TypeError, ValueError):
            return f"The answer is a number, and this is a {type(answer).__name__}."
        if abs(value - expected) <= tolerance:
            return None
        for wrong, why in dict(mistakes).items():
            if abs(value - wrong) <= tolerance:
                return why
        return otherwise

    return exercise


def word(expected, mistakes=(), *, otherwise="That is not it."):
    """Return an exercise whose answer is a word or a few; capitals and spaces do not count.

    Args:
        expected: the right words, one text or several that are as good.
        mistakes: {wrong word: what was mistaken}.
        otherwise: what is said of any other word.
    """
    right = {expected} if isinstance(expected, str) else set(expected)

    def exercise(answer):
        if not isinstance(answer, str):
            return f"The answer is a word in quotes, and this is a {type(answer).__name__}."
        said = " ".join(answer.lower().split())
        return None if said in right else dict(mistakes).get(said, otherwise)

    return exercise


def function(right, cases, mistakes=(), *, otherwise="", same=None):
    """Return an exercise whose answer is a function.

    It is called with every case and compared with ``right``. Where its results are those of a known
    mistake, that is said; else the first case that differs is shown.

    Args:
        right: the function as it should be.
        cases: list of tuples of arguments; each call gets copies.
        mistakes: list of (function with the mistake, what was mistaken).
        otherwise: a remark after the case that differs.
        same: function of two results that says whether they are the same; None: numbers within
            1e-5, everything else equal.
    """
    same = same or alike

    def exercise(answer):
        if not callable(answer):
            return f"The answer is a function, and this is a {type(answer).__name__}."
        try:
            given = [answer(*_copies(case)) for case in cases]
        except Exception as error:  # a learner's function may raise anything
            return f"Your function stops with {type(error).__name__}: {reason(error)}."
        if any(_is_open(one) for one in given):
            return OPEN
        if all(one is None for one in given):
            return "Your function gives nothing back: it needs a return."
        wanted = [right(*_copies(case)) for case in cases]
        differ = [not same(one, other) for one, other in zip(given, wanted, strict=True)]
        if not any(differ):
            return None
        for wrong, why in mistakes:
            results = [wrong(*_copies(case)) for case in cases]
            if all(same(one, other) for one, other in zip(given, results, strict=True)):
                return why
        first = differ.index(True)
        said = f"For {_shown(cases[first])} it gives {_brief(given[first])}, "
        return f"{said}and should give {_brief(wanted[first])}. {otherwise}".strip()

    return exercise


def _copies(case):
    """Return the arguments as copies, so that a function may change what it is given."""
    return [
        one.clone() if hasattr(one, "clone") else one.copy() if hasattr(one, "copy") else one
        for one in case
    ]


def alike(one, other, within=1e-5):
    """Return True where two results are the same: numbers nearly so, everything else equal."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    try:
        one, other = (_array(value) for value in (one, other))
        return one.shape == other.shape and numpy.allclose(
            one, other, rtol=within, atol=within, equal_nan=True
        )
    except (TypeError, ValueError):
        return False


def _array(value):
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
    return numpy.asarray(value, float)


def _shown(case):
    return ", ".join(_brief(one) for one in case)


def _brief(value):
    """Return a value as short text."""
    if hasattr(value, "tolist") and getattr(value, "ndim", 0):
        shape = tuple(value.shape)
        flat = value.flatten().tolist()
        if len(flat) > 12:
            return f"an array of shape {shape}"
        value = value.tolist()
    text = repr(round(value, 5) if isinstance(value, float) else value)
    return text if len(text) < 120 else f"{text[:117]}..."
