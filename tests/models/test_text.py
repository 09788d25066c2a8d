"""Models of text against torch, by hand and captum; what is carried, dropped, tied and frozen."""

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import coursekit as ck
from coursekit import CourseError
from coursekit.models.text import (
    AWDLSTM,
    LanguageModel,
    TextClassifier,
    TextTransformer,
    WeightDropLSTM,
    variational_dropout,
)

WORDS = 30


def text_of(count, seed=0):
    draw = numpy.random.default_rng(seed)
    return " ".join(f"w{number}" for number in draw.integers(0, 20, count))


@pytest.fixture(scope="module")
def stream():
    return ck.language(text_of(3000), batch_size=8, seq_len=12)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LanguageModel(AWDLSTM(WORDS, embedding_dim=8, hidden_size=12, n_layers=3))


# The encoder --------------------------------------------------------------------------------------


def test_layer_equals_torchs_lstm():
    """A weight drop that changes the layer when nothing is dropped, or where it is only used."""
    torch.manual_seed(0)
    layer, plain = WeightDropLSTM(5, 7, batch_first=True), nn.LSTM(5, 7, batch_first=True)
    plain.load_state_dict(layer.state_dict())
    x, state = torch.randn(3, 6, 5), (torch.randn(1, 3, 7), torch.randn(1, 3, 7))
    for given in (None, state):
        expected, (h, c) = plain(x, given)
        for drop in (0.0, 1e-9):  # torch's own path, and the path with a drop, which drops nothing
            found, (h2, c2) = layer(x, given, weight_drop=drop)
            for one, other in ((found, expected), (h2, h), (c2, c)):
                torch.testing.assert_close(one, other)
    layer.eval()
    assert torch.equal(layer(x, weight_drop=0.5)[0], layer(x)[0])


def test_weight_drop_drops_the_way_from_state_to_state():
    """A mask on the wrong matrix, or gradients that do not reach the true weights."""
    torch.manual_seed(0)
    layer, plain = WeightDropLSTM(5, 7, batch_first=True), nn.LSTM(5, 7, batch_first=True)
    x = torch.randn(3, 6, 5)
    torch.manual_seed(1)
    found = layer(x, weight_drop=0.5)[0]
    torch.manual_seed(1)
    dropped = F.dropout(layer.weight_hh_l0.detach(), 0.5)
    plain.load_state_dict({**layer.state_dict(), "weight_hh_l0": dropped})
    torch.testing.assert_close(found, plain(x)[0])
    found.sum().backward()
    plain(x)[0].sum().backward()
    kept = dropped != 0
    torch.testing.assert_close(layer.weight_hh_l0.grad[kept], 2 * plain.weight_hh_l0.grad[kept])
    assert (layer.weight_hh_l0.grad[~kept] == 0).all()


def test_the_same_features_are_dropped_at_all_times():
    """Plain dropout, which makes a memory forget a little at every word."""
    torch.manual_seed(0)
    x = torch.ones(64, 9, 50)
    y = variational_dropout(x, 0.3)
    assert (y == y[:, :1]).all()
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert y.mean().item() == pytest.approx(1, abs=0.05)
    assert variational_dropout(x, 0) is x


def test_whole_words_are_dropped(model):
    """Dropout of single numbers of an embedding, where whole words were meant."""
    encoder = model.encoder.train()
    encoder.dropout = 25  # half of all words
    ids = torch.arange(WORDS).repeat(2, 1)
    vectors = encoder.embed(ids)
    assert torch.equal(vectors[0], vectors[1])
    gone = (vectors[0] == 0).all(1)
    assert 3 < gone.sum() < WORDS - 3
    torch.testing.assert_close(vectors[0][~gone], 2 * encoder.embedding.weight[~gone])
    encoder.eval()
    torch.testing.assert_close(encoder.embed(ids)[0], encoder.embedding.weight)


# The language model -------------------------------------------------------------------------------


def test_state_goes_from_batch_to_batch(model):
    """A state that is lost between two windows, or that is kept from the pass before."""
    ids = torch.randint(WORDS, (4, 20))
    model.eval()
    whole = model(ids)
    model.eval()
    parts = torch.cat([model(ids[:, :7]), model(ids[:, 7:8]), model(ids[:, 8:])], 1)
    torch.testing.assert_close(parts, whole)
    assert not any(part.requires_grad for part in model.state)
    model.train()
    assert model.state is None
    model.eval()
    model(ids)
    model(ids[:2])  # another number of rows starts from nothing
    model.eval()
    assert model.state is None


def test_a_cut_within_an_epoch_keeps_the_state(stream, monkeypatch):
    """A model that goes on in the middle of a text as if it had read nothing."""
    from coursekit.learners import checkpoints

    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", -1)

    class Stop(ck.Callback):
        transient = ("_last",)

        def __init__(self, last):
            self._last = last

        def step_done(self, state):
            if state.step == self._last:
                raise KeyboardInterrupt

    def train(last=None, name="cut"):
        ck.seed(5)
        learn = ck.language_learner(stream, embedding_dim=8, hidden_size=8, n_layers=2)
        learn.fit(2, 0.01, name=name, callbacks=[Stop(last)])
        return learn

    whole = train(name=None)
    with pytest.raises(KeyboardInterrupt):
        train(len(stream.train) + 5)
    again = train()
    for one, other in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, other)


# The classifier -----------------------------------------------------------------------------------


def test_padding_does_not_count():
    """A review whose verdict depends on how long its neighbour in the batch is."""
    torch.manual_seed(0)
    sizes = torch.tensor([5, 11])
    short, long = torch.randint(WORDS, (1, 5)), torch.randint(WORDS, (1, 11))
    padded = torch.cat([F.pad(short, (0, 6), value=1), long])
    for kind in (AWDLSTM, TextTransformer):
        model = TextClassifier(kind(WORDS, embedding_dim=8, n_layers=1), 2).eval()
        alone = torch.cat([model(short, sizes[:1]), model(long, sizes[1:])])
        torch.testing.assert_close(model(padded, sizes), alone, atol=1e-5, rtol=0)


def test_pool_is_last_largest_and_mean():
    """A maximum or mean over the padding, or the last padded vector instead of the last word."""
    vectors = torch.randn(3, 6, 4)
    pooled = ck.concat_pool(vectors, torch.tensor([6, 2, 1]))
    for row, length in ((0, 6), (1, 2), (2, 1)):
        inside = vectors[row, :length]
        expected = torch.cat([inside[-1], inside.max(0).values, inside.mean(0)])
        torch.testing.assert_close(pooled[row], expected)


@pytest.mark.parametrize(
    ("kind", "sizes", "says"),
    [
        (AWDLSTM, {"n_layers": 0}, "n_layers=0"),
        (AWDLSTM, {"dropout": 9}, "dropout=9"),
        (TextTransformer, {"embedding_dim": 30}, "embedding_dim=30.*n_heads=4"),
        (TextTransformer, {"max_length": 2.5}, "max_length=2.5"),
    ],
)
def test_sizes_that_do_not_fit(kind, sizes, says):
    """An assertion from inside of an attention."""
    with pytest.raises(CourseError, match=says):
        kind(WORDS, **sizes)


def test_texts_too_long_for_a_transformer():
    """An index error from inside of an embedding."""
    model = TextTransformer(WORDS, embedding_dim=8, max_length=10)
    with pytest.raises(CourseError, match="max_length="):
        model(torch.zeros(1, 11, dtype=torch.long))
