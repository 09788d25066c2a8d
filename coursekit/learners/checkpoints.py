"""Checkpoints: written whole or not at all, checked when read, never a pickle; exact resume."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from coursekit import runtime
from coursekit.console import CourseError, note, reason
from coursekit.data.cache import digest, write_whole
from coursekit.learners.events import Callback, State
from coursekit.learners.identity import describe

Tensors = dict[str, torch.Tensor]

SECONDS_BETWEEN = 180  # within a long epoch
ROOM = 5 * 2**30  # bytes that all checkpoints together may take; the oldest fits go first

# Number of the checkpoint, what it holds, hash of its content. No other file is ever removed.
OWN = re.compile(r"\d{6}-(epoch\d+(-batch\d+)?|finished)-[0-9a-f]{16}\.safetensors(\.damaged)?")

# What of the state goes into a checkpoint as it is, and all that a checkpoint holds beside tensors.
PLAIN = ("epoch", "batch", "step", "examples", "micro_batch_size", "stop")
FACTS = {*PLAIN, "history", "seconds", "scaler", "random", "epoch_random", "fit"}


# Files of tensors -----------------------------------------------------------------------------


def write_tensors(file: str | Path, tensors: Tensors, facts: Any = None) -> Path:
    """Write tensors, and JSON ``facts``, to a safetensors file that is whole or not there."""
    try:
        write_whole(file, _to_bytes(tensors, facts))
    except (OSError, ValueError) as error:
        raise CourseError(
            f"Nothing can be written to {str(file)!r} ({reason(error)}); make room, or give the "
            "name of a file in another folder."
        ) from error
    return Path(file)


def read_tensors(file: str | Path) -> tuple[Tensors, Any]:
    """Read (tensors by name, facts) of a safetensors file."""
    try:
        return _from_bytes(Path(file).read_bytes())
    except FileNotFoundError as error:
        raise CourseError(f"There is no file {file}; check its name.") from error
    except (OSError, ValueError) as error:
        raise CourseError(
            f"{file} is damaged or no safetensors file ({reason(error)}); write it again by "
            "learn.save or learn.export."
        ) from error


def fill(model: nn.Module, tensors: Tensors, file: str | Path) -> None:
    """Put weights into a model, all of them or none."""
    needed = {name: value.shape for name, value in model.state_dict().items()}
    found = {name: value.shape for name, value in tensors.items()}
    if needed != found:
        odd = next(name for name in {**needed, **found} if needed.get(name) != found.get(name))
        raise CourseError(
            f"The weights in {file} are of another model (they differ at {odd!r}); build the model "
            "as it was when they were saved."
        )
    if not all(value.isfinite().all() for value in tensors.values()):
        raise CourseError(
            f"Some weights in {file} are no numbers (NaN or infinite); train again with a lower "
            "learning rate, and save that."
        )
    model.load_state_dict(tensors)


def _to_bytes(tensors: Tensors, facts: Any) -> bytes:
    ready = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    return save(ready, {"coursekit": json.dumps(facts or {}, default=lambda array: array.tolist())})


def _from_bytes(content: bytes) -> tuple[Tensors, Any]:
    try:
        tensors = load(content)  # it checks the header, how deep it is, too
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return tensors, json.loads(header.get("__metadata__", {}).get("coursekit", "{}"))


# One fit --------------------------------------------------------------------------------------


class Checkpoints(Callback):
    """Write the checkpoints of a named fit, and go on from the newest one at its start.

    They lie in ``<checkpoints>/<learner>/<fit>/<hash of all that the fit starts from>/``. The
    newest two are kept, so that one may be damaged: the name of a file ends in the hash of its
    content. A finished fit leaves two equal files without the optimizer's state. What a recurrent
    model carries from batch to batch, a tensor or a tuple of them in its attribute ``state``, is
    part of a checkpoint within an epoch. Without ``resume`` nothing is read back.
    """

    def __init__(self, name: str, resume: bool) -> None:
        self._name, self._resume = name, resume
        self._folder: Path | None = None  # None where the fit cannot be told from others
        self._cut: tuple[Tensors, Any] | None = None  # a checkpoint within the epoch to come
        self._hidden: Tensors = {}  # for the first batch after a cut
        self._epoch_random: Any = None
        self._written, self._noted = time.monotonic(), False

    def fit_start(self, state: State) -> None:
        """Find the newest whole checkpoint of this very fit, and put everything back as it was."""
        try:
            self._fit = describe(state)
        except TypeError as error:
            return note(f"{self._name!r} is trained anew and not kept: {error}.")
        family = runtime.checkpoints() / _folder(state.learner.name) / _folder(self._name)
        self._folder = family / digest(self._fit)[:16]
        if not self._resume:
            if old := _checkpoints(self._folder):
                note(f"{self._name!r} is trained anew; what was kept of it is removed.")
            return _remove(old)
        for file in reversed(_checkpoints(self._folder)):
            if found := _whole(file):
                return self._restore(state, *found)
        self._say_what_changed(family)

    def epoch_start(self, state: State) -> None:
        """Note the random numbers at the start of the epoch; after a cut within it, go on there."""
        self._epoch_random = runtime.random_state()
        if self._cut is None:
            return
        (tensors, facts), self._cut = self._cut, None
        state.loss_sum, state.examples = tensors["loss_sum"].to(state.loss_sum), facts["examples"]
        state.began -= facts["seconds"]
        self._hidden = _below("hidden", tensors)
        self._load_callbacks(state, tensors)  # they may have begun this epoch anew
        self._epoch_random = _random(facts["epoch_random"])
        runtime.set_random_state(self._epoch_random)
        state.stream = _skip(state.stream, state.batch, _random(facts["random"]))

    def batch_ready(self, state: State) -> None:
        """Give a recurrent model back what it had read before the cut; ``train()`` forgot it."""
        if self._hidden:
            kept = [self._hidden[name] for name in sorted(self._hidden)]
            parts = tuple(part.to(state.learner.device) for part in kept)
            state.model.state = parts[0] if "whole" in self._hidden else parts
            self._hidden = {}

    def step_done(self, state: State) -> None:
        """Write a checkpoint within the epoch where the last one is some minutes old."""
        if time.monotonic() - self._written > SECONDS_BETWEEN:
            self._write(state, f"epoch{state.epoch}-batch{state.batch}")

    def epoch_done(self, state: State) -> None:
        """Write a checkpoint between two epochs; twice at the end, for one may be damaged."""
        if state.finished:
            self._write(state, "finished", copies=2)
            _make_room(runtime.checkpoints(), self._folder)
        else:
            self._write(state, f"epoch{state.epoch}")

    # Reading back

    def _restore(self, state: State, tensors: Tensors, facts: dict[str, Any]) -> None:
        state.model.load_state_dict(_below("model", tensors), strict=False)  # without frozen ones
        _load_optimizer(state.optimizer, _below("optimizer", tensors))
        state.scaler.load_state_dict(facts["scaler"])
        self._load_callbacks(state, tensors)
        state.history.extend(facts["history"])
        for name in PLAIN:
            setattr(state, name, facts[name])
        done = f"{state.epoch} epoch{'s' * (state.epoch != 1)}"
        if state.batch:
            self._cut = tensors, facts
            done += f" of {state.epochs} and {state.batch} of {state.batches} batches of the next"
        else:
            runtime.set_random_state(_random(facts["random"]))
            done += "" if state.finished else f" of {state.epochs}"
        then = ", finished; resume=False trains anew" if state.finished else "; going on"
        print(f"Read back from a checkpoint: {done}{then}.")

    @staticmethod
    def _load_callbacks(state: State, tensors: Tensors) -> None:
        for number, callback in enumerate(state.callbacks):
            callback.load_state_dict(_below(f"callback{number}", tensors))

    def _say_what_changed(self, family: Path) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            if before := _checkpoints(family, "*/*.safetensors"):
                newest = max(before, key=lambda file: file.stat().st_mtime)
                kept = _from_bytes(newest.read_bytes())[1]["fit"]
                changed = [part for part, value in self._fit.items() if kept.get(part) != value]
                seed = "; ck.seed(42) above makes each run the same" if "seed" in changed else ""
                what = " and ".join(changed)
                print(f"{self._name!r} starts afresh: {what} changed since it was kept{seed}.")

    # Writing

    def _write(self, state: State, what: str, copies: int = 1) -> None:
        if self._folder is None:
            return
        frozen = {name for name, p in state.model.named_parameters() if not p.requires_grad}
        weights = state.model.state_dict().items()
        tensors = {f"model.{name}": value for name, value in weights if name not in frozen}
        tensors["loss_sum"] = state.loss_sum
        if state.batch:
            tensors |= {f"hidden.{name}": part for name, part in _hidden(state.model).items()}
        for number, callback in enumerate(state.callbacks):
            for name, value in callback.state_dict().items():
                tensors[f"callback{number}.{name}"] = value
        if what != "finished":
            tensors |= _optimizer_tensors(state.optimizer)
        facts = {name: getattr(state, name) for name in PLAIN} | {
            "history": state.history,
            "seconds": time.perf_counter() - state.began,
            "scaler": state.scaler.state_dict(),
            "random": runtime.random_state(),
            "epoch_random": self._epoch_random if state.batch else None,
            "fit": self._fit,
        }
        content = _to_bytes(tensors, facts)
        try:
            for _ in range(copies):
                kept = _checkpoints(self._folder)
                number = int(kept[-1].name[:6]) + 1 if kept else 1
                name = f"{number:06}-{what}-{digest(content)[:16]}.safetensors"
                write_whole(self._folder / name, content)
                _remove(_checkpoints(self._folder)[:-2])
        except OSError as error:
            if not self._noted:
                why = runtime.unwritable(self._folder) or reason(error)
                note(
                    f"the checkpoint cannot be written ({why}): training goes on, but can be "
                    "resumed only from what was kept before; make room, or set COURSEKIT_HOME."
                )
            self._noted = True
        self._written = time.monotonic()


def _random(lists: dict[str, Any]) -> dict[str, Any]:
    """Turn the lists of JSON back into what ``runtime.set_random_state`` takes."""
    version, numbers, gauss = lists["python"]
    found: dict[str, Any] = {"python": (version, tuple(numbers), gauss)}
    found["numpy"] = tuple(lists["numpy"])
    for name in {"torch", "mps"} & lists.keys():
        found[name] = torch.tensor(lists[name], dtype=torch.uint8)
    if "cuda" in lists:
        found["cuda"] = [torch.tensor(one, dtype=torch.uint8) for one in lists["cuda"]]
    return found


def _skip(batches: Iterable, trained: int, random: Any) -> Iterator[Any]:
    """Leave out the batches trained before the cut, then go on with the random numbers of then."""
    for number, batch in enumerate(batches, 1):
        if number > trained:
            yield batch
        elif number == trained:
            runtime.set_random_state(random)


def _checkpoints(folder: Path, pattern: str = "*.safetensors") -> list[Path]:
    """Checkpoints that the course has written, in order; none on a Drive that has died."""
    try:
        return sorted(file for file in folder.glob(pattern) if OWN.fullmatch(file.name))
    except OSError:
        return []


def _whole(file: Path) -> tuple[Tensors, dict[str, Any]] | None:
    """Read (tensors, facts) of a checkpoint; None, and a note, where it is damaged."""
    with contextlib.suppress(OSError, ValueError):
        content = file.read_bytes()
        if file.stem.endswith(digest(content)[:16]):
            tensors, facts = _from_bytes(content)
            if facts.keys() == FACTS:
                return tensors, facts
        file.replace(f"{file}.damaged")  # else it would count as one of the newest two
    note(f"the checkpoint {file.name} is damaged: the one before it is used, if there is one.")
    return None


def _remove(files: list[Path]) -> None:
    """Remove files of the course, and their folder where nothing else is in it."""
    with contextlib.suppress(OSError):
        for file in files:
            file.unlink(missing_ok=True)
        if files:
            files[0].parent.rmdir()


def _make_room(root: Path, spared: Path | None) -> None:
    """Remove the checkpoints of the oldest fits, until all take at most ``ROOM`` bytes."""
    with contextlib.suppress(OSError):
        facts = {file: file.stat() for file in _checkpoints(root, "*/*/*/*")}
        total = sum(fact.st_size for fact in facts.values())
        for file in sorted(facts, key=lambda file: facts[file].st_mtime):
            if total > ROOM and file.parent != spared and file.exists():
                fit = _checkpoints(file.parent, "*")
                total -= sum(facts[file].st_size for file in fit if file in facts)
                _remove(fit)
                note(f"the checkpoints of {file.parts[-3]!r} made room for newer ones.")


def _folder(name: str) -> str:
    return re.sub(r"^\.+|[^\w.-]+", "_", name) or "_"


def _hidden(model: nn.Module) -> Tensors:
    """What a recurrent model carries from batch to batch."""
    state = getattr(model, "state", None)
    named = {"whole": state} if isinstance(state, torch.Tensor) else {}
    if isinstance(state, tuple):
        named = {f"part{number:03}": part for number, part in enumerate(state)}
    return named if all(isinstance(part, torch.Tensor) for part in named.values()) else {}


def _below(prefix: str, tensors: Tensors) -> Tensors:
    start = f"{prefix}."
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    return {
        f"optimizer.{number}.{name}": torch.as_tensor(value)
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put kept values back beside their parameters, in the same order in memory."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter).copy_(value)
        elif optimizer.param_groups[0].get("fused"):
            value = value.to(parameter.device)
        optimizer.state[parameter][key] = value.detach()
