"""Collaborative filtering: a dot product with biases, scaled to the range of the ratings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coursekit.console import CourseError
from coursekit.data.batches import check_count
from coursekit.models.tables import EmbeddingWithUnknown, check_range


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
        y_range: tuple[float, float] = (0.5, 5.5),
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
