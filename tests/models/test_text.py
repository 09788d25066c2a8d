"""Models of text against torch, by hand and captum; what is carried, dropped, tied and frozen."""

import copy

import numpy
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import coursekit as ck
from coursekit import CourseError
from coursekit.data.text import Vocabulary
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


def few_reviews(count=40):
    texts = [f"{text_of(5 + row % 7, row)} {'dull' if row % 2 else 'fine'}" for row in range(count)]
    return texts, [("bad" if row % 2 else "good") for row in range(count)]


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


def test_nothing_is_dropped_in_use(model):
    """Predictions that differ from call to call."""
    ids = torch.randint(WORDS, (4, 9))
    model.eval()
    first = model(ids)
    model.eval()
    assert torch.equal(first, model(ids))
    model.train()
    assert not torch.allclose(first, model(ids))


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


def test_tied_weights_train_in_one_group(stream):
    """An optimizer that refuses a shared weight, moves it twice, or freezes it in the last one."""
    learn = ck.language_learner(stream, embedding_dim=8, hidden_size=8, n_layers=1)
    groups = learn._parameters()
    assert [len(group) for group in groups] == [1, 4, 1]
    assert groups[0][0] is learn.model.decoder.weight
    learn.freeze_to(1)
    assert not learn.model.decoder.weight.requires_grad
    before = learn.model.decoder.weight.detach().clone()
    learn.fit(1, [0.1, 0.01, 0.01])
    assert torch.equal(before, learn.model.decoder.weight)
    learn.unfreeze()
    learn.fit(1, [0.1, 0.01, 0.01])
    assert not torch.equal(before, learn.model.decoder.weight)
    assert learn.model.decoder.weight is learn.model.encoder.embedding.weight


def test_training_equals_a_raw_loop(stream):
    """A learner that loses the state, clips or penalises otherwise than it says."""
    ck.seed(3)
    learn = ck.language_learner(
        stream, embedding_dim=8, hidden_size=8, n_layers=1, dropout=0, optimizer="sgd"
    )
    raw = copy.deepcopy(learn.model)
    learn.fit(1, 0.5, schedule=ck.constant, weight_decay=0)
    optimizer = torch.optim.SGD(raw.parameters(), lr=0.5, momentum=0.9)
    raw.train()
    state = None
    for x, y in stream.train:
        said, after = nn.LSTM.forward(raw.encoder.layers[0], raw.encoder.embedding(x), state)
        state = tuple(part.detach() for part in after)
        loss = F.cross_entropy(raw.decoder(said).flatten(0, 1), y.flatten())
        loss = loss + 2 * said.pow(2).mean() + (said[:, 1:] - said[:, :-1]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(raw.parameters(), 0.4)
        optimizer.step()
    for one, other in zip(learn.model.parameters(), raw.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_losses_are_weighted_by_tokens(stream):
    """Batch means averaged as if the last, shorter batch counted as much as the others."""
    learn = ck.language_learner(stream, embedding_dim=8, hidden_size=8, n_layers=1)
    measured = learn.evaluate()
    learn.model.eval()
    with torch.no_grad():
        pairs = [(learn.model(x).flatten(0, 1), y.flatten()) for x, y in stream.valid]
    scores, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    assert len({len(y) for _, y in pairs}) > 1, "the last batch has to be shorter for this test"
    loss = F.cross_entropy(scores, targets).item()
    assert measured["loss"] == pytest.approx(loss, rel=1e-5)
    assert measured["perplexity"] == pytest.approx(numpy.exp(loss), rel=1e-5)


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
    for encoder in (
        AWDLSTM(WORDS, embedding_dim=8, n_layers=1),
        TextTransformer(WORDS, embedding_dim=8),
    ):
        model = TextClassifier(encoder, 2).eval()
        short, long = torch.randint(2, WORDS, (1, 5)), torch.randint(2, WORDS, (1, 11))
        padded = torch.cat([F.pad(short, (0, 6), value=1), long])
        both = model(padded, torch.tensor([5, 11]))
        torch.testing.assert_close(both[:1], model(short, torch.tensor([5])), atol=1e-5, rtol=0)
        torch.testing.assert_close(both[1:], model(long, torch.tensor([11])), atol=1e-5, rtol=0)


def test_pool_is_last_largest_and_mean():
    """A maximum or mean over the padding, or the last padded vector instead of the last word."""
    vectors = torch.randn(3, 6, 4)
    pooled = ck.concat_pool(vectors, torch.tensor([6, 2, 1]))
    for row, length in ((0, 6), (1, 2), (2, 1)):
        inside = vectors[row, :length]
        expected = torch.cat([inside[-1], inside.max(0).values, inside.mean(0)])
        torch.testing.assert_close(pooled[row], expected)


def test_encoder_is_carried_over_and_frozen(stream):
    """A classifier that starts from nothing, or that spoils the language model it came from."""
    texts, labels = few_reviews()
    language = ck.language_learner(stream, embedding_dim=8, hidden_size=8, n_layers=1)
    data = ck.text(texts, labels=labels, batch_size=8, vocabulary=stream)
    learn = ck.text_learner(data, language, dropout=0.5)
    source, copied = language.model.encoder.state_dict(), learn.model.encoder.state_dict()
    assert all(torch.equal(source[name], copied[name]) for name in source)
    assert learn.model.encoder.dropout == 0.5
    assert language.model.encoder.dropout == 1.0
    trained = [name for name, one in learn.model.named_parameters() if one.requires_grad]
    assert trained
    assert all(name.startswith("head") for name in trained)
    before = {name: value.clone() for name, value in source.items()}
    learn.unfreeze()
    learn.fit(1, [0.1, 0.1, 0.1])
    assert all(torch.equal(before[name], value) for name, value in source.items())


def test_an_encoder_of_another_vocabulary_is_refused(stream):
    """Numbers that mean other words: it would train, to no avail, without a message."""
    texts, labels = few_reviews()
    language = ck.language_learner(stream, embedding_dim=8, hidden_size=8, n_layers=1)
    with pytest.raises(CourseError, match="vocabulary=language_data"):
        ck.text_learner(ck.text(texts, labels=labels), language)
    back = ck.text(texts, labels=labels, vocabulary=stream, backward=True)
    with pytest.raises(CourseError, match="opposite directions"):
        ck.text_learner(back, language)
    with pytest.raises(CourseError, match="Did you mean 'lstm'"):
        ck.text_learner(back, "lstn")


def test_texts_too_long_for_a_transformer():
    """An index error from inside of an embedding."""
    model = TextTransformer(WORDS, embedding_dim=8, max_length=10)
    with pytest.raises(CourseError, match="max_length="):
        model(torch.zeros(1, 11, dtype=torch.long))


@pytest.mark.parametrize("encoder", ["lstm", "transformer"])
def test_a_classifier_learns(encoder):
    """A recipe that runs and learns nothing."""
    ck.seed(1)
    texts, labels = few_reviews(200)
    data = ck.text(texts, labels=labels, batch_size=16, valid=0.25)
    learn = ck.text_learner(data, encoder, sizes={"embedding_dim": 16, "n_layers": 1})
    assert learn.fit(6, 0.01)[-1]["accuracy"] > 0.9


def test_gradient_times_input_equals_captum():
    """The attribution of the lesson by another hand."""
    from captum.attr import InputXGradient

    torch.manual_seed(0)
    model = TextClassifier(AWDLSTM(WORDS, embedding_dim=8, hidden_size=8, n_layers=2), 2).eval()
    ids, lengths = torch.randint(2, WORDS, (1, 9)), torch.tensor([9])
    vectors = model.encoder.embed(ids).detach().requires_grad_()
    scores = model(ids, lengths, vectors=vectors)
    (gradient,) = torch.autograd.grad(scores[0, 1] - scores[0, 0], vectors)

    def difference(given):
        found = model(ids, lengths, vectors=given)
        return found[:, 1] - found[:, 0]

    expected = InputXGradient(difference).attribute(vectors.detach().requires_grad_())
    torch.testing.assert_close(gradient * vectors, expected, atol=1e-5, rtol=0)


def test_vocabulary_prints_its_size():
    """A repr that prints twenty thousand words."""
    assert repr(Vocabulary.learn(["a a b b"])) == "Vocabulary(8 words)"
