"""A network for tables: an embedding per categorical column, then fully connected layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from coursekit.console import CourseError
from coursekit.models.embeddings import EmbeddingWithUnknown


def embedding_dim(cardinality: int) -> int:
    """Size of the embedding of a column with ``cardinality`` values: half as many, at most 50."""
    return min(50, (cardinality + 1) // 2)


class TableNet(nn.Module):
    """Predict a number from categorical and continuous columns (arXiv:1604.06737).

    The embeddings of all categorical columns and the continuous columns, batch-normalized, are
    concatenated and go through hidden layers of linear, ReLU, batch norm and dropout.

    Args:
        cardinalities: how many codes each categorical column has, with code 0 for unseen values,
            which count as the mean of all others.
        n_continuous: how many continuous columns there are.
        hidden_sizes: units of each hidden layer.
        dropout: probability of dropping a unit of a hidden layer.
        embedding_dropout: probability of dropping a number of an embedding.
        y_range: (low, high) of the predictions, by a scaled sigmoid; None leaves them unlimited.
        embedding_dims: size of each embedding; by default ``embedding_dim`` of its cardinality.

    Raises:
        CourseError: the sizes do not fit the columns, or ``y_range`` is empty.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        n_continuous: int,
        *,
        hidden_sizes: Sequence[int] = (200, 100),
        dropout: float = 0.1,
        embedding_dropout: float = 0.05,
        y_range: tuple[float, float] | None = None,
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
        if y_range is not None and not y_range[0] < y_range[1]:
            raise CourseError(f"y_range={y_range!r} is empty; give (low, high) with low < high.")
        self.y_range = y_range
        pairs = zip(cardinalities, embedding_dims, strict=True)
        self.embeddings = nn.ModuleList(EmbeddingWithUnknown(count, size) for count, size in pairs)
        for table in self.embeddings:
            table.initialize(std=0.1)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.norm = nn.BatchNorm1d(n_continuous) if n_continuous else nn.Identity()
        sizes, layers = [inputs, *hidden_sizes], []
        for size, next_size in itertools.pairwise(sizes):
            layers += [nn.Linear(size, next_size), nn.ReLU()]
            layers += [nn.BatchNorm1d(next_size), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

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
