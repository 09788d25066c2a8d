"""Callbacks: mixup, smoothing, clipping, accumulation, early stopping, and those of every fit."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from coursekit.console import CourseError, nearest, note, progress
from coursekit.learners.events import Callback, State
from coursekit.learners.history import table_head, table_row

# Batches and losses ---------------------------------------------------------------------------


class Mixup(Callback):
    """Train on blends of two examples and of their labels (arXiv:1710.09412).

    Args:
        classes: how many classes there are; needed where the targets are numbers of classes.
        alpha: of the Beta distribution of the blending weights; 0.4 blends gently.
    """

    def __init__(self, classes: int | None = None, *, alpha: float = 0.4) -> None:
        self.classes, self.alpha = classes, alpha
        self._beta = torch.distributions.Beta(alpha, alpha)

    def batch_ready(self, state: State) -> None:
        """Replace x and y by their blends."""
        if isinstance(state.x, tuple):
            raise CourseError("Mixup blends inputs of one tensor; this model takes several.")
        weight = self._beta.sample((len(state.x),)).to(state.x.device)
        weight = torch.maximum(weight, 1 - weight)
        partner = torch.randperm(len(state.x), device=state.x.device)
        targets = state.y
        if not targets.is_floating_point():
            if self.classes is None:
                raise CourseError("Mixup needs the number of classes: ck.Mixup(len(data.classes)).")
            targets = F.one_hot(targets, self.classes).float()
        state.x = _blend(state.x, state.x[partner], weight)
        state.y = _blend(targets, targets[partner], weight)


def _blend(first: torch.Tensor, second: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return second + weight.view(-1, *[1] * (first.dim() - 1)) * (first - second)


@dataclass(eq=False)
class LabelSmoothing(Callback):
    """Mix the targets of cross-entropy with the uniform distribution (arXiv:1512.00567)."""

    epsilon: float = 0.1  # probability that is spread evenly over all classes

    def loss_ready(self, state: State) -> None:
        """Mix the loss with that against the uniform distribution."""
        uniform = -state.prediction.float().log_softmax(-1).mean()
        state.loss = (1 - self.epsilon) * state.loss + self.epsilon * uniform


# Gradients ------------------------------------------------------------------------------------


@dataclass(eq=False)
class ClipGradients(Callback):
    """Shorten the gradient where its norm is above ``max_norm`` (arXiv:1211.5063)."""

    max_norm: float = 1.0

    def grads_ready(self, state: State) -> None:
        """Scale all gradients down together, so that their direction stays."""
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), self.max_norm)


@dataclass(eq=False)
class GradientAccumulation(Callback):
    """Step once in ``batches`` mini-batches, as if they were one large batch."""

    batches: int
    _sizes: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    transient = ("_sizes", "_expected")

    def batch_ready(self, state: State) -> None:
        """Hold the step back unless this batch ends a group, or the epoch."""
        first = state.batch // self.batches * self.batches
        count = min(self.batches, state.batches - first)
        self._sizes = {} if state.batch == first else self._sizes
        self._sizes[state.batch] = len(state.y)
        self._expected = self._sizes[first] * count
        state.loss_scale = len(state.y) / self._expected
        state.accumulate = state.batch + 1 < first + count

    def grads_ready(self, state: State) -> None:
        """Set the scale right where the last batch was of another size than the others."""
        fraction = sum(self._sizes.values()) / self._expected
        if fraction != 1:
            for parameter in state.model.parameters():
                if parameter.grad is not None:
                    parameter.grad.div_(fraction)


class KeepHiddenState(Callback):
    """Keep the state that a recurrent model carries from batch to batch in its checkpoints.

    The model has an attribute ``state``, a tensor, a tuple of tensors, or None, and forgets it in
    ``train()`` and ``eval()``. A fit that was cut within an epoch then goes on with what the model
    had read.
    """

    transient = ("_model", "_kept")

    def __init__(self) -> None:
        self._model: Any = None
        self._kept: dict[str, torch.Tensor] = {}

    def fit_start(self, state: State) -> None:
        """Note whose state it is."""
        self._model, self._kept = state.model, {}

    def batch_ready(self, state: State) -> None:
        """Put the state back at the first batch after a cut."""
        if self._kept and state.batch:
            parts = tuple(self._kept[name].to(state.learner.device) for name in sorted(self._kept))
            self._model.state = parts if "whole" not in self._kept else parts[0]
        self._kept = {}

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The parts of the hidden state."""
        hidden = getattr(self._model, "state", None)
        if isinstance(hidden, torch.Tensor):
            return {"whole": hidden}
        return {f"part{number:03}": part for number, part in enumerate(hidden or ())}

    def load_state_dict(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take the parts back, for the next batch."""
        self._kept = dict(tensors)


# The best epoch -------------------------------------------------------------------------------


@dataclass(eq=False)
class _Monitor(Callback):
    monitor: str = "valid_loss"  # a column of the epoch table
    _: KW_ONLY
    higher_is_better: bool | None = None  # None: as the metric says; a loss is better when lower

    def fit_start(self, state: State) -> None:
        """Refuse a column that is not there now, not after an epoch."""
        columns = state.learner.columns[1:-1]
        if self.monitor not in columns:
            raise CourseError(
                f"There is no {self.monitor!r} to monitor; there are {', '.join(columns)}."
                + nearest(self.monitor, columns)
            )

    def _best_epoch(self, state: State) -> int:
        """Index of the best row so far; the first of equals."""
        higher = self.higher_is_better
        if higher is None:
            metrics = {metric.name: metric for metric in state.learner.metrics}
            higher = getattr(metrics.get(self.monitor), "higher_is_better", False)
        values = [row[self.monitor] * (-1 if higher else 1) for row in state.history]
        known = [number for number, value in enumerate(values) if not math.isnan(value)]
        return min(known, key=values.__getitem__, default=0)


@dataclass(eq=False)
class EarlyStopping(_Monitor):
    """End the training where ``monitor`` has not become better for ``patience`` epochs."""

    _: KW_ONLY
    patience: int = 2

    def epoch_done(self, state: State) -> None:
        """Compare the last rows of the history with the best one."""
        if len(state.history) - 1 - self._best_epoch(state) >= self.patience:
            state.stop = f"{self.monitor} has been no better for {self.patience} epochs"


@dataclass(eq=False)
class KeepBestWeights(_Monitor):
    """End with the weights of the epoch in which ``monitor`` was best."""

    _best: dict[str, torch.Tensor] = field(default_factory=dict, init=False, repr=False)
    transient = ("_best",)

    def fit_start(self, state: State) -> None:
        """Forget the weights of an earlier fit."""
        super().fit_start(state)
        self._best = {}

    def epoch_done(self, state: State) -> None:
        """Keep a copy of the weights where this epoch is the best so far."""
        if self._best_epoch(state) == len(state.history) - 1:
            self._best = copy_weights(state.model)

    def fit_done(self, state: State) -> None:
        """Put the best weights into the model."""
        if self._best:
            state.model.load_state_dict(self._best)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The best weights."""
        return self._best

    def load_state_dict(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take the best weights back."""
        self._best = dict(tensors)


# Looking inside -------------------------------------------------------------------------------


@contextlib.contextmanager
def hook_outputs(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Record the outputs of the named layers of a model while the block runs.

    Args:
        model: any ``torch.nn.Module``.
        names: names of layers, as in ``model.named_modules()``.

    Yields:
        dict from name to the last output of that layer, detached, on its device; of a layer that
        gives several tensors, as an ``nn.LSTM`` does, the same tuple.

    Raises:
        CourseError: the model has no layer of such a name.
    """
    layers, outputs = dict(model.named_modules()), {}
    with contextlib.ExitStack() as hooks:
        for name in names:
            if name not in layers:
                raise CourseError(f"There is no layer {name!r}; the first are {list(layers)[1:6]}.")

            def keep(_layer: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                outputs[name] = _detached(output)

            hooks.callback(layers[name].register_forward_hook(keep).remove)
        yield outputs


def _detached(output: Any) -> Any:
    if isinstance(output, torch.Tensor):
        return output.detach()
    return tuple(map(_detached, output)) if isinstance(output, (tuple, list)) else output


class ActivationStatistics(Callback):
    """Record mean, standard deviation and fraction of dead units of some layers at every step.

    The numbers stay on the device until ``statistics`` is read.

    Args:
        names: names of layers, as in ``model.named_modules()``; None takes all ReLUs.
    """

    transient = ("_rows", "_stack", "_outputs")

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self.names = names
        self._rows: dict[str, list[torch.Tensor]] = {}
        self._stack = contextlib.ExitStack()

    def fit_start(self, state: State) -> None:
        """Begin to record."""
        kinds = (torch.nn.ReLU, torch.nn.GELU, torch.nn.SiLU)
        chosen = self.names or [
            name for name, layer in state.model.named_modules() if isinstance(layer, kinds)
        ]
        self._rows = {name: [] for name in chosen}
        self._outputs = self._stack.enter_context(hook_outputs(state.model, chosen))

    def step_done(self, state: State) -> None:
        """Reduce the outputs of this step to three numbers a layer."""
        for name, output in self._outputs.items():
            while isinstance(output, tuple):
                output = output[0]  # of an nn.LSTM: what it gives at each position
            output = output.float()
            dead = (output.abs() < 1e-6).float().mean()
            self._rows[name].append(torch.stack([output.mean(), output.std(), dead]))

    def fit_done(self, state: State) -> None:
        """Stop recording."""
        self._stack.close()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The numbers recorded so far."""
        return self.statistics

    def load_state_dict(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on after what was recorded before."""
        self._rows |= {name: list(rows) for name, rows in tensors.items()}

    @property
    def statistics(self) -> dict[str, torch.Tensor]:
        """{layer: (steps, 3) tensor of mean, standard deviation, fraction of dead units}."""
        return {name: torch.stack(rows).cpu() for name, rows in self._rows.items() if rows}


# Of every fit ---------------------------------------------------------------------------------


def copy_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copy all weights and buffers of a model, on their device."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


class LossGuard(Callback):
    """Refuse a loss that cannot be trained on, and end the training where it is not finite."""

    def __init__(self) -> None:
        self._weights: dict[str, torch.Tensor] = {}

    def epoch_start(self, state: State) -> None:
        """Keep a copy of the weights."""
        self._weights = copy_weights(state.model)

    def loss_ready(self, state: State) -> None:
        """Look at the loss of the first batch."""
        loss = state.loss
        if state.step or (isinstance(loss, torch.Tensor) and loss.dim() == 0):
            return
        what = f"a tensor {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
        raise CourseError(
            f"The loss of a batch is {what}. It has to be a tensor with a single number, the mean "
            "over the examples, so that gradients can be computed from it."
        )

    def epoch_done(self, state: State) -> None:
        """Put the copy back where the loss is NaN or infinite."""
        loss = state.row["train_loss"]
        if not math.isfinite(loss):
            state.model.load_state_dict(self._weights)
            state.stop = (
                f"the loss is {loss}; lower the learning rate ({max(state.rates):g}) or look for "
                "missing values in the data; the weights are those before this epoch"
            )


class EpochTable(Callback):
    """Print the epoch table, a bar within each epoch, and why a training ended early."""

    def __init__(self) -> None:
        self._bar: Any = None

    def fit_start(self, state: State) -> None:
        """Print the head, and the rows read back from a checkpoint."""
        columns = state.learner.columns
        print("\n".join([table_head(columns), *(table_row(columns, r) for r in state.history)]))

    def epoch_start(self, state: State) -> None:
        """Show how far the epoch is."""
        label, left = f"epoch {state.epoch + 1}/{state.epochs}", state.batches - state.batch
        self._bar = progress(state.stream, total=left, label=label, unit=" batches")
        state.stream = self._bar

    def epoch_done(self, state: State) -> None:
        """Print the row of this epoch."""
        print(table_row(state.learner.columns, state.row))

    def fit_done(self, state: State) -> None:
        """Take the bar away, and say why the training was stopped."""
        if self._bar is not None:
            self._bar.close()
        if state.stop:
            note(f"stopped after epoch {state.epoch}: {state.stop}.")
