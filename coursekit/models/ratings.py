"""Ratings from tastes: a dot product with biases, squeezed into the range of the ratings."""

import torch
from torch import nn

from coursekit.console import CourseError


class RatingNet(nn.Module):
    """Predict low + (high - low) * sigmoid(offset + user bias + item bias + user · item).

    Code 0 stands for an unknown user or item and is scored as the mean of all others.

    Args:
        n_users, n_items: how many codes there are, 0 included.
        n_factors: how many numbers describe a user or an item.
        y_range: (low, high), the range of the predictions; a little wider than that of the ratings,
            since a sigmoid never reaches its ends.
        mean: the mean rating, where the training starts from.
    """

    def __init__(self, n_users, n_items, n_factors=50, *, y_range=(0.5, 5.5), mean=None):
        super().__init__()
        low, high = y_range
        mean = (low + high) / 2 if mean is None else mean
        if not (low < mean < high and n_factors >= 1):
            raise CourseError(
                f"y_range={y_range!r} with {n_factors} factors cannot be trained; give a range "
                f"around the mean rating ({mean:.2f}), as in (0.5, 5.5), and at least one factor."
            )
        self.low, self.high = float(low), float(high)
        share = torch.tensor((mean - low) / (high - low))
        self.register_buffer("offset", share.logit())
        self.user_bias, self.item_bias = nn.Embedding(n_users, 1), nn.Embedding(n_items, 1)
        self.user_factors = nn.Embedding(n_users, n_factors)
        self.item_factors = nn.Embedding(n_items, n_factors)
        for table in (self.user_bias, self.item_bias, self.user_factors, self.item_factors):
            nn.init.normal_(table.weight, 0, 0.01)

    def forward(self, users, items):
        """Return the predicted ratings (B,) of users (B,) for items (B,)."""
        biases = self._rows(self.user_bias, users) + self._rows(self.item_bias, items)  # (B, 1)
        factors = self._rows(self.user_factors, users) * self._rows(self.item_factors, items)
        score = self.offset + biases.squeeze(1) + factors.sum(1)
        return self.low + (self.high - self.low) * score.sigmoid()

    def _rows(self, table, codes):
        rows = table(codes)
        if self.training:  # code 0 does not occur there
            return rows
        return torch.where((codes == 0).unsqueeze(1), table.weight[1:].mean(0), rows)

    def layer_groups(self):
        """Return the biases, then the factors."""
        return [[self.user_bias, self.item_bias], [self.user_factors, self.item_factors]]
