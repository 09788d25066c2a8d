"""The explorers of lesson 4."""

import torch

import coursekit as ck
from coursekit.visuals import explore

TEXTS = ["The plot was clever and the cast was superb.", "The plot was dull; the cast was not."]
VOCABULARY = ck.Vocabulary.learn(TEXTS, min_freq=1)
VALUE = {"clever": 1.0, "superb": 2.0, "dull": -2.0, "not": -0.5}


def judge(text):
    """Return a verdict that only adds up words, as a small model would give it."""
    tokens = VOCABULARY.split(text)
    values = torch.tensor([VALUE.get(token, 0.0) for token in tokens])
    return values.sum().sigmoid().item(), tokens, values


def probabilities(numbers):
    """Return probabilities in which the token after the last one is likely."""
    found = torch.full((len(VOCABULARY),), 0.5)
    found[(numbers[-1] + 1) % len(VOCABULARY)] = 5
    return found / found.sum()


def sharpen(p, temperature):
    """Temper probabilities; no unknown word, no padding, no new review."""
    p = p ** (1 / temperature)
    p[: VOCABULARY.stoi["<start>"] + 1] = 0
    return p / p.sum()


EXPLORERS = {
    "review": (
        lambda: explore.review(judge, text="The plot was superb."),
        [{"text": "The plot was dull."}, {"beside": "The cast was clever, but $dull$."}],
    ),
}
