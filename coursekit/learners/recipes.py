"""Recipes: which model, loss, metric and freezing for which data."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import torch

from coursekit.arguments import checked
from coursekit.console import CourseError, no_such, note
from coursekit.data.batches import Data
from coursekit.data.images import ImageData
from coursekit.data.ratings import RatingsData
from coursekit.data.tables import TableData
from coursekit.data.text import LanguageData, TextData
from coursekit.learners.callbacks import ClipGradients
from coursekit.learners.checks import listed
from coursekit.learners.events import Callback, State
from coursekit.learners.identity import changed_meaning
from coursekit.learners.learner import OPTIMIZERS, Learner
from coursekit.learners.metrics import (
    Metric,
    accuracy,
    binary_cross_entropy,
    check_metrics,
    cross_entropy,
    exponentiated,
    f_beta,
    mean_squared_error,
    perplexity,
    rmse,
    rmspe,
)
from coursekit.learners.pictures import ImageLearner
from coursekit.models.pictures import image_model
from coursekit.models.tables import RatingNet, TableNet
from coursekit.models.text import AWDLSTM, LanguageModel, TextClassifier, TextTransformer

Recipe = TypeVar("Recipe", bound=Callable[..., Learner])


def recipe(kind: type[Data], **defaults: Any) -> Callable[[Recipe], Recipe]:
    """Decorate a recipe for data of a kind whose ``**options`` and ``defaults`` go to ``Learner``.

    Shift+Tab shows them all, and a misspelt one is a CourseError.
    """

    def decorate(function: Recipe) -> Recipe:
        name, shown = function.__name__, dict(inspect.signature(function).parameters)
        shown.pop("options")
        maker = name.removesuffix("_learner").replace("image", "images")
        for option in inspect.signature(Learner).parameters.values():
            if option.kind is option.KEYWORD_ONLY:
                default = defaults.get(option.name, option.default)
                shown.setdefault(option.name, option.replace(default=default))

        @functools.wraps(function)
        def make(data: Data, *args: Any, **options: Any) -> Learner:
            if not isinstance(data, kind):
                raise CourseError(
                    f"ck.{name} needs {kind.__name__}, as ck.{maker} makes it, not "
                    f"{type(data).__name__}."
                )
            return function(data, *args, **{**defaults, **options})

        make.__signature__ = inspect.Signature(list(shown.values()))  # type: ignore[attr-defined]
        return cast(Recipe, checked(make))

    return decorate


# Pictures -------------------------------------------------------------------------------------


@recipe(ImageData)
def image_learner(
    data: ImageData,
    architecture: str = "resnet34",
    *,
    pretrained: bool = True,
    precompute: bool = False,
    **options: Any,
) -> ImageLearner:
    """Make a learner of pictures: a pretrained body, frozen, and a new head.

    Args:
        data: what ``ck.images`` returns.
        architecture: as for ``image_model``.
        pretrained: False starts from random weights, nothing frozen.
        precompute: True runs the frozen body once over the pictures and trains the head on the
            features, in seconds and without augmentation, until ``learn.precompute = False``.
        options: as for ``Learner``; metrics are by default accuracy, or F2 for several labels.
    """
    if precompute and not pretrained:
        note("precompute=True needs pretrained=True: a body of random weights has to train.")
    learner = ImageLearner(
        data,
        image_model(architecture, len(data.classes), pretrained=pretrained, size=data.size),
        binary_cross_entropy if data.multi_label else cross_entropy,
        architecture=architecture,
        precompute=precompute and pretrained,
        **{
            "metrics": [f_beta(2) if data.multi_label else accuracy],
            "name": architecture,
            **options,
        },
    )
    if pretrained:
        learner.freeze()
    return learner


# Ratings and tables ---------------------------------------------------------------------------


def adamw_with_smaller_bias_decay(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """AdamW over groups of parameters; the tables of biases get a tenth of the weight decay."""
    for group in groups:
        if all(parameter.shape[-1] == 1 for parameter in group["params"]):
            group["weight_decay"] = group["weight_decay"] / 10
    return OPTIMIZERS["adamw"](groups)


@recipe(RatingsData, metrics=(rmse,), optimizer=adamw_with_smaller_bias_decay, name="ratings")
def ratings_learner(
    data: RatingsData,
    n_factors: int = 50,
    *,
    y_range: Sequence[float] = (0.5, 5.5),
    **options: Any,
) -> Learner:
    """Make a learner of ratings: biases and factors of users and items, see ``RatingNet``.

    A tenth of the weight decay of a fit acts on the biases: an average is known from fewer ratings
    than a taste. A ``weight_decay`` around 1 suits most tables.

    Args:
        data: what ``ck.ratings`` returns.
        n_factors: size of the vector of a user or an item.
        y_range: (low, high) of the predictions, a little wider than that of the ratings.
        options: as for ``Learner``.
    """
    targets = data.train.targets
    low, high = targets.min().item(), targets.max().item()
    if not y_range[0] <= low <= high <= y_range[1]:
        raise CourseError(
            f"The ratings go from {low:g} to {high:g}, outside of y_range={y_range!r}; use "
            f"y_range=({low - 0.5:g}, {high + 0.5:g}), say."
        )
    sizes = len(data.users), len(data.items), n_factors
    model = RatingNet(*sizes, y_range=y_range, mean=targets.mean().item())
    return Learner(data, model, mean_squared_error, **options)


@recipe(TableData, name="table")
def table_learner(
    data: TableData,
    *,
    hidden_sizes: Sequence[int] = (200, 100),
    dropout: float = 0.1,
    embedding_dropout: float = 0.05,
    embedding_dims: Sequence[int] | None = None,
    y_range: Sequence[float] | None = None,
    metrics: Metric | Sequence[Metric] = (rmspe,),
    **options: Any,
) -> Learner:
    """Make a learner of a number from a table: embeddings and hidden layers, see ``TableNet``.

    Args:
        data: what ``ck.table`` returns.
        hidden_sizes, dropout, embedding_dropout, embedding_dims: as for ``TableNet``.
        y_range: (low, high) of the predictions, of the logarithm where the target is one; by
            default a fifth wider on each side than the targets of the training part.
        metrics: measured on the real scale, also where the target is learned as a logarithm.
        options: as for ``Learner``.
    """
    if y_range is None:
        low, high = (value.item() for value in torch.aminmax(data.train.targets))
        margin = 0.2 * (high - low) or 1.0
        y_range = (low - margin, high + margin)
    model = TableNet(
        [len(values) for values in data.categories.values()],
        len(data.continuous),
        hidden_sizes=hidden_sizes,
        dropout=dropout,
        embedding_dropout=embedding_dropout,
        embedding_dims=embedding_dims,
        y_range=y_range,
    )
    metrics = check_metrics(metrics)
    if data.log_target:
        metrics = [exponentiated(metric) for metric in metrics]
    return Learner(data, model, mean_squared_error, metrics=metrics, **options)


# Text -----------------------------------------------------------------------------------------


class ActivationRegularization(Callback):
    """Penalize large vectors of a language model (AR), and large changes (TAR, arXiv:1708.01009).

    Args:
        alpha: factor of the mean square of the vectors after dropout.
        beta: factor of the mean square of their change from token to token, before dropout.
    """

    def __init__(self, alpha: float = 2.0, beta: float = 1.0) -> None:
        self.alpha, self.beta = alpha, beta

    def loss_ready(self, state: State) -> None:
        """Add both penalties to the loss."""
        dropped, raw = state.model.outputs  # (B, T, C) each
        state.loss = state.loss + self.alpha * dropped.float().pow(2).mean()
        if raw.shape[1] > 1:
            changes = raw[:, 1:] - raw[:, :-1]
            state.loss = state.loss + self.beta * changes.float().pow(2).mean()


@recipe(LanguageData, metrics=(accuracy, perplexity), name="language")
def language_learner(
    data: LanguageData,
    model: LanguageModel | None = None,
    *,
    embedding_dim: int = 400,
    hidden_size: int = 1152,
    n_layers: int = 3,
    dropout: float = 1.0,
    clip: float = 0.4,
    callbacks: Callback | Sequence[Callback] = (),
    **options: Any,
) -> Learner:
    """Make a learner of a language model: by default an AWD-LSTM (arXiv:1708.02182).

    It clips gradients, regularizes activations, and carries its state from batch to batch.

    Args:
        data: what ``ck.language`` returns.
        model: another ``LanguageModel``, in place of the sizes below.
        embedding_dim, hidden_size, n_layers, dropout: as for ``AWDLSTM``.
        clip: largest norm of the gradients.
        callbacks, options: as for ``Learner``.
    """
    if model is None:
        sizes = {"embedding_dim": embedding_dim, "hidden_size": hidden_size, "n_layers": n_layers}
        model = LanguageModel(AWDLSTM(len(data.vocabulary), **sizes, dropout=dropout))
    if not isinstance(model, LanguageModel):
        raise CourseError(
            f"{type(model).__name__} is no LanguageModel; use ck.Learner(data, model, "
            "ck.cross_entropy) for another network."
        )
    own = [ClipGradients(clip), ActivationRegularization()]
    return Learner(data, model, cross_entropy, callbacks=[*own, *listed(callbacks)], **options)


@recipe(TextData, metrics=(accuracy,), name="text")
def text_learner(
    data: TextData,
    encoder: Learner | str = "lstm",
    *,
    dropout: float = 1.0,
    sizes: dict[str, Any] | None = None,
    **options: Any,
) -> Learner:
    """Make a learner of labelled texts: an encoder and a head that pools over all its vectors.

    Args:
        data: what ``ck.text`` returns.
        encoder: a learner of a language model, whose encoder is copied and frozen at first; or
            "lstm" or "transformer", from random weights.
        dropout: factor of the five dropouts of an LSTM.
        sizes: of a new encoder, such as ``{"embedding_dim": 64, "n_layers": 2}``.
        options: as for ``Learner``.
    """
    vocab_size = len(data.vocabulary)
    if encoder == "lstm":
        body = AWDLSTM(vocab_size, dropout=dropout, **(sizes or {}))
    elif encoder == "transformer":
        body = TextTransformer(vocab_size, **(sizes or {}))
    elif isinstance(encoder, Learner) and isinstance(encoder.model, LanguageModel):
        if changed := changed_meaning(encoder.data, data):
            raise CourseError(
                f"The encoder has learned another {' and '.join(changed)} than the texts have; "
                "make them by ck.text(..., vocabulary=language_data, "
                f"backward={encoder.data.backward})."
            )
        body = copy.deepcopy(encoder.model.encoder)
        body.dropout = dropout
    else:
        raise no_such("encoder", encoder, ["lstm", "transformer", "a learner of a language model"])
    learner = Learner(data, TextClassifier(body, len(data.classes)), cross_entropy, **options)
    if isinstance(encoder, Learner):
        learner.freeze()
    return learner
