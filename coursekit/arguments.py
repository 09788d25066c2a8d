"""What public functions take: arguments held against annotations, in one place."""

from __future__ import annotations

import functools
import inspect
import numbers
import os
import re
import reprlib
import traceback
from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from typing import Any, TypeVar, cast

from coursekit.console import CourseError, nearest, reason

Function = TypeVar("Function", bound=Callable[..., Any])

# What an annotation may name: in words, and what is taken for it; some classes by their name only,
# so that their libraries need not be imported. An annotation that names more is not looked at.
KINDS: dict[str, tuple[str, Callable[[Any], bool] | str]] = {
    "None": ("None", lambda value: value is None),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: isinstance(value, numbers.Integral)),
    "float": ("a number", lambda value: isinstance(value, numbers.Real)),
    "str": ("a text", lambda value: isinstance(value, str)),
    "Path": ("a path", lambda value: isinstance(value, os.PathLike)),
    "Callable": ("a function", callable),
    **dict.fromkeys(("Mapping", "dict"), ("a dict", lambda value: isinstance(value, Mapping))),
    "Sequence": (
        "a list",
        lambda value: isinstance(value, Sized) and not isinstance(value, str | set | Mapping),
    ),
    "DataFrame": ("a pandas.DataFrame", "DataFrame"),
    "Module": ("a torch.nn.Module", "Module"),
    "Tensor": ("a tensor", "Tensor"),
}
LARGEST = 2**63  # torch and NumPy hold whole numbers below it
ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
# Where code is not the learner's; what Cython compiled tells a relative path.
PLACES = map(re.escape, (str(Path(__file__).parent), str(Path(os.__file__).parent)))
LIBRARY = re.compile("|".join([*PLACES, r"(site|dist)-packages", r"^<(?!ipython)", r"^[a-z_]+/"]))


def checked(thing: Function) -> Function:
    """Let a public function, or a class when it is called, refuse in a sentence what it cannot use.

    An argument has to be of a kind that its annotation names; a number of NumPy or torch is taken
    for a plain one, and 4.0 for a whole one. What then fails in torch, pandas, NumPy or Pillow is
    told in a sentence, too; an error within a learner's own code keeps its traceback.
    """
    if isinstance(thing, type):
        thing.__init__ = _checked(thing.__init__, thing.__name__, thing.__doc__)  # type: ignore[misc]
        return thing
    return _checked(thing, thing.__qualname__, thing.__doc__)


def _checked(function: Function, title: str, text: str | None) -> Function:
    signature = inspect.signature(function)
    closed = all(one.kind is not one.VAR_KEYWORD for one in signature.parameters.values())

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        try:
            given = signature.bind(*args, **options)
        except TypeError as error:
            unknown = sorted(options.keys() - signature.parameters.keys()) if closed else []
            why = f"got an unexpected keyword argument {unknown[0]!r}" if unknown else error
            hint = nearest(unknown[0], signature.parameters) if unknown else ""
            hint = hint or " Shift+Tab shows what it takes."
            raise CourseError(f"{title}: {why}.{hint}") from None
        for name, value in given.arguments.items():
            given.arguments[name] = _of_kind(signature.parameters[name], value, text or "")
        try:
            return function(*given.args, **given.kwargs)
        except CourseError:  # one of them is an AttributeError as well
            raise
        except ERRORS as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = not all(LIBRARY.search(frame.filename) for frame in frames)
            if own or type(error).__name__ == "OutOfMemoryError":
                raise
            raise CourseError(
                f"{title} cannot use what it was given ({type(error).__name__}: {reason(error)}). "
                "Shift+Tab shows what it takes."
            ) from error

    return cast(Function, call)


def _of_kind(parameter: inspect.Parameter, value: Any, text: str) -> Any:
    """Return an argument as its annotation has it; ``text`` is the docstring that explains it."""
    parts = re.split(r" \| (?![^\[]*\])", str(parameter.annotation))
    kinds = [part.split("[")[0].rpartition(".")[2] for part in parts]
    many = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    if many or not KINDS.keys() >= {*kinds}:
        return value
    if {"int", "float", "bool"} & {*kinds} and getattr(value, "ndim", None) == 0:
        value = value.item()
    if "int" in kinds and isinstance(value, float) and value.is_integer():
        value = int(value)
    tests = [KINDS[kind][1] for kind in kinds]
    classes = {kind.__name__ for kind in type(value).__mro__}
    fits = any(test in classes if isinstance(test, str) else test(value) for test in tests)
    if isinstance(value, bool):  # which Python takes for 0 and 1
        fits = "bool" in kinds
    if fits and not (isinstance(value, int) and abs(value) >= LARGEST):
        return value
    name, shown = parameter.name, " ".join(reprlib.repr(value).split())
    wanted = " or ".join(dict.fromkeys(KINDS[kind][0] for kind in kinds))
    line = rf"^ +(?:\w+, )*{name}(?:, \w+)*: (.+?)(?=\n *\n|\n +\w+(?:, \w+)*: |\Z)"
    about = re.search(line, text, re.MULTILINE | re.DOTALL)
    says = re.split(r"(?<=\.) |(?<=;) (?![^(]*\))", " ".join(about[1].split()))[0] if about else ""
    says = f" {name}: {says.replace('``', '').rstrip('.;')}." if says else ""
    raise CourseError(f"{name}={shown} cannot be used; give {wanted}.{says}")
