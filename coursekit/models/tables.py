"""A net for tables: an embedding for each category, the numbers beside them, a few layers."""

import itertools

import torch
from torch import nn

from coursekit.console import CourseError


def embedding_dim(cardinality):
    """Return how many numbers describe one of ``cardinality`` values: half as many, 50 at most."""
    return min(50, (cardinality + 1) // 2)


class TableNet(nn.Module):
    """Predict a number from categories and numbers (arXiv:1604.06737).

    The embeddings of all categories and the numbers, after a batch norm, stand side by side and go
    through layers of linear, ReLU, batch norm and dropout. Code 0, a category never seen before, is
    looked up as the mean of all others.

    Args:
        cardinalities: how many codes each category has, 0 included.
        n_continuous: how many number columns there are.
        hidden_sizes: units of each hidden layer.
        dropout: share of the units of each hidden layer that training drops.
        embedding_dropout: the same for the embeddings.
        y_range: (low, high), the range of the predictions by a scaled sigmoid; None for no limit.
        embedding_dims: numbers of each embedding; by default ``embedding_dim`` of its codes.
    """

    def __init__(
        self,
        cardinalities,
        n_continuous,
        *,
        hidden_sizes=(200, 100),
        dropout=0.1,
        embedding_dropout=0.05,
        y_range=None,
        embedding_dims=None,
    ):
        super().__init__()
        embedding_dims = (
            [embedding_dim(count) for count in cardinalities]
            if embedding_dims is None
            else list(embedding_dims)
        )
        if len(embedding_dims) != len(cardinalities) or not sum(embedding_dims) + n_continuous:
            raise CourseError(
                f"{len(embedding_dims)} embedding_dims were given for {len(cardinalities)} "
                f"categories and {n_continuous} numbers; give one dim a category, and at least one "
                "column."
            )
        if y_range is not None and not y_range[0] < y_range[1]:
            raise CourseError(
                f"y_range={y_range!r} holds nothing; give (low, high) with low < high."
            )
        self.y_range = y_range
        pairs = zip(cardinalities, embedding_dims, strict=True)
        self.embeddings = nn.ModuleList(nn.Embedding(count, dim) for count, dim in pairs)
        for table in self.embeddings:
            nn.init.normal_(table.weight, 0, 0.1)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.norm = nn.BatchNorm1d(n_continuous) if n_continuous else nn.Identity()
        sizes = [sum(embedding_dims) + n_continuous, *hidden_sizes]
        blocks = []
        for inside, outside in itertools.pairwise(sizes):
            blocks += [nn.Linear(inside, outside), nn.ReLU()]
            blocks += [nn.BatchNorm1d(outside), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*blocks, nn.Linear(sizes[-1], 1))

    def embed(self, categorical):
        """Return the embeddings (B, sum of embedding_dims) of codes (B, C), side by side."""
        found = []
        for table, codes in zip(self.embeddings, categorical.unbind(1), strict=True):
            rows = table(codes)
            if not self.training and len(table.weight) > 1:  # code 0 does not occur in training
                rows = torch.where((codes == 0).unsqueeze(1), table.weight[1:].mean(0), rows)
            found.append(rows)
        return torch.cat(found, 1) if found else categorical.new_zeros(len(categorical), 0).float()

    def forward(self, categorical, continuous):
        """Return predictions (B,) of categorical (B, C) int64 and continuous (B, N) float32."""
        embedded = self.embedding_dropout(self.embed(categorical))
        score = self.layers(torch.cat([embedded, self.norm(continuous)], 1)).squeeze(1)
        score = score.float()  # bfloat16 has steps of 0.06 near 9: six percent of the sales
        if self.y_range is None:
            return score
        low, high = self.y_range
        return low + (high - low) * score.sigmoid()

    def layer_groups(self):
        """Return the embeddings, then the layers."""
        return [[self.embeddings], [self.norm, self.layers]]
