"""Networks on embeddings: of the columns of a table, and of users and items for ratings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.data.batches import check_count


@checked
def embedding_dim(cardinality: int) -> int:
    """Size of the embedding of a column with ``cardinality`` values: half as many, at most 50."""
    check_count("cardinality", cardinality)
    return min(50, (cardinality + 1) // 2)


def check_range(y_range: Sequence[float]) -> tuple[float, float]:
    """Read (low, high); raise a CourseError where it is none."""
    if len(y_range) == 2 and y_range[0] < y_range[1]:
        return float(y_range[0]), float(y_range[1])
    raise CourseError(f"y_range={y_range!r} is no range; give (low, high) with low < high.")


def check_dropout(name: str, value: float, most: float = 1.0) -> None:
    """Raise a CourseError where the argument ``name`` is not from 0 to ``most``."""
    if not 0 <= value <= most:
        raise CourseError(f"{name}={value!r} is not a number from 0 to {most:g}, such as 0.1.")


class EmbeddingWithUnknown(nn.Embedding):
    """An embedding whose code 0 stands for unseen values and is the mean of all other rows.

    No training example has code 0, so nothing trains that row. ``eval()`` sets it.
    """

    def initialize(self, std: float) -> None:
        """Draw the weights from a normal distribution around 0."""
        nn.init.normal_(self.weight, 0, std)
        self._set_unknown()

    def train(self, mode: bool = True) -> EmbeddingWithUnknown:
        """Switch between training and evaluation; the latter refreshes the row of code 0."""
        if not mode:
            self._set_unknown()
        return super().train(mode)

    @torch.no_grad()
    def _set_unknown(self) -> None:
        if len(self.weight) > 1:
            self.weight[0] = self.weight[1:].mean(0)


class TableNet(nn.Module):
    """Predict a number from categorical and continuous columns (arXiv:1604.06737).

    The embeddings of all categorical columns and the continuous columns, batch-normalized, are
    concatenated and go through hidden layers of linear, ReLU, batch norm and dropout.

    Args:
        cardinalities: how many codes each categorical column has, with code 0 for unseen values,
            which count as the mean of all others.
        n_continuous: how many continuous columns there are.
        hidden_sizes: units of each hidden layer.
        dropout, embedding_dropout: probability of dropping a unit, or a number of an embedding.
        y_range: (low, high) of the predictions, by a scaled sigmoid; None leaves them unlimited.
        embedding_dims: size of each embedding; by default ``embedding_dim`` of its cardinality.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        n_continuous: int,
        *,
        hidden_sizes: Sequence[int] = (200, 100),
        dropout: float = 0.1,
        embedding_dropout: float = 0.05,
        y_range: Sequence[float] | None = None,
        embedding_dims: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if embedding_dims is None:
            embedding_dims = [embedding_dim(cardinality) for cardinality in cardinalities]
        inputs = sum(embedding_dims) + n_continuous
        if len(embedding_dims) != len(cardinalities) or not inputs:
            raise CourseError(
                f"embedding_dims={list(embedding_dims)} does not fit {len(cardinalities)} "
                f"categorical and {n_continuous} continuous columns. Give one size per "
                "categorical column, and at least one column."
            )
        for name, sizes in (("hidden_sizes", hidden_sizes), ("embedding_dims", embedding_dims)):
            for size in sizes:
                check_count(name, size)
        check_dropout("dropout", dropout)
        check_dropout("embedding_dropout", embedding_dropout)
        self.y_range = None if y_range is None else check_range(y_range)
        pairs = zip(cardinalities, embedding_dims, strict=True)
        self.embeddings = nn.ModuleList(EmbeddingWithUnknown(count, size) for count, size in pairs)
        for table in self.embeddings:
            table.initialize(std=0.1)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.norm = nn.BatchNorm1d(n_continuous) if n_continuous else nn.Identity()
        units, layers = [inputs, *hidden_sizes], []
        for size, next_size in itertools.pairwise(units):
            layers += [nn.Linear(size, next_size), nn.ReLU()]
            layers += [nn.BatchNorm1d(next_size), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(units[-1], 1))

    def embed(self, categorical: Tensor) -> Tensor:
        """Concatenate the embeddings (B, sum of their sizes) of codes (B, C) int64."""
        columns = zip(self.embeddings, categorical.unbind(1), strict=True)
        vectors = [table(codes) for table, codes in columns]  # C times (B, size)
        return torch.cat(vectors, 1) if vectors else categorical.float()

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Predict (B,) from codes (B, C) int64 and numbers (B, N) float32."""
        embedded = self.embedding_dropout(self.embed(categorical))
        scores = self.layers(torch.cat([embedded, self.norm(continuous)], 1)).squeeze(1)
        scores = scores.float()  # bfloat16 has steps of 0.06 near 9: six percent of the sales
        if self.y_range is None:
            return scores
        low, high = self.y_range
        return low + (high - low) * scores.sigmoid()

    def layer_groups(self) -> list[list[nn.Module]]:
        """Two groups of modules: the embeddings, then all other layers."""
        return [[self.embeddings], [self.norm, self.layers]]


class RatingNet(nn.Module):
    """Predict low + (high - low) * sigmoid(offset + user bias + item bias + user · item).

    Args:
        n_users, n_items: how many codes there are, with code 0 for unknown users and items, which
            count as the mean of all others.
        n_factors: size of the vector of a user or an item.
        y_range: (low, high) of the predictions; a little wider than that of the ratings, since a
            sigmoid never reaches its ends.
        mean: the mean rating, where training starts from; by default the middle of ``y_range``.
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_factors: int = 50,
        *,
        y_range: Sequence[float] = (0.5, 5.5),
        mean: float | None = None,
    ) -> None:
        super().__init__()
        low, high = self.low, self.high = check_range(y_range)
        check_count("n_factors", n_factors)
        mean = (low + high) / 2 if mean is None else mean
        if not low < mean < high:
            raise CourseError(
                f"y_range={y_range!r} does not hold the mean rating, {mean:.2f}; give a range "
                "around it, as in (0.5, 5.5)."
            )
        self.register_buffer("offset", torch.tensor((mean - low) / (high - low)).logit())
        self.user_bias = EmbeddingWithUnknown(n_users, 1)
        self.item_bias = EmbeddingWithUnknown(n_items, 1)
        self.user_factors = EmbeddingWithUnknown(n_users, n_factors)
        self.item_factors = EmbeddingWithUnknown(n_items, n_factors)
        for table in (self.user_bias, self.item_bias, self.user_factors, self.item_factors):
            table.initialize(std=0.01)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Predict the ratings (B,) of users (B,) for items (B,), both int64 codes."""
        bias = (self.user_bias(users) + self.item_bias(items)).squeeze(1)  # (B,)
        match = (self.user_factors(users) * self.item_factors(items)).sum(1)  # (B, K) -> (B,)
        return self.low + (self.high - self.low) * (self.offset + bias + match).sigmoid()

    def layer_groups(self) -> list[list[nn.Module]]:
        """Two groups of modules: the biases, then the factors."""
        return [[self.user_bias, self.item_bias], [self.user_factors, self.item_factors]]
