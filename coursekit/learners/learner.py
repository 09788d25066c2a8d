"""``State``, ``Callback``, ``Learner``: fit, evaluate, predict; the loop in plain sight."""

import contextlib
import time
from dataclasses import dataclass, field

import torch
from torch import nn

from coursekit import runtime
from coursekit.console import CourseError, nearest, note, progress
from coursekit.learners import schedules
from coursekit.learners.checkpoints import FitCheckpoints, load_weights, save_weights
from coursekit.learners.history import History
from coursekit.learners.lr_finder import sweep
from coursekit.learners.metrics import check_metric

EVENTS = (
    "fit_start",  # before the first epoch
    "epoch_start",
    "batch_ready",  # state.x, state.y may be replaced
    "loss_ready",  # state.loss may be replaced; state.prediction is there
    "grads_ready",  # gradients are whole and unscaled: clip here
    "step_done",  # the optimizer has moved the weights
    "epoch_done",  # state.row is whole; set state.stop to end the training
    "fit_done",  # always runs, also after an error
)


ONE_IS_TOO_MUCH = (
    "The device ran out of memory with a single example; use smaller inputs or a smaller model."
)


@dataclass
class State:
    """Where a training stands; handed to every callback.

    Attributes:
        learner, model, optimizer: what is trained; not to be replaced.
        epochs, batches: how many epochs, and mini-batches an epoch.
        epoch, batch, step: finished epochs; finished batches of this epoch; optimizer steps.
        x, y, prediction, loss: of the mini-batch at hand.
        accumulate: True keeps the gradients and steps later (gradient accumulation).
        loss_scale: factor of this batch's gradients in the step.
        micro_batch_size: most examples of one forward pass, once memory has run out, else None.
        row: the row of the history in the making.
        stop: the reason why training ends early, or None.
    """

    learner: object
    model: nn.Module
    optimizer: torch.optim.Optimizer
    epochs: int
    batches: int
    epoch: int = 0
    batch: int = 0
    step: int = 0
    x: object = None
    y: object = None
    prediction: object = None
    loss: torch.Tensor | None = None
    accumulate: bool = False
    loss_scale: float = 1
    micro_batch_size: int | None = None
    retry: bool = False
    row: dict = field(default_factory=dict)
    history: History = field(default_factory=History)
    stop: str | None = None

    @property
    def progress(self):
        """Return the share of the training that is done, 0 to 1."""
        return (self.epoch * self.batches + self.batch) / (self.epochs * self.batches)


class Callback:
    """Something that listens to a training: a method named like an event is called with the state.

    Methods that are no event begin with an underscore, so that a misspelt event is an error.
    """

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        for name, thing in vars(cls).items():
            known = name in EVENTS or hasattr(Callback, name)
            if callable(thing) and not name.startswith("_") and not known:
                raise CourseError(
                    f"{cls.__name__}.{name} is no event of a training; the events are "
                    f"{', '.join(EVENTS)}; begin other methods with an underscore."
                    + nearest(name, EVENTS)
                )

    def state_dict(self):
        """Return tensors by name that a checkpoint must hold for an exact resume."""
        return {}

    def load_state_dict(self, tensors):
        """Take back what ``state_dict`` returned."""


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
        name: folder of the checkpoints, below that of all; by default the class of the model.

    Raises:
        CourseError: an argument is not what it should be.
    """

    def __init__(
        self,
        data,
        model,
        loss,
        *,
        metrics=(),
        optimizer="adamw",
        callbacks=(),
        groups=None,
        name=None,
    ):
        if not isinstance(model, nn.Module):
            raise CourseError(f"{model!r} is no model; give a torch.nn.Module, as in Net().")
        if not callable(loss):
            raise CourseError(f"loss={loss!r} cannot be called; use ck.cross_entropy, say.")
        if optimizer not in OPTIMIZERS and not callable(optimizer):
            raise CourseError(
                f"There is no optimizer {optimizer!r}; use "
                f"{' or '.join(map(repr, OPTIMIZERS))}.{nearest(optimizer, OPTIMIZERS)}"
            )
        self.device = runtime.device()
        self.precision = runtime.precision(self.device)
        self.data, self.loss, self.optimizer = data, loss, optimizer
        self.model = model.to(self.device)
        self.metrics = [check_metric(metric) for metric in _listed(metrics)]
        self.callbacks = _listed(callbacks)
        self.groups = groups or getattr(model, "layer_groups", lambda: [[model]])()
        self.name = name or type(model).__name__
        self.history = History()
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision.scaled)

    # Training ---------------------------------------------------------------------------------

    def fit(
        self,
        epochs,
        lr,
        *,
        schedule=schedules.one_cycle,
        weight_decay=0.01,
        callbacks=(),
        name=None,
        resume=True,
    ):
        """Train for ``epochs`` epochs and return the history of this fit.

        The table shows an epoch a row. A fit with a ``name`` writes a checkpoint after every epoch
        (and every few minutes within a long one); the same cells, run again from the top in a new
        kernel, read the finished epochs back and go on. A fit without a name reads and writes
        nothing.

        Args:
            epochs: times that all training examples are seen.
            lr: learning rate; one number, or one for each layer group.
            schedule: function from progress (0 to 1) to a factor of the rate, such as
                ``ck.one_cycle``, ``ck.cosine``, ``ck.CosineRestarts(3)`` or ``ck.constant``.
            weight_decay: how strongly weights are pulled to zero, per step and unit of rate.
            callbacks: listeners to this fit, beside the learner's own.
            name: of the fit, for its checkpoints; None keeps none.
            resume: False trains anew, whatever was kept under this name.

        Raises:
            CourseError: a number is out of range, or nothing can be trained.
        """
        model, data = self.model_and_data()
        epochs = self._check_fit(epochs, lr, schedule, data)
        optimizer, rates = self._make_optimizer(model, lr, weight_decay)
        state = State(self, model, optimizer, epochs, len(data.train))
        listeners = self._listeners([*self.callbacks, *_listed(callbacks)])
        settings = [epochs, rates, schedule, weight_decay, self.optimizer, self.loss, self.metrics]
        checkpoints = FitCheckpoints(self, state, listeners["all"], name, resume)
        self.history = state.history
        try:
            self._notify(listeners, "fit_start", state)
            checkpoints.read_back(data, settings)
            state.history.print_rows(self.columns)
            while state.epoch < epochs and not state.stop:
                self._run_epoch(state, data, rates, schedule, listeners, checkpoints)
            checkpoints.finish()
        finally:
            self._notify(listeners, "fit_done", state)
            optimizer.zero_grad(set_to_none=True)
            model.eval()
        if state.stop:
            note(f"stopped after epoch {state.epoch}: {state.stop}.")
        return state.history

    def _run_epoch(self, state, data, rates, schedule, listeners, checkpoints):
        """Train once over the data, evaluate, and write the row of the history."""
        state.row = {"epoch": state.epoch + 1}
        self._notify(listeners, "epoch_start", state)
        good = _copy_state(state.model)
        train_loss = self._train_epoch(state, data.train, rates, schedule, listeners, checkpoints)
        measured = self._evaluate(state.model, data.valid)
        state.row |= {"train_loss": train_loss}
        state.row |= {("valid_loss" if key == "loss" else key): measured[key] for key in measured}
        state.row["seconds"] = time.perf_counter() - checkpoints.began
        state.epoch, state.batch = state.epoch + 1, 0
        if train_loss != train_loss or abs(train_loss) == float("inf"):
            state.stop = (
                f"the loss is {train_loss}; lower the learning rate ({max(rates):g}) or look for "
                "missing values in the data; the weights are those before this epoch"
            )
            state.model.load_state_dict(good)
        state.history.append(state.row)
        self._notify(listeners, "epoch_done", state)
        state.history.print_rows(self.columns)
        checkpoints.epoch_done()

    def _train_epoch(self, state, batches, rates, schedule, listeners, checkpoints):
        """Train once over ``batches`` and return the mean loss, weighted by examples."""
        s, optimizer, scaler, cast = state, state.optimizer, self._scaler, self._autocast()
        self._train_mode(s.model)
        losses = checkpoints.losses  # (mean, examples) of every batch, read once, at the end
        for x, y in self._stream(batches, s, checkpoints):
            s.x, s.y, s.accumulate, s.loss_scale, pieces = x, y, False, 1, []
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * schedule(s.progress)
            self._notify(listeners, "batch_ready", s)
            try:
                for x, y, share in _micro_batches(s.x, s.y, s.micro_batch_size):
                    with cast:
                        s.prediction = _call(s.model, x)
                        s.loss = self.loss(s.prediction, y)
                    self._notify(listeners, "loss_ready", s)
                    weight = share * s.loss_scale
                    scaler.scale(s.loss if weight == 1 else s.loss * weight).backward()
                    pieces.append((s.loss.detach(), _weight(x, y)))
            except torch.OutOfMemoryError as error:
                self._make_room(s, error)  # the stream hands the same batch out again, in halves
                continue
            losses += pieces
            s.batch += 1
            if s.accumulate:
                continue
            scaler.unscale_(optimizer)
            self._notify(listeners, "grads_ready", s)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            s.step += 1
            self._notify(listeners, "step_done", s)
            checkpoints.step_done(losses)
        return _mean(losses)

    def _stream(self, batches, state, checkpoints):
        """Hand out mini-batches on the device; skip those that a checkpoint has behind it."""
        checkpoints.epoch_start()
        label = f"epoch {state.epoch + 1}/{state.epochs}"
        with progress(total=len(batches), label=label, unit=" batches") as bar:
            for number, (x, y) in enumerate(batches):
                bar.update()
                if number < checkpoints.skip:
                    if number == checkpoints.skip - 1:
                        checkpoints.skipped()
                    continue
                x, y = _to(x, self.device), _to(y, self.device)
                yield x, y
                while state.retry:
                    state.retry = False
                    yield x, y

    def _make_room(self, state, error):
        """After the device ran out of memory: free it and cut the batches in halves."""
        size = _examples(state.x)
        tried = min(size, state.micro_batch_size or size)
        if tried == 1:
            raise CourseError(ONE_IS_TOO_MUCH) from error
        state.prediction = state.loss = None
        state.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        state.micro_batch_size, state.retry = -(-tried // 2), True
        note(
            f"the device ran out of memory with {tried} examples: batches of {size} now go through "
            f"it in parts of {state.micro_batch_size}, whose gradients are added up before each "
            "step."
        )

    # Looking ----------------------------------------------------------------------------------

    def evaluate(self, batches=None):
        """Return {"loss": ..., metric: ...} over ``batches`` (default: the validation part)."""
        model, data = self._model_and_batches(batches)
        return self._evaluate(model, data)

    @torch.no_grad()
    def _evaluate(self, model, batches):
        """Add sums up on the device over all batches, and read them once."""
        model.eval()
        loss, seen, sums = self._zeros(1), 0, [None] * len(self.metrics)
        for x, y in batches:
            x, y = _to(x, self.device), _to(y, self.device)
            with self._autocast():
                scores = self._forward(model, x)
                loss.add_(self.loss(scores, y), alpha=_weight(x, y))
            seen += _weight(x, y)
            for number, metric in enumerate(self.metrics):
                part = metric.update(scores.float(), y).to(loss.dtype)
                sums[number] = part if sums[number] is None else sums[number].add_(part)
        if not seen:
            raise CourseError("There is nothing to evaluate on: the batches are empty.")
        measured = {"loss": loss.item() / seen}
        for metric, values in zip(self.metrics, sums, strict=True):
            measured[metric.name] = float(metric.compute(values.tolist()))
        return measured

    def _forward(self, model, x):
        """Return the scores for a batch, in halves where the device runs out of memory."""
        with contextlib.suppress(torch.OutOfMemoryError):
            return _call(model, x)
        half = _examples(x) // 2  # the memory is free again here, outside of the failed call
        if not half:
            raise CourseError(ONE_IS_TOO_MUCH)
        pieces = _slice(x, slice(half)), _slice(x, slice(half, None))
        return torch.cat([self._forward(model, piece) for piece in pieces])

    def predict(self, batches=None, *, tta=0):
        """Return the ``Predictions`` for ``batches`` (default: the validation part), in order.

        Args:
            batches: ``Batches``; shuffled ones are taken in order, without augmentation.
            tta: test-time augmentation: besides the picture as it is, so many versions of it, made
                by the augmentation of the training part, are scored and the scores averaged.
                ``ck.top_down`` knows 7 versions, which turn and mirror and draw nothing at random.

        Raises:
            CourseError: tta is asked for and the training data has no augmentation, or fewer
                versions.
        """
        augment = getattr(self.data.train, "augment", None)
        if tta and augment is None:
            raise CourseError(
                "tta= needs an augmentation; make the data with augment=ck.side_on, say."
            )
        here = self.model.to(self.device), batches
        model, batches = here if tta else self._model_and_batches(batches)
        batches = self.data.valid if batches is None else batches
        scores, targets = self._scores(model, _sequential(batches, None))
        if tta:
            versions = getattr(augment, "tta_views", lambda count: [augment] * count)(tta)
            rounds = [self._scores(model, _sequential(batches, one))[0] for one in versions]
            # Averaged are log-probabilities (softmax, but for a constant), or log-odds (sigmoid).
            scores = (scores + sum(rounds)) / (1 + tta)
        return Predictions(scores, targets, self.loss)

    @torch.no_grad()
    def _scores(self, model, batches):
        model.eval()
        scores, targets = [], []
        for x, y in batches:
            with self._autocast():
                scores.append(self._forward(model, _to(x, self.device)).float())
            targets.append(y)
        scores = torch.cat(scores).cpu()
        return scores, None if targets[0] is None else torch.cat(targets).cpu()

    def find_lr(self, *, lowest=1e-7, highest=10.0, steps=100, weight_decay=0.01):
        """Sweep the learning rate upwards over mini-batches and return the ``Sweep``.

        Weights, batch statistics and random numbers are put back: running it or not does not
        change what follows (arXiv:1506.01186).

        Args:
            lowest, highest: the rates between which it goes, in equal factors.
            steps: mini-batches at most; it ends early where the smoothed loss passes four times
                its best value, or is no number.
            weight_decay: as for ``fit``.
        """
        model, data = self.model_and_data()
        self._check_fit(1, 1.0, schedules.constant, data)
        weights, random = _copy_state(model), runtime.random_state()
        optimizer, _ = self._make_optimizer(model, 1.0, weight_decay)
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision.scaled)
        state = State(self, model, optimizer, 1, len(data.train))

        def one_step(x, y, rate):
            for group in optimizer.param_groups:
                group["lr"] = rate
            state.x, state.y, total = _to(x, self.device), _to(y, self.device), 0
            try:
                for x, y, share in _micro_batches(state.x, state.y, state.micro_batch_size):
                    with self._autocast():
                        loss = self.loss(_call(model, x), y) * share
                    scaler.scale(loss).backward()
                    total = total + loss.detach()
            except torch.OutOfMemoryError as error:
                self._make_room(state, error)
            if state.retry:
                state.retry = False
                return one_step(state.x, state.y, rate)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            return total

        self._train_mode(model)
        try:
            return sweep(one_step, data.train, lowest, highest, steps)
        finally:
            model.load_state_dict(weights)
            model.eval()
            runtime.set_random_state(random)

    # Layer groups -----------------------------------------------------------------------------

    def freeze(self):
        """Train the last layer group only."""
        self.freeze_to(-1)

    def unfreeze(self):
        """Train all layer groups."""
        self.freeze_to(0)

    def freeze_to(self, group):
        """Train the layer groups from number ``group`` on (-1: the last); freeze those before.

        Frozen batch norms keep their statistics.
        """
        if not -len(self.groups) <= group < len(self.groups):
            raise CourseError(
                f"There is no layer group {group}; this model has {len(self.groups)}, numbered "
                f"from 0 to {len(self.groups) - 1}."
            )
        first = group % len(self.groups)
        for number, parameters in enumerate(self._parameters()):
            for parameter in parameters:
                parameter.requires_grad_(number >= first)

    def set_data(self, data):
        """Train on other data from now on: larger pictures, say."""
        self.data = data

    def model_and_data(self):
        """Return (model, data) that a fit works on; a recipe may train on stored features.

        The model may have been moved since, as by ``learn.model.cpu()``: here it comes back.
        """
        return self.model.to(self.device), self.data

    def _model_and_batches(self, batches):
        """Return (model, batches) for looking at ``batches``, None meaning the validation part."""
        if batches is None:
            model, data = self.model_and_data()
            return model, data.valid
        return self.model.to(self.device), batches

    # Keeping ----------------------------------------------------------------------------------

    def save(self, file):
        """Write the weights to ``file`` (safetensors) and return its path."""
        return save_weights(self.model, file)

    def load(self, file):
        """Read weights that ``save`` wrote; the model must be the same.

        Raises:
            CourseError: the file is missing, damaged, or belongs to another model.
        """
        load_weights(self.model, file)

    # Small parts ------------------------------------------------------------------------------

    def _autocast(self):
        """Return the context of the forward pass; full precision needs none."""
        if self.precision.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.precision.dtype)

    def _zeros(self, count):
        """Return zeros to add up in: double precision where the device has it."""
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.zeros(count, dtype=dtype, device=self.device)

    def _train_mode(self, model):
        """Set all to training but what is frozen: it keeps its statistics and drops nothing."""
        model.train()
        for module in model.modules():
            weights = list(module.parameters())
            if weights and not any(weight.requires_grad for weight in weights):
                module.eval()

    def _make_optimizer(self, model, lr, weight_decay):
        """Return (optimizer, rate of each of its groups); frozen parameters are left out."""
        inside = {id(parameter) for parameter in model.parameters()}
        rates = list(lr) if isinstance(lr, (list, tuple)) else [lr] * len(self.groups)
        if len(rates) != len(self.groups):
            raise CourseError(
                f"lr has {len(rates)} rates and the model {len(self.groups)} layer groups; give "
                "one number, or one rate for each group."
            )
        groups, kept = [], []
        for parameters, rate in zip(self._parameters(), rates, strict=True):
            parameters = [p for p in parameters if p.requires_grad and id(p) in inside]
            if parameters:
                groups.append({"params": parameters, "lr": rate, "weight_decay": weight_decay})
                kept.append(rate)
        if not groups:
            raise CourseError("All layers are frozen; call learn.unfreeze() first.")
        return OPTIMIZERS.get(self.optimizer, self.optimizer)(groups), kept

    def _parameters(self):
        """Return the parameters of each layer group; a shared one belongs to its first group."""
        listed, seen = [], set()
        for modules in self.groups:
            new = {id(p): p for module in modules for p in module.parameters() if id(p) not in seen}
            listed.append(list(new.values()))
            seen |= set(new)
        return listed

    def _check_fit(self, epochs, lr, schedule, data):
        if not isinstance(epochs, int) or epochs < 1:
            raise CourseError(f"epochs={epochs!r} cannot be trained; give a whole number from 1.")
        for rate in lr if isinstance(lr, (list, tuple)) else [lr]:
            if not isinstance(rate, (int, float)) or not rate > 0:
                raise CourseError(f"lr={rate!r} is no learning rate; give a number > 0, like 0.01.")
        if not callable(schedule):
            raise CourseError(f"schedule={schedule!r} cannot be called; use ck.one_cycle, say.")
        if not len(data.train) or not len(data.valid):
            raise CourseError("The training or validation data is empty; look at learn.data.")
        return 1 if runtime.quick() else epochs

    @property
    def columns(self):
        """Return the columns of the epoch table."""
        return ["epoch", "train_loss", "valid_loss", *(m.name for m in self.metrics), "seconds"]

    @staticmethod
    def _listeners(callbacks):
        table = {event: [] for event in EVENTS}
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise CourseError(
                    f"{callback!r} is no callback; derive its class from ck.Callback."
                )
            for event in EVENTS:
                if hasattr(callback, event):
                    table[event].append(getattr(callback, event))
        return {**table, "all": list(callbacks)}

    @staticmethod
    def _notify(listeners, event, state):
        for listener in listeners[event]:
            listener(state)


@dataclass
class Predictions:
    """What a model says about every example, on the CPU, in order.

    Attributes:
        scores: (N, classes) float32, what the model gave.
        targets: (N,) the truth, or None where there is none.
        loss: the learner's loss; it knows how scores become probabilities.
    """

    scores: torch.Tensor
    targets: torch.Tensor | None
    loss: object = field(repr=False)

    @property
    def log_probabilities(self):
        """Return the natural logarithms of the probabilities, (N, classes)."""
        transform = getattr(self.loss, "log_probabilities", None)
        if transform is None:
            raise CourseError(f"{self.loss!r} gives no probabilities; look at .scores instead.")
        return transform(self.scores)

    @property
    def probabilities(self):
        """Return the probabilities, (N, classes)."""
        return self.log_probabilities.exp()

    @property
    def losses(self):
        """Return the loss of every example, (N,)."""
        return self.loss.per_example(self.scores, self.targets)


OPTIMIZERS = {
    "adamw": lambda groups: torch.optim.AdamW(groups, fused=True),
    "sgd": lambda groups: torch.optim.SGD(groups, momentum=0.9, fused=True),
}


def _listed(things):
    return list(things) if isinstance(things, (list, tuple)) else [things]


def _call(model, x):
    return model(*x) if isinstance(x, tuple) else model(x)


def _examples(x):
    return len(x[0]) if isinstance(x, tuple) else len(x)


def _weight(x, y):
    """Return how many numbers the mean loss of a batch is over: tokens of texts, else examples."""
    classes = isinstance(y, torch.Tensor) and not y.is_floating_point()
    return y.numel() if classes and y.dim() > 1 else _examples(x)


def _mean(losses):
    """Return the mean of (loss, examples) over all examples, in double precision."""
    values, counts = zip(*losses, strict=True)
    counts = torch.tensor(counts, dtype=torch.float64)
    return ((torch.stack(values).cpu().double() * counts).sum() / counts.sum()).item()


def _to(thing, where):
    if isinstance(thing, torch.Tensor):
        here = thing.device  # "cuda" is where "cuda:0" is
        near = here == where or here.type == where.type
        return thing if near else thing.to(where, non_blocking=True)
    if thing is None:
        return None
    if isinstance(thing, (tuple, list)):
        return tuple(_to(part, where) for part in thing)
    return torch.as_tensor(thing).to(where, non_blocking=True)


def _micro_batches(x, y, micro_batch_size):
    """Yield (x, y, fraction of the batch): the whole, or even pieces of at most that size."""
    count = _examples(x)
    if micro_batch_size is None or count <= micro_batch_size:
        yield x, y, 1
        return
    for rows in torch.arange(count).tensor_split(-(-count // micro_batch_size)):
        rows = slice(rows[0].item(), rows[-1].item() + 1)
        yield _slice(x, rows), _slice(y, rows), (rows.stop - rows.start) / count


def _slice(thing, rows):
    return tuple(part[rows] for part in thing) if isinstance(thing, tuple) else thing[rows]


def _copy_state(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _sequential(batches, augment):
    sequential = getattr(batches, "sequential", None)
    return batches if sequential is None else sequential(augment=augment)
