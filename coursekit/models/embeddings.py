"""Embeddings that also know a value which the training data does not have."""

from __future__ import annotations

import torch
from torch import nn


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
