"""Recipes: which model, loss, metric and freezing for which data."""

import contextlib
import copy
import hashlib

import torch

from coursekit import runtime
from coursekit.console import CourseError, nearest, note, progress, reason
from coursekit.data.batches import Batches, Data
from coursekit.data.images import ImageData, to_floats
from coursekit.data.picture import read_picture
from coursekit.learners.callbacks import ClipGradients, KeepHiddenState
from coursekit.learners.checkpoints import read_tensors, save_weights, write_tensors
from coursekit.learners.events import Callback
from coursekit.learners.identity import hash_weights
from coursekit.learners.learner import OPTIMIZERS, Learner
from coursekit.learners.losses import binary_cross_entropy, cross_entropy, mean_squared_error
from coursekit.learners.metrics import (
    accuracy,
    check_metric,
    exponentiated,
    f_beta,
    perplexity,
    rmse,
    rmspe,
)
from coursekit.models.pictures import image_model
from coursekit.models.ratings import RatingNet
from coursekit.models.tables import TableNet
from coursekit.models.text import AWDLSTM, LanguageModel, TextClassifier, TextTransformer


def image_learner(
    data,
    architecture="resnet34",
    *,
    pretrained=True,
    precompute=False,
    metrics=None,
    optimizer="adamw",
    callbacks=(),
    name=None,
):
    """Return a learner for pictures: a pretrained body, frozen, and a new head.

    Args:
        data: what ``ck.images`` returns.
        architecture: name of any torchvision classifier (``ck.architectures()`` lists them), or
            "drawings", the small network that comes with the course.
        pretrained: False starts from random weights, nothing frozen.
        precompute: True runs the frozen body once over the pictures and trains the head on what it
            gave, in seconds; augmentation rests meanwhile. ``learn.precompute = False`` ends that.
        metrics: for the epoch table; by default accuracy, or F2 where a picture has several labels.
        optimizer, callbacks, name: as for ``Learner``.

    Raises:
        CourseError: the architecture is unknown, or its weights cannot be had.
    """
    multi_label = getattr(data, "multi_label", False)
    if metrics is None:
        metrics = [f_beta(2)] if multi_label else [accuracy]
    learner = ImageLearner(
        data,
        image_model(
            architecture,
            len(data.classes),
            pretrained=pretrained,
            size=getattr(data, "size", 224),
        ),
        binary_cross_entropy if multi_label else cross_entropy,
        metrics=metrics,
        optimizer=optimizer,
        callbacks=callbacks,
        name=name or architecture,
    )
    learner.architecture = architecture
    if pretrained:
        learner.freeze()
    elif precompute:
        note("precompute=True needs pretrained=True: a body of random weights has to train.")
    learner.precompute = precompute and pretrained
    return learner


class ImageLearner(Learner):
    """A ``Learner`` of an ``ImageModel`` that can train its head on stored features.

    Attributes:
        precompute: whether fits work on features of the frozen body, computed once.
        architecture: name of the body.
    """

    precompute = False
    architecture = None
    _features = None

    def freeze_to(self, group):
        """Train the layer groups from number ``group`` on; a body that trains ends precompute."""
        super().freeze_to(group)
        if self.precompute and any(p.requires_grad for p in self.model.body.parameters()):
            self.precompute = False
            note("the body trains now, so its features are computed afresh for every batch.")

    def model_and_data(self):
        """Return (head, data of stored features) with precompute, else (model, data)."""
        if not self.precompute:
            return super().model_and_data()
        self.model.to(self.device)
        state = (
            self.data.train,
            self.data.valid,
            *(value._version for value in self.model.body.state_dict().values()),
        )
        if self._features is None or self._features[0] != state:
            if self.data.train.augment is not None:
                note("augmentation rests while precompute is on; set learn.precompute = False.")
            parts = [self._featurise(part) for part in (self.data.train, self.data.valid)]
            self._features = state, Data(*parts, classes=self.data.classes)
        return self.model.head, self._features[1]

    def _model_and_batches(self, batches):
        if batches is None or batches is self.data.valid:
            model, data = self.model_and_data()
            return model, data.valid
        return super()._model_and_batches(batches)

    def _featurise(self, batches):
        """Run the body once over all pictures; kept on disk for the next time."""
        plain = batches.sequential()
        key = hash_weights(self.model.body) + plain.fingerprint() + str(self.precision.dtype)
        key = hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
        file = runtime.home() / "cache" / "features" / f"{key}.safetensors"
        features = self._kept_features(file)
        if features is None:
            features = self._run_body(plain)
            self._keep_features(file, features)
        return Batches(
            features,
            batches.targets,
            batch_size=batches.batch_size,
            shuffle=batches.shuffle,
            filenames=batches.filenames,
            cache_key=key,
        )

    @torch.no_grad()
    def _run_body(self, batches):
        self.model.eval()
        found = []
        for x, _ in progress(batches, total=len(batches), label="features", unit=" batches"):
            with self._autocast():
                found.append(self.model.features(x).float())
        return torch.cat(found).cpu()

    def _kept_features(self, file):
        """Return what ``_keep_features`` wrote, or None where it is not there or damaged."""
        if file.exists():
            with contextlib.suppress(CourseError):
                return read_tensors(file)[0]["features"]
        return None

    def _keep_features(self, file, features):
        try:
            write_tensors(file, {"features": features})
        except OSError as error:
            note(
                f"the features stay in memory, since {file.parent} cannot be written "
                f"({reason(error)}); make room there, or set COURSEKIT_HOME."
            )

    def _preprocessing(self):
        if not isinstance(self.data, ImageData):
            raise CourseError(
                "This learner's Data was put together by hand and does not say how large its "
                "pictures are. Make it by ck.images, or from such Data by data.replace(train=...)."
            )
        return {name: getattr(self.data, name) for name in ("size", "resize", "multi_label")}

    def classifier(self):
        """Return the trained model as an ``ImageClassifier``, to be called with a picture."""
        return ImageClassifier(self.model, self.data.classes, **self._preprocessing())

    def export(self, file):
        """Write model, classes and picture size to one file, for ``ck.load_model``.

        Args:
            file: path to write, such as "cats.safetensors".
        """
        facts = {
            "kind": "pictures",
            "architecture": self.architecture,
            "classes": list(self.data.classes),
            **self._preprocessing(),
        }
        return save_weights(self.model, file, facts)


class ImageClassifier:
    """A trained model, its classes and the picture size that it was trained on.

    Call it with a path or a ``PIL.Image``; it returns {class: probability}, most probable first.
    """

    def __init__(self, model, classes, *, size, resize, multi_label):
        self.model, self.classes = model, tuple(classes)
        self.size, self.resize, self.multi_label = size, resize, multi_label

    def pixels(self, picture):
        """Return one picture as the model takes it: floats (1, 3, size, size) in 0..1.

        Raises:
            CourseError: the file is not there or is no picture.
        """
        square = read_picture(picture, size=self.size, resize=self.resize)
        where = next(self.model.parameters()).device
        pixels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
        return to_floats(pixels.view(1, self.size, self.size, 3).to(where))

    @torch.no_grad()
    def __call__(self, picture):
        """Return {class: probability} for one picture.

        Raises:
            CourseError: the file is not there or is no picture.
        """
        x = self.pixels(picture)
        self.model.eval()
        scores = self.model(x)[0].float()
        shares = (scores.sigmoid() if self.multi_label else scores.softmax(0)).tolist()
        ranked = sorted(zip(self.classes, shares, strict=True), key=lambda pair: -pair[1])
        return dict(ranked)

    def __repr__(self):
        return f"ImageClassifier({', '.join(self.classes)}; {self.size} px)"


def load_model(file):
    """Load what ``learn.export`` wrote, on any machine, without the data it was trained on.

    Returns:
        ImageClassifier: call it with a picture.

    Raises:
        CourseError: the file is missing, damaged, or no exported model.
    """
    tensors, facts = read_tensors(file)
    if facts.get("kind") != "pictures":
        raise CourseError(f"{file} is no exported model; write one by learn.export(...).")
    try:
        classes = facts["classes"]
        options = {name: facts[name] for name in ("size", "resize", "multi_label")}
        how = {"pretrained": False, "size": options["size"]}
        model = image_model(facts["architecture"], len(classes), **how)
        model.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        raise CourseError(
            f"{file} was exported by another version of the course; export it again."
        ) from error
    return ImageClassifier(model.to(runtime.device()).eval(), classes, **options)


def ratings_learner(
    data, n_factors=50, *, y_range=(0.5, 5.5), metrics=(rmse,), callbacks=(), name="ratings"
):
    """Return a learner of ratings: biases and factors of users and items, see ``RatingNet``.

    The weight decay of a fit pulls at the factors, and a tenth of it at the biases: an average is
    known from fewer ratings than a taste. A ``weight_decay`` around 1 suits most tables.

    Args:
        data: what ``ck.ratings`` returns.
        n_factors: how many numbers describe a user or an item.
        y_range: (low, high), the range of the predictions, a little wider than that of the ratings.
        metrics, callbacks, name: as for ``Learner``.

    Raises:
        CourseError: ratings lie outside of the y_range.
    """
    targets = data.train.targets
    low, high = targets.min().item(), targets.max().item()
    if not y_range[0] <= low <= high <= y_range[1]:
        raise CourseError(
            f"The ratings go from {low:g} to {high:g}, which y_range={y_range!r} does not hold; "
            f"use y_range=({low - 0.5:g}, {high + 0.5:g}), say."
        )
    sizes, mean = (len(data.users), len(data.items)), targets.mean().item()
    return Learner(
        data,
        RatingNet(*sizes, n_factors, y_range=y_range, mean=mean),
        mean_squared_error,
        metrics=list(metrics),
        optimizer=adamw_with_smaller_bias_decay,
        callbacks=callbacks,
        name=name,
    )


def adamw_with_smaller_bias_decay(groups):
    """Return AdamW over groups of parameters; those of one column get a tenth of the decay."""
    for group in groups:
        if all(parameter.shape[-1] == 1 for parameter in group["params"]):
            group["weight_decay"] = group["weight_decay"] / 10
    return OPTIMIZERS["adamw"](groups)


def table_learner(
    data,
    *,
    hidden_sizes=(200, 100),
    dropout=0.1,
    embedding_dropout=0.05,
    embedding_dims=None,
    y_range=None,
    metrics=(rmspe,),
    optimizer="adamw",
    callbacks=(),
    name="table",
):
    """Return a learner of a number from a table: embeddings and a few layers, see ``TableNet``.

    Metrics are measured on the real scale, also where the target is learned as a logarithm.

    Args:
        data: what ``ck.table`` returns.
        hidden_sizes, dropout, embedding_dropout, embedding_dims: as for ``TableNet``.
        y_range: (low, high) of the predictions, of the logarithm where the target is one; by
            default a fifth wider on each side than the targets of the training part.
        metrics, optimizer, callbacks, name: as for ``Learner``.

    Raises:
        CourseError: a width is missing, or the y_range is empty.
    """
    if y_range is None:
        low, high = (value.item() for value in torch.aminmax(data.train.targets))
        room = 0.2 * (high - low) or 1.0
        y_range = (low - room, high + room)
    return Learner(
        data,
        TableNet(
            [len(values) for values in data.categories.values()],
            len(data.continuous),
            hidden_sizes=hidden_sizes,
            dropout=dropout,
            embedding_dropout=embedding_dropout,
            y_range=y_range,
            embedding_dims=embedding_dims,
        ),
        mean_squared_error,
        metrics=[exponentiated(check_metric(one)) if data.log_target else one for one in metrics],
        optimizer=optimizer,
        callbacks=callbacks,
        name=name,
    )


# Text -----------------------------------------------------------------------------------------


class ActivationRegularization(Callback):
    """Keep the vectors of a language model small and slow to change (arXiv:1708.01009).

    Args:
        alpha: factor of the mean square of the vectors (AR).
        beta: factor of the mean square of their change from token to token (TAR).
    """

    def __init__(self, alpha=2.0, beta=1.0):
        self.alpha, self.beta = alpha, beta

    def loss_ready(self, state):
        """Add both penalties to the loss."""
        dropped, whole = state.model.outputs
        state.loss = state.loss + self.alpha * dropped.float().pow(2).mean()
        if whole.shape[1] > 1:
            slow = (whole[:, 1:] - whole[:, :-1]).float().pow(2).mean()
            state.loss = state.loss + self.beta * slow


def language_learner(
    data,
    model=None,
    *,
    embedding_dim=400,
    hidden_size=1152,
    n_layers=3,
    dropout=1.0,
    clip=0.4,
    metrics=(accuracy, perplexity),
    optimizer="adamw",
    callbacks=(),
    name=None,
):
    """Return a learner for a language model: by default an AWD-LSTM (arXiv:1708.02182).

    It clips gradients, penalizes large and quickly changing vectors, and carries its state from
    batch to batch.

    Args:
        data: what ``ck.language`` returns.
        model: another ``LanguageModel``; the sizes below count only where there is none.
        embedding_dim, hidden_size, n_layers: sizes of the AWD-LSTM.
        dropout: factor of all five dropouts.
        clip: gradients longer than this are shortened.
        metrics, optimizer, callbacks, name: as for ``Learner``.
    """
    if model is None:
        words = len(data.vocabulary)
        sizes = {"embedding_dim": embedding_dim, "hidden_size": hidden_size, "n_layers": n_layers}
        model = LanguageModel(AWDLSTM(words, **sizes, dropout=dropout))
    usual = [ClipGradients(clip), ActivationRegularization(), KeepHiddenState()]
    return Learner(
        data,
        model,
        cross_entropy,
        metrics=list(metrics),
        optimizer=optimizer,
        callbacks=[*usual, *callbacks],
        name=name or "language",
    )


def text_learner(
    data,
    encoder="lstm",
    *,
    dropout=1.0,
    sizes=None,
    metrics=(accuracy,),
    optimizer="adamw",
    callbacks=(),
    name=None,
):
    """Return a learner for labelled texts: an encoder and a head that pools over all its vectors.

    Args:
        data: what ``ck.text`` returns.
        encoder: a learner of a language model, whose encoder is copied and frozen at first; or
            "lstm" or "transformer", from random weights.
        dropout: factor of the five dropouts of an LSTM.
        sizes: dict of sizes for a new encoder, such as ``{"embedding_dim": 64, "n_layers": 2}``.
        metrics, optimizer, callbacks, name: as for ``Learner``.

    Raises:
        CourseError: the encoder is unknown, or knows another vocabulary.
    """
    vocabulary, pretrained = data.vocabulary, not isinstance(encoder, str)
    if pretrained:
        known = encoder.data.vocabulary
        if known.itos != vocabulary.itos:
            raise CourseError(
                f"The encoder knows {known} and the data {vocabulary}, which differ; make the "
                "data by ck.text(..., vocabulary=language_data)."
            )
        if encoder.data.backward != data.backward:
            raise CourseError("Encoder and data read in opposite directions; make backward= alike.")
        body = copy.deepcopy(encoder.model.encoder)
        body.dropout = dropout
    elif encoder == "lstm":
        body = AWDLSTM(len(vocabulary), dropout=dropout, **(sizes or {}))
    elif encoder == "transformer":
        body = TextTransformer(len(vocabulary), **(sizes or {}))
    else:
        raise CourseError(
            f"There is no encoder {encoder!r}; use 'lstm', 'transformer', or a learner of a "
            "language model." + nearest(encoder, ["lstm", "transformer"])
        )
    learner = Learner(
        data,
        TextClassifier(body, len(data.classes)),
        cross_entropy,
        metrics=list(metrics),
        optimizer=optimizer,
        callbacks=callbacks,
        name=name or "text",
    )
    if pretrained:
        learner.freeze()
    return learner
