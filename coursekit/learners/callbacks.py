"""Callbacks: mixup, smoothing, clipping, accumulation, early stop, keep best, carried state."""

import contextlib

import torch
import torch.nn.functional as F

from coursekit.console import CourseError, nearest
from coursekit.learners.learner import Callback


class Mixup(Callback):
    """Train on blends of two examples and of their labels (arXiv:1710.09412).

    Args:
        alpha: of the Beta distribution that the shares are drawn from; 0.4 blends gently.
        classes: how many classes there are; needed where the targets are numbers of classes.
    """

    def __init__(self, classes=None, *, alpha=0.4):
        self.classes, self.alpha = classes, alpha
        self._beta = torch.distributions.Beta(alpha, alpha)

    def batch_ready(self, state):
        """Replace x and y by their blends."""
        share = self._beta.sample((len(state.x),)).to(state.x.device)
        share = torch.maximum(share, 1 - share)
        partner = torch.randperm(len(state.x), device=state.x.device)
        targets = state.y
        if not targets.is_floating_point():
            if self.classes is None:
                raise CourseError("Mixup needs the number of classes: ck.Mixup(len(data.classes)).")
            targets = F.one_hot(targets, self.classes).float()
        state.x = _blend(state.x, state.x[partner], share)
        state.y = _blend(targets, targets[partner], share)


def _blend(one, other, share):
    return other + share.view(-1, *[1] * (one.dim() - 1)) * (one - other)


class LabelSmoothing(Callback):
    """Ask for a little less than certainty (arXiv:1512.00567).

    Args:
        epsilon: share of the target that is spread evenly over all classes.
    """

    def __init__(self, epsilon=0.1):
        self.epsilon = epsilon

    def loss_ready(self, state):
        """Blend the cross-entropy with that against the even distribution."""
        even = -state.prediction.float().log_softmax(-1).mean()
        state.loss = (1 - self.epsilon) * state.loss + self.epsilon * even


class ClipGradients(Callback):
    """Shorten the gradient where it is longer than ``max_norm`` (arXiv:1211.5063)."""

    def __init__(self, max_norm=1.0):
        self.max_norm = max_norm

    def grads_ready(self, state):
        """Scale all gradients down together, so that their direction stays."""
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), self.max_norm)


class GradientAccumulation(Callback):
    """Step once in ``batches`` mini-batches, as if they were one large batch."""

    def __init__(self, batches):
        self.batches = batches
        self._sizes = {}

    def batch_ready(self, state):
        """Hold the step back unless this batch ends a group, or the epoch."""
        first = state.batch // self.batches * self.batches
        count = min(self.batches, state.batches - first)
        self._sizes = {} if state.batch == first else self._sizes
        self._sizes[state.batch] = len(state.y)
        self._expected = self._sizes[first] * count
        state.loss_scale = len(state.y) / self._expected
        state.accumulate = state.batch + 1 < first + count

    def grads_ready(self, state):
        """Set the scale right where the last batch was of another size than the others."""
        share = sum(self._sizes.values()) / self._expected
        if share != 1:
            for parameter in state.model.parameters():
                if parameter.grad is not None:
                    parameter.grad.div_(share)


class KeepHiddenState(Callback):
    """Keep the state that a recurrent model carries from batch to batch in its checkpoints.

    The model has an attribute ``state``, a tensor, a tuple of tensors, or None, and forgets it in
    ``train()`` and ``eval()``. A fit that was cut within an epoch then goes on with what the model
    had read.
    """

    def __init__(self):
        self._model, self._kept = None, {}

    def fit_start(self, state):
        """Note whose state it is."""
        self._model, self._kept = state.model, {}

    def batch_ready(self, state):
        """Put the state back at the first batch after a cut."""
        if self._kept and state.batch:
            parts = tuple(self._kept[name].to(state.learner.device) for name in sorted(self._kept))
            self._model.state = parts if "whole" not in self._kept else parts[0]
        self._kept = {}

    def state_dict(self):
        """Return the parts of the state."""
        kept = getattr(self._model, "state", None)
        if isinstance(kept, torch.Tensor):
            return {"whole": kept}
        return {f"part{number:03}": one for number, one in enumerate(kept or ())}

    def load_state_dict(self, tensors):
        """Take the parts back, for the next batch."""
        self._kept = dict(tensors)


class EarlyStopping(Callback):
    """End the training where ``monitor`` has not become better for ``patience`` epochs."""

    def __init__(self, monitor="valid_loss", *, patience=2, higher_is_better=False):
        self.monitor, self.patience = monitor, patience
        self.higher_is_better = higher_is_better

    def fit_start(self, state):
        """Say so now, not after an epoch, where there is nothing of this name."""
        _check_monitor(self.monitor, state)

    def epoch_done(self, state):
        """Compare the last rows of the history with the best one."""
        best = _best_row(state.history, self.monitor, self.higher_is_better)
        if len(state.history) - 1 - best >= self.patience:
            state.stop = f"{self.monitor} has been no better for {self.patience} epochs"


class KeepBestWeights(Callback):
    """End with the weights of the epoch in which ``monitor`` was best."""

    def __init__(self, monitor="valid_loss", *, higher_is_better=False):
        self.monitor, self.higher_is_better = monitor, higher_is_better
        self._best = {}

    def fit_start(self, state):
        """Forget the weights of an earlier fit."""
        _check_monitor(self.monitor, state)
        self._best = {}

    def epoch_done(self, state):
        """Keep a copy of the weights where this epoch is the best so far."""
        best = _best_row(state.history, self.monitor, self.higher_is_better)
        if best == len(state.history) - 1:
            kept = state.model.state_dict().items()
            self._best = {name: value.detach().clone() for name, value in kept}

    def fit_done(self, state):
        """Put the best weights into the model."""
        if self._best:
            state.model.load_state_dict(self._best)

    def state_dict(self):
        """Return the best weights."""
        return self._best

    def load_state_dict(self, tensors):
        """Take the best weights back."""
        self._best = dict(tensors)


def _check_monitor(monitor, state):
    columns = state.learner.columns[1:-1]
    if monitor not in columns:
        raise CourseError(
            f"There is no {monitor!r} to monitor; there are {', '.join(columns)}."
            + nearest(monitor, columns)
        )


def _best_row(history, monitor, higher_is_better):
    values = [row[monitor] if row[monitor] == row[monitor] else None for row in history]
    sign = -1 if higher_is_better else 1
    known = [number for number, value in enumerate(values) if value is not None]
    return min(known, key=lambda number: sign * values[number], default=0)


@contextlib.contextmanager
def hook_outputs(model, names):
    """Record what the named layers of a model give while the block runs.

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

            def keep(_layer, _inputs, output, name=name):
                outputs[name] = _detached(output)

            hooks.callback(layers[name].register_forward_hook(keep).remove)
        yield outputs


def _detached(output):
    if isinstance(output, torch.Tensor):
        return output.detach()
    return tuple(map(_detached, output)) if isinstance(output, (tuple, list)) else output


class ActivationStatistics(Callback):
    """Note mean, spread and share of dead values of some layers at every training step.

    The numbers stay on the device until ``statistics`` is read.

    Args:
        names: names of layers, as in ``model.named_modules()``; None takes all ReLUs.
    """

    def __init__(self, names=None):
        self.names = names
        self._rows, self._stack = {}, contextlib.ExitStack()

    def fit_start(self, state):
        """Begin to record."""
        kinds = (torch.nn.ReLU, torch.nn.GELU, torch.nn.SiLU)
        chosen = self.names or [
            name for name, layer in state.model.named_modules() if isinstance(layer, kinds)
        ]
        self._rows = {name: [] for name in chosen}
        self._outputs = self._stack.enter_context(hook_outputs(state.model, chosen))

    def step_done(self, state):
        """Reduce the outputs of this step to three numbers a layer."""
        for name, output in self._outputs.items():
            while isinstance(output, tuple):
                output = output[0]  # of an nn.LSTM: what it gives at each position
            output = output.float()
            dead = (output.abs() < 1e-6).float().mean()
            self._rows[name].append(torch.stack([output.mean(), output.std(), dead]))

    def fit_done(self, state):
        """Stop recording."""
        self._stack.close()

    def state_dict(self):
        """Return what was noted so far."""
        return self.statistics

    def load_state_dict(self, tensors):
        """Go on after what was noted before."""
        self._rows |= {name: list(rows) for name, rows in tensors.items()}

    @property
    def statistics(self):
        """Return {layer: (steps, 3) tensor of mean, standard deviation, share of dead values}."""
        return {name: torch.stack(rows).cpu() for name, rows in self._rows.items() if rows}
