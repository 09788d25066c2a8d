"""The history: a list of plain rows that prints as the table of the training."""

import torch
from torch import nn

import coursekit as ck


def trained(epochs):
    """Return the history of a small training."""
    torch.manual_seed(1)
    x = torch.randn(40, 6)
    part = ck.Batches(x, (x[:, 0] > 0).long(), batch_size=16)
    learn = ck.Learner(ck.Data(part, part), nn.Linear(6, 2), ck.cross_entropy, metrics=ck.accuracy)
    return learn.fit(epochs, 0.1)


def test_history_is_a_table_in_plain_text():
    """Guards against rows that hold tensors, miss a column, or print with the wrong head."""
    history = trained(2)
    assert [list(row) for row in history] == [
        ["epoch", "train_loss", "valid_loss", "accuracy", "seconds"]
    ] * 2
    assert all(type(value) in (int, float) for row in history for value in row.values())
    head, *rows = repr(history).splitlines()
    assert head.split() == ["epoch", "train", "loss", "valid", "loss", "accuracy", "seconds"]
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert repr(ck.History()) == "History of no epoch"


def test_the_table_is_printed_once(capsys):
    """Guards against an epoch printed twice, or a head above every row."""
    trained(3)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "1", "2", "3"]
