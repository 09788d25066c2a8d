"""How well do the nets of lesson 6 tell the next character of Nietzsche, given more time?

Run as ``python tests/benchmarks/characters.py TEXT [HIDDEN [EPOCHS]]``: two LSTM layers with
dropout, the state carried along, the last tenth of the text put aside. Prints one line in nats per
character. On a GPU torch's layers run on cuDNN; 512 hidden units and 20 epochs are meant for one.
"""

import sys
import time
from pathlib import Path

from torch import nn

import coursekit as ck


class Reader(nn.Module):
    """The net of the lesson: look-up, LSTM, scores for each position; it carries its state."""

    def __init__(self, characters, hidden, dropout):
        super().__init__()
        self.look_up = nn.Embedding(characters, 64)
        self.layer = nn.LSTM(64, hidden, 2, batch_first=True, dropout=dropout)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, characters)
        self.state = None

    def forward(self, x):
        """Return the scores (B, T, characters) of what follows each of x (B, T)."""
        hidden, state = self.layer(self.drop(self.look_up(x)), self.state)
        self.state = tuple(part.detach() for part in state)
        return self.out(self.drop(hidden))

    def train(self, mode=True):
        """Forget the state; the learner calls this before each pass."""
        self.state = None
        return super().train(mode)


def main(file, hidden="256", epochs="4", dropout="0.2"):
    """Train, and say how it went."""
    ck.seed(1)
    data = ck.language(Path(file), tokens="characters", batch_size=32, seq_len=64)
    model = Reader(len(data.vocabulary), int(hidden), float(dropout))
    calls = [ck.KeepHiddenState(), ck.ClipGradients(1.0)]
    learn = ck.Learner(data, model, ck.cross_entropy, callbacks=calls)
    began = time.process_time(), time.perf_counter()
    learn.fit(int(epochs), lr=0.005)
    cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
    weights = sum(parameter.numel() for parameter in model.parameters())
    found = learn.evaluate()["loss"]
    print(
        f"{found:.3f} nats per character ({found / 0.6931:.3f} bits); {weights:,} weights, "
        f"{epochs} epochs, {cpu:.0f} CPU s, {wall:.0f} s; {ck.machine()}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
