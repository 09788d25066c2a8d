"""Callbacks: mixup, smoothing, clipping, the best weights, statistics, and those of every fit."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from coursekit.arguments import checked
from coursekit.console import CourseError, choose, note, progress
from coursekit.learners.checks import listed, number
from coursekit.learners.events import Callback, State, table_head, table_row

# Batches, losses and gradients ----------------------------------------------------------------


@checked
class Mixup(Callback):
    """Train on blends of two examples and of their labels (arXiv:1710.09412).

    Args:
        classes: how many there are; needed where the targets are numbers of classes.
        alpha: of the Beta distribution of the blending weights; 0.4 blends gently.
    """

    def __init__(self, classes: int | None = None, *, alpha: float = 0.4) -> None:
        self.classes, self.alpha = classes, number("alpha", alpha)
        self._beta = torch.distributions.Beta(self.alpha, self.alpha)

    def batch_ready(self, state: State) -> None:
        """Replace x and y by their blends."""
        x, targets = state.x, state.y
        if isinstance(x, tuple) or isinstance(targets, tuple) or not x.is_floating_point():
            raise CourseError(
                "Mixup blends inputs and targets of one tensor of numbers each, such as pictures; "
                "it cannot blend texts or the columns of a table."
            )
        weight = self._beta.sample((len(x),)).to(x.device)
        weight = torch.maximum(weight, 1 - weight)
        partner = torch.randperm(len(x), device=x.device)
        if not targets.is_floating_point():
            if self.classes is None or (not state.step and targets.max() >= self.classes):
                raise CourseError(
                    f"Mixup needs the number of classes, and classes={self.classes!r} is too few: "
                    "ck.Mixup(len(data.classes))."
                )
            targets = F.one_hot(targets, self.classes).float()
        state.x = _blend(x, x[partner], weight)
        state.y = _blend(targets, targets[partner], weight)


def _blend(first: torch.Tensor, second: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return second + weight.view(-1, *[1] * (first.dim() - 1)) * (first - second)


@checked
class LabelSmoothing(Callback):
    """Mix the targets of cross-entropy with the uniform distribution (arXiv:1512.00567).

    Args:
        epsilon: probability that is spread evenly over all classes.
    """

    def __init__(self, epsilon: float = 0.1) -> None:
        if number("epsilon", epsilon, zero=True) >= 1:
            raise CourseError(f"epsilon={epsilon!r} is no probability below 1; give 0.1, say.")
        self.epsilon = epsilon

    def fit_start(self, state: State) -> None:
        """Refuse a loss of the course that has no classes to spread over."""
        if getattr(state.learner.loss, "kind", "classes") != "classes":
            raise CourseError(
                f"LabelSmoothing is for ck.cross_entropy; take it out for {state.learner.loss!r}."
            )

    def loss_ready(self, state: State) -> None:
        """Mix the loss with that against the uniform distribution."""
        uniform = -state.prediction.float().log_softmax(-1).mean()
        state.loss = (1 - self.epsilon) * state.loss + self.epsilon * uniform


@checked
class ClipGradients(Callback):
    """Shorten the gradient where its norm is above ``max_norm`` (arXiv:1211.5063)."""

    def __init__(self, max_norm: float = 1.0) -> None:
        self.max_norm = number("max_norm", max_norm)

    def grads_ready(self, state: State) -> None:
        """Scale all gradients down together, so that their direction stays."""
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), self.max_norm)


# The best epoch -------------------------------------------------------------------------------


@checked
class KeepBestWeights(Callback):
    """End with the weights of the epoch in which ``monitor`` was best.

    Args:
        monitor: a column of the epoch table; its metric knows whether higher is better.
    """

    transient = ("_best",)

    def __init__(self, monitor: str = "valid_loss") -> None:
        self.monitor = monitor

    def fit_start(self, state: State) -> None:
        """Forget the weights of an earlier fit, and refuse a column that will not be there."""
        self._best: dict[str, torch.Tensor] = {}
        choose("column to monitor", self.monitor, state.learner.columns[1:-1])

    def epoch_done(self, state: State) -> None:
        """Keep a copy of the weights where this epoch is better than all before."""
        up = {metric.name for metric in state.learner.metrics if metric.higher_is_better}
        *before, now = (row[self.monitor] for row in state.history)
        known = [value for value in before if not math.isnan(value)]
        if not known or (now > max(known) if self.monitor in up else now < min(known)):
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


@checked
@contextlib.contextmanager
def hook_outputs(model: nn.Module, names: str | Sequence[str]) -> Iterator[dict[str, Any]]:
    """Record the outputs of the named layers of a model while the block runs.

    Args:
        model: any ``torch.nn.Module``.
        names: one or more names of layers, as in ``model.named_modules()``.

    Yields:
        dict from name to the last output of that layer, detached, on its device; of a layer that
        gives several tensors, as an ``nn.LSTM`` does, the same tuple.
    """
    layers, outputs = dict(model.named_modules()), {}
    with contextlib.ExitStack() as hooks:
        for name in listed(names):
            choose("layer", name, layers)

            def keep(_layer: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                outputs[name] = _detached(output)

            hooks.callback(layers[name].register_forward_hook(keep).remove)
        yield outputs


def _detached(output: Any) -> Any:
    if isinstance(output, torch.Tensor):
        return output.detach()
    return tuple(map(_detached, output)) if isinstance(output, (tuple, list)) else output


@checked
class ActivationStatistics(Callback):
    """Record mean, standard deviation and fraction of dead units of some layers at every step.

    The numbers stay on the device until ``statistics`` is read.

    Args:
        names: names of layers, as in ``model.named_modules()``; by default all
            ReLUs, GELUs and SiLUs.
    """

    transient = ("_rows", "_stack", "_outputs")

    def __init__(self, names: str | Sequence[str] | None = None) -> None:
        self.names = listed(names)
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
    """End the training where the loss is not finite, with the weights before that epoch."""

    def epoch_start(self, state: State) -> None:
        """Keep a copy of the weights."""
        self._weights = copy_weights(state.model)

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

    _bar: Any = None

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
