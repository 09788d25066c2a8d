"""``Learner``: the training loop in plain sight, evaluation and prediction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from coursekit import runtime
from coursekit.arguments import ERRORS, checked
from coursekit.console import CourseError, choose, note, reason
from coursekit.data.batches import check_count
from coursekit.learners import checks, schedules
from coursekit.learners.callbacks import EpochTable, LossGuard, copy_weights
from coursekit.learners.checkpoints import Checkpoints, fill, read_tensors, write_tensors
from coursekit.learners.checks import listed
from coursekit.learners.events import (
    SINGLE_EXAMPLE,
    Callback,
    History,
    MicroBatches,
    State,
    check_callbacks,
    count,
    notifier,
    split,
)
from coursekit.learners.identity import changed_meaning, meaning
from coursekit.learners.lr_finder import RateSweep, Sweep
from coursekit.learners.metrics import Metric, check_metrics

OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]]], torch.optim.Optimizer]] = {
    "adamw": lambda groups: torch.optim.AdamW(groups, fused=True),
    "sgd": lambda groups: torch.optim.SGD(groups, momentum=0.9, fused=True),
}


@checked
class Learner:
    """Data, a model and a loss, and the loop that brings them together.

    Args:
        data: anything with ``train`` and ``valid``, iterables of ``(x, y)`` with a length.
        model: a ``torch.nn.Module``; called with x (with ``*x`` where x is a tuple).
        loss: function of (prediction, y), such as ``ck.cross_entropy``; the mean over the examples.
        metrics: list of metrics, such as ``[ck.accuracy]``.
        optimizer: "adamw", "sgd", or a function of parameter groups that returns an optimizer.
        callbacks: listeners to every fit.
        groups: lists of modules, first to last layer, for freezing and for a rate per group; by
            default what ``model.layer_groups()`` returns, or one group.
        name: folder of the checkpoints of named fits; by default the class of the model.
    """

    _one_item = "For one input x call learn.model(x[None])."

    def __init__(
        self,
        data: Any,
        model: nn.Module,
        loss: Callable[[Any, Any], torch.Tensor],
        *,
        metrics: Metric | Sequence[Metric] = (),
        optimizer: str | Callable[..., torch.optim.Optimizer] = "adamw",
        callbacks: Callback | Sequence[Callback] = (),
        groups: Sequence[Sequence[nn.Module]] | None = None,
        name: str | None = None,
    ) -> None:
        checks.check_parts(data)
        if isinstance(loss, type):
            raise CourseError(f"loss={loss!r} is a class; call it, as in nn.CrossEntropyLoss().")
        if isinstance(optimizer, str):
            choose("optimizer", optimizer, OPTIMIZERS)
        self.device: torch.device = runtime.device()
        self.precision: runtime.Precision = runtime.precision(self.device)
        self.data, self.loss, self.optimizer = data, loss, optimizer
        self.model: nn.Module = model.to(self.device)
        self.metrics: list[Metric] = check_metrics(metrics)
        self.callbacks: list[Callback] = check_callbacks(listed(callbacks))
        self.groups = groups or getattr(model, "layer_groups", lambda: [[model]])()
        self.name: str = name or type(model).__name__
        self.history: History = History()
        self._scaler = self._new_scaler()
        self._note_left_out()

    # Training ---------------------------------------------------------------------------------

    @checked
    def fit(
        self,
        epochs: int,
        lr: float | Sequence[float],
        *,
        schedule: Callable[[float], float] = schedules.one_cycle,
        weight_decay: float = 0.01,
        callbacks: Callback | Sequence[Callback] = (),
        name: str | None = None,
        resume: bool = True,
    ) -> History:
        """Train for ``epochs`` epochs and return the history of this fit.

        A fit with a ``name`` writes a checkpoint after every epoch (and every few minutes within a
        long one); the same cells, run again from the top in a new kernel, read the finished epochs
        back and go on.

        Args:
            epochs: times that all training examples are seen; 1 under ``COURSEKIT_QUICK=1``.
            lr: the learning rate: one number, or one for each layer group.
            schedule: function from progress (0 to 1) to a factor of the rate, such as
                ``ck.one_cycle``, ``ck.cosine``, ``ck.CosineRestarts(3)`` or ``ck.constant``.
            weight_decay: how strongly weights are pulled to zero, per step and unit of rate.
            callbacks: listeners to this fit, beside the learner's own.
            name: of the fit, for its checkpoints; None writes and reads none.
            resume: False trains anew, whatever was kept under this name.
        """
        own = [*self.callbacks, *listed(callbacks)]
        state = self._start(epochs, lr, schedule, weight_decay, own)
        if runtime.quick():
            state.epochs = 1
        checkpoints = [] if name is None else [Checkpoints(name, resume)]
        self.history = state.history
        self._loop(state, [LossGuard(), *own, *checkpoints, EpochTable()])
        return state.history

    def _loop(self, state: State, callbacks: list[Callback]) -> None:
        """Train: batch, forward, loss, backward, step, and the events around them."""
        s, model, optimizer, scaler = state, state.model, state.optimizer, state.scaler
        notify, autocast, micro_batches = notifier(callbacks), self._autocast(), MicroBatches(state)
        optimizer.zero_grad(set_to_none=True)  # a cell above may have called backward()
        try:
            notify("fit_start", s)
            while not s.finished:
                s.row, s.stream, s.began = {"epoch": s.epoch + 1}, s.data.train, time.perf_counter()
                s.loss_sum, s.examples = self._zeros(), 0
                notify("epoch_start", s)
                self._train_mode(model)
                for x, y in checks.pairs(s.stream, model, self.device):
                    s.x, s.y = x, y
                    factor = s.schedule(s.progress)
                    for group, rate in zip(optimizer.param_groups, s.rates, strict=True):
                        group["lr"] = rate * factor
                    notify("batch_ready", s)
                    first = None if s.step else s.data.train
                    for x, y, fraction in micro_batches:  # one part, unless memory ran out
                        with micro_batches:
                            with autocast:
                                s.prediction = checks.call(model, x)
                                s.loss = checks.measure(self.loss, s.prediction, y, first)
                            notify("loss_ready", s)
                            scaler.scale(s.loss if fraction == 1 else s.loss * fraction).backward()
                            weight = _weight(x, y)
                            s.loss_sum = torch.add(s.loss_sum, s.loss.detach(), alpha=weight)
                            s.examples += weight
                    s.batch += 1
                    scaler.unscale_(optimizer)
                    notify("grads_ready", s)
                    scaler.step(optimizer)
                    scaler.update()
                    optimizer.zero_grad(set_to_none=True)
                    s.step += 1
                    notify("step_done", s)
                    if s.stop:
                        break
                else:
                    self._close_epoch(s)
                    notify("epoch_done", s)
        finally:
            notify("fit_done", s)
            optimizer.zero_grad(set_to_none=True)
            model.eval()

    def _close_epoch(self, state: State) -> None:
        """Evaluate, and write the row of the history."""
        if not state.examples:
            raise CourseError(checks.NO_BATCH)
        state.row["train_loss"] = state.loss_sum.item() / state.examples
        measured = self._evaluate(state.model, state.data.valid)
        state.row |= {"valid_loss": measured.pop("loss"), **measured}
        state.row["seconds"] = time.perf_counter() - state.began
        state.history.append(state.row)
        state.epoch, state.batch = state.epoch + 1, 0

    @checked
    def find_lr(
        self,
        *,
        lowest: float = 1e-7,
        highest: float = 10.0,
        steps: int = 100,
        weight_decay: float = 0.01,
    ) -> Sweep:
        """Sweep the learning rate upwards over mini-batches (arXiv:1506.01186).

        It leaves no trace: weights, statistics and random numbers are put back, so that running it
        or not does not change what follows.

        Args:
            lowest, highest: the rates between which it goes, in equal factors.
            steps: mini-batches at most; it ends early where the smoothed loss passes four times
                its best value, or is no number.
            weight_decay: as for ``fit``.
        """
        state = self._start(1, 1.0, schedules.constant, weight_decay, self.callbacks)
        state.scaler = self._new_scaler()
        sweep = RateSweep(lowest, highest, steps)
        with self._no_trace(state.model):
            self._loop(state, [*self.callbacks, sweep])
        return sweep.result

    def _start(
        self,
        epochs: int,
        lr: float | Sequence[float],
        schedule: Callable[[float], float],
        weight_decay: float,
        callbacks: list[Callback],
    ) -> State:
        """Check what a training is asked for, and return where it starts."""
        check_callbacks(callbacks)
        check_count("epochs", epochs)
        if isinstance(schedule, type):
            raise CourseError(f"schedule={schedule!r} is a class; call it: ck.CosineRestarts().")
        checks.number("schedule(0.0)", schedule(0.0), zero=True)
        every = [lr] * len(self.groups) if isinstance(lr, (int, float)) else lr
        rates = [checks.number("lr", rate) for rate in every]
        weight_decay = checks.number("weight_decay", weight_decay, zero=True)
        model, data = self.model_and_data()
        for part in (data.train, data.valid):
            if not hasattr(part, "__len__") or not len(part):
                raise CourseError(
                    f"{part!r} has no mini-batches, or does not know how many; make a list of them."
                )
        optimizer, rates = self._make_optimizer(model, rates, weight_decay)
        parts = self, model, data, optimizer, self._scaler, schedule, rates, callbacks
        return State(*parts, epochs=epochs, batches=len(data.train))

    @contextlib.contextmanager
    def _no_trace(self, model: nn.Module) -> Iterator[None]:
        """Put weights, attributes of modules and callbacks, and random numbers back afterwards."""
        weights, random = copy_weights(model), runtime.random_state()
        attributes = [(thing, dict(vars(thing))) for thing in (*model.modules(), *self.callbacks)]
        try:
            yield
        finally:
            for thing, before in attributes:
                vars(thing).clear()
                vars(thing).update(before)
            model.load_state_dict(weights)
            runtime.set_random_state(random)

    # Evaluation -------------------------------------------------------------------------------

    @checked
    def evaluate(self, batches: Iterable | None = None) -> dict[str, float]:
        """Compute {"loss": ..., metric: ...} over ``batches`` (default: the validation part)."""
        return self._evaluate(*self._model_and_batches(batches))

    @torch.no_grad()
    def _evaluate(self, model: nn.Module, batches: Iterable) -> dict[str, float]:
        model.eval()
        loss, seen = self._zeros(), 0
        sums: list[Any] = [0] * len(self.metrics)
        for x, y in checks.pairs(batches, model, self.device):
            with self._autocast():
                scores = self._forward(model, x)
                found = checks.measure(self.loss, scores, y, None if seen else batches)
            loss.add_(found, alpha=_weight(x, y))
            seen += _weight(x, y)
            for place, metric in enumerate(self.metrics):
                sums[place] += metric.sums(scores.float(), y).to(loss.dtype)
        if not seen:
            raise CourseError(f"There is nothing to evaluate on: {checks.NO_BATCH}")
        measured = {"loss": loss.item() / seen}
        for metric, values in zip(self.metrics, sums, strict=True):
            measured[metric.name] = metric.value(values)
        return measured

    def _forward(self, model: nn.Module, x: Any) -> Any:
        """Compute the scores of a batch, in halves where the device runs out of memory."""
        with contextlib.suppress(torch.OutOfMemoryError):
            return checks.call(model, x)
        if count(x) < 2:  # the memory is free again here, outside of the failed call
            raise CourseError(SINGLE_EXAMPLE)
        return torch.cat([self._forward(model, half) for half in split(x, 2)])

    @checked
    def predict(self, batches: Any = None, *, tta: int = 0) -> Predictions:
        """Score every example of ``batches`` (default: the validation part), in order.

        Args:
            batches: ``Batches``; shuffled ones are taken in order, without augmentation.
            tta: test-time augmentation: besides the picture as it is, so many versions of it, made
                by the augmentation of the training part, are scored and the scores averaged.
                ``ck.top_down`` knows 7 versions, which turn and mirror and draw nothing at random.
        """
        views: list[Any] = [None]
        if tta:
            augment = getattr(self.data.train, "augment", None)
            model = self.model.to(self.device)
            batches = self.data.valid if batches is None else batches
            views_known = hasattr(batches, "sequential") and augment is not None
            if not views_known or tta < 0:
                raise CourseError(
                    f"tta={tta} needs ck.Batches with an augmentation, and views to count; make "
                    "the data with augment=ck.side_on, say."
                )
            views += getattr(augment, "tta_views", lambda count: [augment] * count)(tta)
        else:
            model, batches = self._model_and_batches(batches)
        if hasattr(batches, "sequential"):
            rounds = [self._scores(model, batches.sequential(augment=view)) for view in views]
        else:
            rounds = [self._scores(model, batches)]
        # Averaged are log-probabilities (softmax, but for a constant), or log-odds (sigmoid).
        scores, targets = sum(scores for scores, _ in rounds) / len(rounds), rounds[0][1]
        return Predictions(scores, targets, self.loss)

    @torch.no_grad()
    def _scores(self, model: nn.Module, batches: Iterable) -> tuple[torch.Tensor, Any]:
        model.eval()
        scores, targets = [], []
        for x, y in checks.pairs(batches, model, self.device):
            with self._autocast():
                scores.append(self._forward(model, x))
            targets.append(y)
        return _joined([part.float() for part in scores]), _joined(targets)

    # Layer groups -----------------------------------------------------------------------------

    def freeze(self) -> None:
        """Train the last layer group only."""
        self.freeze_to(-1)

    def unfreeze(self) -> None:
        """Train all layer groups."""
        self.freeze_to(0)

    @checked
    def freeze_to(self, group: int) -> None:
        """Train the layer groups from number ``group`` on (-1: the last); freeze those before.

        Frozen batch norms keep their statistics.
        """
        if not -len(self.groups) <= group < len(self.groups):
            raise CourseError(
                f"There is no layer group {group}; this model has {len(self.groups)}, numbered "
                f"from 0 to {len(self.groups) - 1}."
            )
        first = group % len(self.groups)
        for place, parameters in enumerate(self._parameters()):
            for parameter in parameters:
                parameter.requires_grad_(place >= first)

    @checked
    def set_data(self, data: Any) -> None:
        """Train on other data of the same classes from now on: larger pictures, say."""
        checks.check_parts(data)
        if changed := changed_meaning(self.data, data):
            raise CourseError(
                f"The new data has other {' and '.join(changed)} than the model was made for"
                f" ({self.data!r} before, {data!r} now); make a new learner."
            )
        self.data = data

    def model_and_data(self) -> tuple[nn.Module, Any]:
        """Model and data that a fit works on; a recipe may train on stored features.

        The model may have been moved since, as by ``learn.model.cpu()``: here it comes back.
        """
        return self.model.to(self.device), self.data

    def _model_and_batches(self, batches: Any) -> tuple[nn.Module, Any]:
        """Model and batches to evaluate; None means the validation part."""
        if batches is None:
            model, data = self.model_and_data()
            return model, data.valid
        checks.check_batches(batches, self.data, self._one_item)
        return self.model.to(self.device), batches

    # Weights ----------------------------------------------------------------------------------

    @checked
    def save(self, file: str | Path) -> Path:
        """Write the weights to ``file`` (safetensors) and return its path."""
        return write_tensors(file, self.model.state_dict(), {"meaning": meaning(self.data)})

    @checked
    def load(self, file: str | Path) -> None:
        """Read weights that ``save`` wrote; the model must be the same."""
        tensors, facts = read_tensors(file)
        kept = facts.get("meaning", {}) if isinstance(facts, dict) else {}
        if changed := changed_meaning(kept, self.data):
            raise CourseError(
                f"The weights in {file} were trained on other {' and '.join(changed)} than those "
                "of this learner's data; make the data as it was when they were saved."
            )
        fill(self.model, tensors, file)

    # Small parts ------------------------------------------------------------------------------

    @property
    def columns(self) -> list[str]:
        """Columns of the epoch table."""
        return ["epoch", "train_loss", "valid_loss", *(m.name for m in self.metrics), "seconds"]

    def _autocast(self) -> contextlib.AbstractContextManager:
        """Context of the forward pass; full precision needs none."""
        if self.precision.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.precision.dtype)

    def _new_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.precision.scaled)

    def _zeros(self) -> torch.Tensor:
        """Zero to add losses up in: double precision where the device has it."""
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.zeros((), dtype=dtype, device=self.device)

    def _train_mode(self, model: nn.Module) -> None:
        """Set all to training but what is frozen: it keeps its statistics and drops nothing."""
        model.train()
        for module in model.modules():
            weights = list(module.parameters())
            if weights and not any(weight.requires_grad for weight in weights):
                module.eval()

    def _make_optimizer(
        self, model: nn.Module, rates: list[float], weight_decay: float
    ) -> tuple[torch.optim.Optimizer, list[float]]:
        """Build (optimizer, rate of each of its groups); frozen parameters are left out."""
        inside = {id(parameter) for parameter in model.parameters()}
        if len(rates) != len(self.groups):
            raise CourseError(
                f"lr has {len(rates)} rates and the model {len(self.groups)} layer groups; give "
                "one number, or one rate for each group."
            )
        groups: list[dict[str, Any]] = []
        for parameters, rate in zip(self._parameters(), rates, strict=True):
            parameters = [p for p in parameters if p.requires_grad and id(p) in inside]
            if parameters:
                groups.append({"params": parameters, "lr": rate, "weight_decay": weight_decay})
        if not groups:
            raise CourseError("All layers are frozen; call learn.unfreeze() first.")
        kept = [group["lr"] for group in groups]
        build = self.optimizer if callable(self.optimizer) else OPTIMIZERS[self.optimizer]
        made = build(groups)
        if not isinstance(made, torch.optim.Optimizer) or isinstance(made, torch.optim.LBFGS):
            raise CourseError(
                f"optimizer={self.optimizer!r} makes none that steps once a batch; give a "
                "class such as torch.optim.Adam, or lambda groups: torch.optim.Adam(groups)."
            )
        return made, kept

    def _parameters(self) -> list[list[nn.Parameter]]:
        """Parameters of each layer group; a shared one belongs to its first group."""
        found: list[list[nn.Parameter]] = []
        seen: set[int] = set()
        for modules in self.groups:
            new = {id(p): p for module in modules for p in module.parameters() if id(p) not in seen}
            found.append(list(new.values()))
            seen |= set(new)
        return found

    def _note_left_out(self) -> None:
        """Name what is in no layer group, and would never be trained without a word."""
        try:
            inside = {id(p) for parameters in self._parameters() for p in parameters}
        except ERRORS as error:
            raise CourseError(
                "groups= takes lists of modules, such as [[net.body], [net.head]]."
            ) from error
        left = [name for name, p in self.model.named_parameters() if id(p) not in inside]
        if left:
            note(
                f"{len(left)} of the model's weights, {left[0]} first, are in no layer group and "
                "are not trained; add their modules to groups=."
            )


@checked
@dataclass
class Predictions:
    """Scores of every example, on the CPU, in order.

    Attributes:
        scores: (N, classes) float32, the output of the model.
        targets: (N,) the true classes, as the batches give them, or None where there are none.
        loss: the learner's loss; it knows how scores become probabilities.
    """

    scores: torch.Tensor
    targets: torch.Tensor | tuple[torch.Tensor, ...] | None
    loss: Any = field(repr=False)

    @property
    def log_probabilities(self) -> torch.Tensor:
        """Natural logarithms of the probabilities, (N, classes)."""
        transform = getattr(self.loss, "log_probabilities", None)
        if transform is None:
            raise CourseError(f"{self.loss!r} gives no probabilities; look at .scores instead.")
        return transform(self.scores)

    @property
    def probabilities(self) -> torch.Tensor:
        """Probabilities, (N, classes)."""
        return self.log_probabilities.exp()

    @property
    def losses(self) -> torch.Tensor:
        """Loss of every example, (N,)."""
        if not hasattr(self.loss, "per_example"):
            raise CourseError(
                f"{self.loss!r} gives no loss for each example; see ck.cross_entropy."
            )
        if self.targets is None:
            raise CourseError("These examples have no targets, so there are no losses.")
        return self.loss.per_example(self.scores, self.targets)


def _joined(parts: list) -> Any:
    """Join what the batches gave, on the CPU; None where they gave nothing."""
    if not parts:
        raise CourseError(f"There is nothing to predict: {checks.NO_BATCH}")
    if any(part is None for part in parts):
        return None
    if isinstance(parts[0], tuple):
        return tuple(_joined(list(column)) for column in zip(*parts, strict=True))
    try:
        return torch.cat(parts).cpu()
    except RuntimeError as error:
        raise CourseError(
            f"The mini-batches cannot be joined ({reason(error)}); score them one by one, by "
            "learn.model(x), or use evaluate()."
        ) from error


def _weight(x: Any, y: Any) -> int:
    """How many numbers the mean loss of a batch is over: tokens of texts, else examples."""
    classes = isinstance(y, torch.Tensor) and not y.is_floating_point()
    return y.numel() if classes and y.dim() > 1 else count(x)
