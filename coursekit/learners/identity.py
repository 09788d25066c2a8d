"""What makes two fits the same: a hash of each thing that a fit starts from, code included."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coursekit.console import reason
from coursekit.data.cache import digest
from coursekit.learners.events import State

ROOMS = ("data", "models", "learners")
# Attributes of a module that are no settings: its mode, its weights and its parts.
NO_SETTINGS = {"training", "_parameters", "_buffers", "_modules"}
NO_SETTINGS |= {"_flat_weights", "_flat_weight_refs"}  # the weights again, in a recurrent layer
# Fields of the data that say what the numbers stand for.
MEANING = ("classes", "categories", "continuous", "vocabulary", "backward", "users", "items")


def describe(state: State) -> dict[str, str]:
    """Hash every part of what a fit starts from; where all are equal, it is the same training.

    Numbers and arrays count by value, functions and classes of the learner by their code and by
    the values that it uses; see ``digest``.
    """
    learner, model = state.learner, state.model
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = [
        ([names[id(p)] for p in group["params"]], {k: group[k] for k in group if k != "params"})
        for group in state.optimizer.param_groups
    ]
    parts = {
        "model": [(name, _structure(module)) for name, module in model.named_modules()],
        "weights": _weights(model),
        "data": (state.data.train, state.data.valid),
        "learner": type(learner),
        "loss": learner.loss,
        "metrics": learner.metrics,
        "epochs": state.epochs,
        "schedule": state.schedule,
        "optimizer": (learner.optimizer, type(state.optimizer), groups),
        "callbacks": [(type(c), _settings(c, c.transient)) for c in state.callbacks],
        "precision": (learner.precision.dtype, learner.precision.scaled),
        "seed": torch.initial_seed(),
        "course": _course(),
    }
    found = {}
    for name, part in parts.items():
        try:
            found[name] = digest(part)
        except Exception as error:  # whatever an object raises that is asked for its content
            why = f"its {name} cannot be compared between kernels ({reason(error)})"
            raise TypeError(why) from error
    return found


def meaning(data: Any) -> dict[str, str]:
    """Hash what the numbers that go into a model and come out of it stand for, field by field."""
    fields = {name: getattr(data, "__dict__", {}).get(name) for name in MEANING}
    kept = {name: getattr(value, "itos", value) for name, value in fields.items()}
    return {name: digest(value) for name, value in kept.items() if value or value is False}


def changed_meaning(before: Any, after: Any) -> list[str]:
    """Name the fields in which two data sets (or what ``meaning`` returned) differ."""
    one, two = (thing if isinstance(thing, dict) else meaning(thing) for thing in (before, after))
    return [name for name in one if two.get(name, one[name]) != one[name]]


def _structure(module: nn.Module) -> tuple[Any, ...]:
    """Class and settings of a module; hooks without the numbers that torch gives them."""
    settings = [
        (key, list(value.values()) if key.endswith("_hooks") and value else value)
        for key, value in _settings(module, NO_SETTINGS)
        if "_hooks_" not in key
    ]
    return type(module), settings


def _settings(thing: Any, left_out: Iterable[str]) -> list[tuple[str, Any]]:
    kept = vars(thing).keys() - set(left_out)
    return [(key, vars(thing)[key]) for key in sorted(kept)]


def _weights(model: nn.Module) -> list[tuple[Any, ...]]:
    """Names and content of parameters and buffers, whether trained, and the first of its kind."""
    first: dict[int, str] = {}
    named = [*model.named_parameters(remove_duplicate=False)]
    named += [*model.named_buffers(remove_duplicate=False)]  # type: ignore[list-item]
    return [(name, t, t.requires_grad, first.setdefault(id(t), name)) for name, t in named]


@functools.cache
def _course() -> str:
    """Hash of the rooms of the course that a training passes through."""
    root = Path(__file__).parent.parent
    files = sorted(file for room in ROOMS for file in (root / room).glob("*.py"))
    return digest(*(file.read_bytes() for file in files))
