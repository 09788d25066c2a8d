"""Checkpoints: written whole or not at all, checked when read, never a pickle; exact resume."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from pathlib import Path

import torch

from coursekit import runtime
from coursekit.console import CourseError, note, reason
from coursekit.learners.identity import describe, short_hash

SECONDS_BETWEEN = 180  # within a long epoch
ROOM = 5 * 2**30  # bytes that all checkpoints together may take; the oldest fits go first


# Files ----------------------------------------------------------------------------------------


def write_tensors(file, tensors, facts=None):
    """Write tensors by name, and JSON ``facts``, to a safetensors file that is whole or not there.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old file is still there.
    """
    from safetensors.torch import save

    ready = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    content = save(ready, {"coursekit": json.dumps(facts or {})})
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with open(partial, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)
    return content


def read_tensors(file):
    """Return (tensors by name, facts) of a safetensors file.

    Raises:
        CourseError: the file is not there, or is cut short or damaged.
    """
    try:
        return _parse(Path(file).read_bytes())
    except FileNotFoundError as error:
        raise CourseError(f"There is no file {file}; check its name.") from error
    except (OSError, ValueError) as error:
        raise CourseError(f"{file} is damaged or no safetensors file; write it again.") from error


def _parse(content):
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        return load(content), json.loads(header.get("__metadata__", {}).get("coursekit", "{}"))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def save_weights(model, file, facts=None):
    """Write the weights of ``model`` to ``file`` and return its path."""
    file = Path(file)
    try:
        write_tensors(file, model.state_dict(), facts)
    except OSError as error:
        raise CourseError(
            f"The weights cannot be written to {file} ({reason(error)}); make room, or "
            "give another folder."
        ) from error
    return file


def load_weights(model, file):
    """Read the weights of ``model`` from ``file``, all of them or none."""
    tensors, _ = read_tensors(file)
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    found = {name: value.shape for name, value in tensors.items()}
    if wanted != found:
        odd = next(name for name in {**wanted, **found} if wanted.get(name) != found.get(name))
        raise CourseError(
            f"The weights in {file} are of another model (they differ at {odd!r}); build the model "
            "as it was when they were saved."
        )
    model.load_state_dict(tensors)


# Random numbers as tensors --------------------------------------------------------------------


def random_to_tensors(state):
    """Return (tensors, facts) that hold what ``runtime.random_state()`` returned."""
    version, numbers, gauss = state["python"]
    kind, keys, position, has_gauss, cached = state["numpy"]
    tensors = {"python": torch.tensor(numbers), "numpy": torch.from_numpy(keys.astype("int64"))}
    tensors["torch"] = state["torch"]
    for number, one in enumerate(state.get("cuda", [])):
        tensors[f"cuda{number}"] = one
    if "mps" in state:
        tensors["mps"] = state["mps"]
    return tensors, {"python": [version, gauss], "numpy": [kind, position, has_gauss, cached]}


def tensors_to_random(tensors, facts):
    """Return a state for ``runtime.set_random_state`` from what ``random_to_tensors`` returned."""
    version, gauss = facts["python"]
    kind, *rest = facts["numpy"]
    state = {
        "python": (version, tuple(tensors["python"].tolist()), gauss),
        "numpy": (kind, tensors["numpy"].numpy().astype("uint32"), *rest),
        "torch": tensors["torch"],
    }
    cuda = [tensors[name] for name in sorted(tensors) if name.startswith("cuda")]
    return (
        state | ({"cuda": cuda} if cuda else {}) | {k: v for k, v in tensors.items() if k == "mps"}
    )


# One fit --------------------------------------------------------------------------------------


class FitCheckpoints:
    """The checkpoints of one fit: read back at its start, written as it goes.

    The newest two are kept, so that one may be damaged: a file's name ends in the hash of its
    content, which tells. Those of a finished fit are twins, and lack the optimizer's state.

    Args:
        learner, state, callbacks: whose training it is.
        name: of the fit; None keeps and reads nothing.
        resume: False reads nothing back.
    """

    def __init__(self, learner, state, callbacks, name, resume):
        self.learner, self.state, self.callbacks = learner, state, callbacks
        self.name, self.resume = name, resume
        self.active, self._noted = name is not None, False
        self.skip, self.losses, self.began = 0, [], None
        self._seconds, self._cut_random, self._epoch_random = 0.0, None, None
        self._written = time.monotonic()

    # Reading back

    def read_back(self, data, settings):
        """Find the newest whole checkpoint of this very fit, and put everything back as it was."""
        if not self.active:
            return
        settings = [*settings, str(self.learner.precision.dtype)]
        parts = describe(self.state.model, data, settings, self.callbacks)
        family = runtime.checkpoints() / _folder_name(self.learner.name) / _folder_name(self.name)
        self.folder, self.parts = family / short_hash(*parts.values())[:16], parts
        if not self.resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif os.path.isdir(self.folder):  # False also where the folder may not be looked into
            for unfinished in _files(self.folder, ".*.part"):
                with contextlib.suppress(OSError):
                    unfinished.unlink()
            for file in reversed(_files(self.folder, "*.safetensors")):
                found = self._whole(file)
                if found:
                    return self._restore(*found)
        else:
            self._say_what_changed(family)

    @staticmethod
    def _whole(file):
        """Return (tensors, facts) of a checkpoint, or None (and a note) where it is damaged."""
        with contextlib.suppress(OSError, ValueError):
            content = file.read_bytes()
            if file.stem.endswith(_digest(content)):
                return _parse(content)
            file.unlink()  # else it would be taken for the newest of those to be kept
        note(f"the checkpoint {file.name} is damaged: the one before it is used, if there is one.")
        return None

    def _restore(self, tensors, facts):
        state = self.state
        part = _by_prefix(tensors)
        state.model.load_state_dict(part["model"], strict=False)
        _load_optimizer(state.optimizer, part["optimizer"])
        for number, callback in enumerate(self.callbacks):
            callback.load_state_dict(part[f"callback{number}"])
        self.learner._scaler.load_state_dict(facts["scaler"])
        state.epoch, state.batch, state.step = facts["epoch"], facts["batch"], facts["step"]
        state.micro_batch_size, state.stop = facts["micro_batch_size"], facts["stop"]
        state.history.extend(facts["history"])
        now = tensors_to_random(part["random"], facts["random"])
        if state.batch:
            self.skip, self._seconds = state.batch, facts["seconds"]
            losses = tensors["losses"].to(self.learner.device)
            self.losses = list(zip(losses, facts["counts"], strict=True))
            start = tensors_to_random(part["epoch_random"], facts["epoch_random"])
            self._epoch_random, self._cut_random = start, now
        else:
            runtime.set_random_state(now)
        self._say_read_back(state)

    @staticmethod
    def _say_read_back(state):
        done, cut = state.epoch, state.batch
        if done == state.epochs or state.stop:
            print(
                f"Read back from a checkpoint: {_count(done)}, finished; resume=False trains anew."
            )
        else:
            rest = f" and {cut} of {state.batches} batches of the next" if cut else ""
            print(f"Read back from a checkpoint: {_count(done)} of {state.epochs}{rest}; going on.")

    def _say_what_changed(self, family):
        before = _files(family, "*/*.safetensors")
        if not before:
            return
        with contextlib.suppress(OSError, ValueError, KeyError):
            newest = max(before, key=lambda file: file.stat().st_mtime)
            kept = _parse(newest.read_bytes())[1]["fit"]
            changed = [part for part in self.parts if kept[part] != self.parts[part]]
            print(
                f"{self.name!r} starts afresh: {' and '.join(changed)} changed since it was kept."
            )

    # The course of an epoch

    def epoch_start(self):
        """Note the random numbers that the epoch starts from, or put them back after a cut."""
        self.began = time.perf_counter() - self._seconds
        if self.skip:
            runtime.set_random_state(self._epoch_random)
        else:
            self._epoch_random = runtime.random_state()

    def skipped(self):
        """After the batches that were trained before the cut: go on with the numbers of then."""
        runtime.set_random_state(self._cut_random)

    def step_done(self, losses):
        """Write a checkpoint within the epoch where the last one is some minutes old."""
        if self.active and time.monotonic() - self._written > SECONDS_BETWEEN:
            tensors, random = random_to_tensors(self._epoch_random)
            extra = {f"epoch_random.{name}": value for name, value in tensors.items()}
            means, counts = zip(*losses, strict=True)
            seconds = time.perf_counter() - self.began
            self._write(
                {**extra, "losses": torch.stack(means)},
                {"epoch_random": random, "counts": counts, "seconds": seconds},
            )

    def epoch_done(self):
        """Write a checkpoint between two epochs."""
        self.skip, self.losses, self._seconds = 0, [], 0.0
        if self.active:
            self._write()

    def finish(self):
        """Write a last checkpoint, without the optimizer's state: twice, for one may be damaged."""
        if self.active and self.began is not None:
            for mark in "yz":  # behind all digits, so that the others are the ones to go
                self._write(mark=mark)
            _make_room(runtime.checkpoints(), self.folder)

    # Writing

    def _write(self, tensors=None, facts=None, *, mark=""):
        state = self.state
        numbers, random = random_to_tensors(runtime.random_state())
        tensors = dict(tensors or {})
        tensors |= {f"random.{name}": value for name, value in numbers.items()}
        tensors |= {f"model.{name}": value for name, value in _changing(state.model).items()}
        for number, callback in enumerate(self.callbacks):
            kept = callback.state_dict().items()
            tensors |= {f"callback{number}.{name}": value for name, value in kept}
        if not mark:
            tensors |= _optimizer_tensors(state.optimizer)
        facts = {
            "epoch": state.epoch,
            "batch": state.batch,
            "step": state.step,
            "micro_batch_size": state.micro_batch_size,
            "history": list(state.history),
            "random": random,
            "scaler": self.learner._scaler.state_dict(),
            "stop": state.stop,
            "fit": self.parts,
            **(facts or {}),
        }
        try:
            self._put(tensors, facts, mark)
        except OSError as error:
            if not self._noted:
                why = runtime.unwritable(self.folder) or reason(error)
                note(
                    f"the checkpoint cannot be written ({why}): training goes on, but can be "
                    "resumed only from what was kept before; make room, or set COURSEKIT_HOME."
                )
            self._noted = True
        self._written = time.monotonic()

    def _put(self, tensors, facts, mark):
        waiting = self.folder / "waiting.part"
        content = write_tensors(waiting, tensors, facts)
        order = f"{mark}{self.state.epoch:05d}-{self.state.batch:07d}"
        os.replace(waiting, self.folder / f"{order}-{_digest(content)}.safetensors")
        for old in sorted(self.folder.glob("*.safetensors"))[:-2]:
            old.unlink(missing_ok=True)


def _files(folder, pattern):
    """Return the paths that fit, in order; none where the folder is on a Drive that has died."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _count(epochs):
    return f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs"


def _folder_name(name):
    return re.sub(r"[^\w.-]+", "_", str(name)) or "_"


def _digest(content):
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _changing(model):
    """Return what training may change: trained parameters and all buffers."""
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def _by_prefix(tensors):
    parts = {}
    for name, value in tensors.items():
        prefix, _, rest = name.partition(".")
        parts.setdefault(prefix, {})[rest] = value
    return _Empty(parts)


class _Empty(dict):
    def __missing__(self, key):
        return {}


def _optimizer_tensors(optimizer):
    kept = optimizer.state_dict()["state"]
    return {
        f"optimizer.{number}.{name}": torch.as_tensor(value)
        for number, values in kept.items()
        for name, value in values.items()
        if value is not None
    }


def _load_optimizer(optimizer, tensors):
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


def _make_room(root, spared):
    """Remove the oldest fits but ``spared``, until all take at most ``ROOM`` bytes."""
    fits = {}
    for file in _files(root, "*/*/*/*.safetensors"):
        with contextlib.suppress(OSError):
            facts = file.stat()
            size, newest = fits.get(file.parent, (0, 0))
            fits[file.parent] = size + facts.st_size, max(newest, facts.st_mtime)
    total = sum(size for size, _ in fits.values())
    for folder in sorted(fits, key=lambda folder: fits[folder][1]):
        if total <= ROOM:
            return
        if folder != spared:
            total -= fits[folder][0]
            shutil.rmtree(folder, ignore_errors=True)
