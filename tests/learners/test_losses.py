"""Losses equal torch's own, and refuse what torch would broadcast or die of."""

import pytest
import torch
import torch.nn.functional as F

import coursekit as ck
from coursekit.learners.metrics import Loss

COUNT, CLASSES = 7, 3
DRAW = torch.Generator().manual_seed(0)
LABELS = torch.randint(CLASSES, (COUNT,), generator=DRAW)
FLAGS = torch.randint(2, (COUNT, CLASSES), generator=DRAW).float()
CASES = [
    (ck.cross_entropy, (COUNT, CLASSES), LABELS, F.cross_entropy),
    (ck.binary_cross_entropy, (COUNT, CLASSES), FLAGS, F.binary_cross_entropy_with_logits),
    (ck.mean_squared_error, (COUNT,), torch.randn(COUNT, generator=DRAW), F.mse_loss),
]


@pytest.mark.parametrize(
    ("loss", "shape", "targets", "reference"), CASES, ids=["classes", "flags", "numbers"]
)
def test_losses_equal_torch(loss, shape, targets, reference):
    """A mean over something else than the examples, or a loss of each that does not add up."""
    scores = torch.randn(shape)
    expected = reference(scores, targets)
    torch.testing.assert_close(loss(scores, targets), expected)
    losses = loss.per_example(scores, targets)
    assert losses.shape == (COUNT,)
    torch.testing.assert_close(losses.mean(), expected)


def test_every_position_of_a_text_is_an_example():
    """Scores (B, T, classes) that are taken for (B, classes, T)."""
    scores, targets = torch.randn(4, CLASSES, CLASSES), torch.randint(CLASSES, (4, CLASSES))
    expected = F.cross_entropy(scores.transpose(1, 2), targets)
    torch.testing.assert_close(ck.cross_entropy(scores, targets), expected)
    assert ck.cross_entropy.per_example(scores, targets).shape == (4,)


def test_log_probabilities():
    """A softmax where labels are independent, or a sigmoid where they exclude each other."""
    scores = torch.randn(COUNT, CLASSES)
    torch.testing.assert_close(ck.cross_entropy.log_probabilities(scores), scores.log_softmax(1))
    flags = ck.binary_cross_entropy.log_probabilities(scores)
    torch.testing.assert_close(flags.exp(), scores.sigmoid())
    assert Loss("own", F.l1_loss).log_probabilities is None
