"""What does not fit together, said in one sentence: batches, model, scores, targets and loss."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import numpy
import torch
from torch import Tensor, nn

from coursekit.arguments import ERRORS, LIBRARY
from coursekit.console import CourseError, reason
from coursekit.models.summary import shape

NO_BATCH = (
    "The data gave no mini-batch. It has to be an iterable that can be gone through again, such as "
    "a DataLoader, and not an iterator."
)


def listed(things: Any) -> list:
    """Make a list of one thing, several, or None."""
    several = isinstance(things, (list, tuple))
    return list(things) if several else [] if things is None else [things]


def number(name: str, value: Any, *, zero: bool = False) -> float:
    """Return ``value`` as a float, or refuse what is no finite number above 0, or 0 if allowed."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if 0 < found < float("inf") or (zero and found == 0):
        return found
    least = "0 or more" if zero else "a number > 0"
    raise CourseError(f"{name}={value!r} cannot be used; give {least}, like 0.01.")


def refuse(error: BaseException, what: str) -> NoReturn:
    """Raise a CourseError with the line of the learner's own code in which it went wrong."""
    if isinstance(error, (CourseError, torch.OutOfMemoryError)):
        raise error
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.line for frame in frames if frame.line and not LIBRARY.search(frame.filename)]
    where = f" in the line {own[-1]!r}" if own else ""
    message = f"{what}: {reason(error)}{where}. See x, y = next(iter(data.train))."
    raise CourseError(message) from error


# Batches --------------------------------------------------------------------------------------


def check_parts(data: Any) -> None:
    """Refuse data without a training and a validation part."""
    if getattr(data, "train", None) is None or getattr(data, "valid", None) is None:
        raise CourseError(
            f"data={type(data).__name__} has no train and valid part; ck.Data(train, valid) "
            "makes it of two iterables of (x, y), such as DataLoaders."
        )


def check_batches(batches: Any, data: Any, one: str) -> None:
    """Refuse what holds no mini-batches; ``one`` says what to call with a single item."""
    single = isinstance(batches, (str, bytes, os.PathLike, dict, Tensor, numpy.ndarray))
    parts = hasattr(batches, "columns") or hasattr(batches, "train")
    if single or parts or not hasattr(batches, "__iter__"):
        one = "For rows of a table give data.encode(frame)." if hasattr(data, "encode") else one
        raise CourseError(
            "evaluate and predict take mini-batches (x, y), such as data.valid, and not one "
            f"{type(batches).__name__}. {one}"
        )


def pairs(batches: Iterable, model: nn.Module, device: torch.device) -> Iterator[tuple[Any, Any]]:
    """Yield x and y of each mini-batch on the device; float64 becomes float32, as weights are."""
    single = all(weight.dtype != torch.float64 for weight in model.parameters())
    for batch in batches:
        several = isinstance(batch, (tuple, list))
        if not several or len(batch) != 2:
            parts = f" of {len(batch)} parts" if several else ""
            raise CourseError(
                f"A mini-batch is a {type(batch).__name__}{parts}; it has to be a pair (x, y), or "
                "((a, b), y) for a model of two inputs."
            )
        yield _to(batch[0], device, single), _to(batch[1], device, single)


def _to(thing: Any, device: torch.device, single: bool) -> Any:
    if thing is None:
        return None
    if isinstance(thing, (tuple, list)) and not all(isinstance(n, (int, float)) for n in thing):
        return tuple(_to(part, device, single) for part in thing)
    thing = as_tensor(thing)
    if single and thing.dtype == torch.float64:
        thing = thing.float()
    here = thing.device  # "cuda" is where "cuda:0" is
    near = here == device or here.type == device.type
    return thing if near else thing.to(device, non_blocking=True)


def as_tensor(thing: Any) -> Tensor:
    """Make a tensor of an array, a list or a column of numbers."""
    if isinstance(thing, Tensor):
        return thing
    try:
        return torch.as_tensor(thing.to_numpy(copy=True) if hasattr(thing, "to_numpy") else thing)
    except ERRORS as error:
        refuse(error, f"A {type(thing).__name__} cannot become a tensor of numbers")


# Model, loss and targets ----------------------------------------------------------------------


def call(model: nn.Module, x: Any) -> Any:
    """Compute the scores of a batch; a tuple x holds several inputs."""
    try:
        return model(*x) if isinstance(x, tuple) else model(x)
    except ERRORS as error:
        if "more than 1 value per channel" in str(error):
            raise CourseError(
                "A mini-batch of a single example cannot train a model with batch norm, which needs"
                " two. Take batch_size=2 or more, or drop_last=True in a DataLoader."
            ) from error
        refuse(error, f"{type(model).__name__} cannot be called with x of {_described(x)}")


def measure(loss: Any, scores: Any, targets: Any, first: Any = None) -> Tensor:
    """Compute the loss of a batch, a tensor with one number.

    ``first``, the part of the data, asks for the checks of a first batch: numbers of classes
    against scores, before a GPU dies of them, and a column of scores against a row of targets.
    """
    if targets is None:
        raise CourseError("These batches have no targets to compare scores with; use predict().")
    try:
        if first is not None:
            _check_classes(loss, scores, targets, getattr(first, "targets", None))
        found = loss(scores, targets)
    except ERRORS as error:
        both = f"scores of {_described(scores)} with targets of {_described(targets)}"
        refuse(error, f"The loss cannot compare {both}")
    trains = not torch.is_grad_enabled() or getattr(found, "requires_grad", False)
    if isinstance(found, Tensor) and found.dim() == 0 and trains:
        if first is not None and isinstance(scores, Tensor) and isinstance(targets, Tensor):
            _check_broadcast(loss, scores, targets, found)
        return found
    what = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else repr(found)
    raise CourseError(
        f"The loss of a batch is {what}. It has to be a tensor with a single number, the mean over "
        "the examples, computed from the scores without .item(), .detach() or NumPy."
    )


def _check_broadcast(loss: Any, scores: Any, targets: Any, found: Any) -> None:
    """Refuse a loss that compares each of the scores (B, 1) with each of the targets (B,)."""
    column, row = sorted((scores, targets), key=lambda one: -one.dim())
    if column.shape != (*row.shape, 1):
        return
    alike = found
    with torch.no_grad(), contextlib.suppress(Exception):  # it may want the column as it is
        alike = loss(scores.reshape(row.shape), targets.reshape(row.shape))
    if not torch.allclose(torch.as_tensor(alike).float(), found.float(), rtol=1e-3, equal_nan=True):
        raise CourseError(
            f"The loss compares each of the scores {tuple(scores.shape)} with each of the targets "
            f"{tuple(targets.shape)}, by broadcasting. Make both alike, by scores.squeeze(1), say."
        )


def _check_classes(loss: Any, scores: Any, targets: Any, everywhere: Any) -> None:
    """Compare the numbers of classes, of all examples where they are known, with the scores."""
    torchs = isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss))
    known = everywhere if isinstance(everywhere, Tensor) else targets
    if (torchs or getattr(loss, "kind", "") == "classes") and not known.is_floating_point():
        ignored = loss.ignore_index if torchs else 0
        last = scores.shape[1 if torchs else -1] if scores.dim() > 1 else len(known)
        if known.max() >= last > 1 or known[known != ignored].lt(0).any():
            raise CourseError(
                f"The targets go from {known.min()} to {known.max()}, but the model gives "
                f"{scores.shape[-1]} scores. Number the classes from 0, a score for each of them."
            )


def matched(name: str, kind: str, scores: Any, targets: Any) -> tuple[Tensor, Tensor]:
    """Return scores and targets as tensors of one kind, or refuse what torch would broadcast.

    Args:
        name: of the loss or metric.
        kind: "classes" (numbers of classes, or a probability each), "flags" or "numbers".
    """
    scores, targets = as_tensor(scores), as_tensor(targets)
    if kind == "classes":
        shares = targets.is_floating_point()
        wanted = scores.shape if shares else scores.shape[:-1]
        fits = scores.dim() > 1 and scores.shape[-1] > 1 and targets.shape == wanted
    else:
        if not targets.is_floating_point() or targets.dtype == torch.float64 != scores.dtype:
            targets = targets.float()
        fits = scores.shape == targets.shape
    if fits:
        return scores, targets
    raise CourseError(
        f"{name} cannot compare scores of {_described(scores)} with targets of "
        f"{_described(targets)}. Take ck.cross_entropy and ck.accuracy for scores (N, classes) and "
        "whole numbers of classes (N,), as of y.long(); ck.binary_cross_entropy and ck.f_beta for "
        "zeros and ones, ck.mean_squared_error and ck.rmse for numbers, both of one shape, as of "
        "scores.squeeze(1)."
    )


def _described(thing: Any) -> str:
    if isinstance(thing, Tensor):
        return f"{str(thing.dtype).removeprefix('torch.')} {tuple(thing.shape)}"
    return shape(thing)[:60]
