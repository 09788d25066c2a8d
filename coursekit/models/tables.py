"""A net for tables: an embedding for each category, the numbers beside them, a few layers."""

import itertools

import torch
from torch import nn

from coursekit.console import CourseError


def embedding_width(codes):
    """Return how many numbers describe one of ``codes`` values: half as many, 50 at most."""
    return min(50, (codes + 1) // 2)


class TableNet(nn.Module):
    """Predict a number from categories and numbers (arXiv:1604.06737).

    The embeddings of all categories and the numbers, after a batch norm, stand side by side and go
    through layers of linear, ReLU, batch norm and dropout. Code 0, a category never seen before, is
    looked up as the mean of all others.

    Args:
        codes: how many codes each category has, 0 included.
        numbers: how many number columns there are.
        layers: width of each hidden layer.
        dropout: share of the units of each hidden layer that training drops.
        embedding_dropout: the same for the embeddings.
        span: (low, high), the range of the predictions by a scaled sigmoid; None for no limit.
        widths: numbers of each embedding; by default ``embedding_width`` of its codes.
    """

    def __init__(
        self,
        codes,
        numbers,
        *,
        layers=(200, 100),
        dropout=0.1,
        embedding_dropout=0.05,
        span=None,
        widths=None,
    ):
        super().__init__()
        widths = [embedding_width(count) for count in codes] if widths is None else list(widths)
        if len(widths) != len(codes) or not sum(widths) + numbers:
            raise CourseError(
                f"{len(widths)} widths were given for {len(codes)} categories and {numbers} "
                "numbers; give one width a category, and at least one column."
            )
        if span is not None and not span[0] < span[1]:
            raise CourseError(f"span={span!r} holds nothing; give (low, high) with low < high.")
        self.span = span
        pairs = zip(codes, widths, strict=True)
        self.embeddings = nn.ModuleList(nn.Embedding(count, width) for count, width in pairs)
        for table in self.embeddings:
            nn.init.normal_(table.weight, 0, 0.1)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.norm = nn.BatchNorm1d(numbers) if numbers else nn.Identity()
        sizes = [sum(widths) + numbers, *layers]
        blocks = []
        for inside, outside in itertools.pairwise(sizes):
            blocks += [nn.Linear(inside, outside), nn.ReLU()]
            blocks += [nn.BatchNorm1d(outside), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*blocks, nn.Linear(sizes[-1], 1))

    def embed(self, categories):
        """Return the embeddings (B, sum of widths) of codes (B, C), side by side."""
        found = []
        for table, codes in zip(self.embeddings, categories.unbind(1), strict=True):
            rows = table(codes)
            if not self.training and len(table.weight) > 1:  # code 0 does not occur in training
                rows = torch.where((codes == 0).unsqueeze(1), table.weight[1:].mean(0), rows)
            found.append(rows)
        return torch.cat(found, 1) if found else categories.new_zeros(len(categories), 0).float()

    def forward(self, categories, numbers):
        """Return the predictions (B,) for categories (B, C) int64 and numbers (B, N) float32."""
        embedded = self.embedding_dropout(self.embed(categories))
        score = self.layers(torch.cat([embedded, self.norm(numbers)], 1)).squeeze(1)
        score = score.float()  # bfloat16 has steps of 0.06 near 9: six percent of the sales
        if self.span is None:
            return score
        low, high = self.span
        return low + (high - low) * score.sigmoid()

    def layer_groups(self):
        """Return the embeddings, then the layers."""
        return [[self.embeddings], [self.norm, self.layers]]
