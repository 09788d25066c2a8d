"""Recipes: the right model, loss, metrics and freezing; options are shown and checked."""

import copy
import inspect

import numpy
import pandas
import pytest
import torch
from sklearn.metrics import mean_squared_error
from torch import nn

import coursekit as ck
from coursekit import CourseError
from coursekit.learners.metrics import cross_entropy
from coursekit.models.tables import RatingNet

RECIPES = {
    "images": ck.image_learner,
    "ratings": ck.ratings_learner,
    "table": ck.table_learner,
    "text": ck.text_learner,
    "language": ck.language_learner,
}


@pytest.fixture(scope="module")
def data(picture_folder):
    """Return small data of every kind, by the name of its reader."""
    rng = numpy.random.default_rng(0)
    texts = [f"it was {'fine' if row % 2 else 'dull'} {'so ' * (row % 3)}" for row in range(200)]
    labels = ["pos" if row % 2 else "neg" for row in range(200)]
    frame = pandas.DataFrame({"shop": rng.integers(0, 6, 4000), "price": rng.normal(size=4000)})
    frame["sales"] = numpy.exp(frame.shop / 3 + 0.3 * frame.price)
    stars = pandas.DataFrame({"userId": numpy.repeat(range(12), 9), "title": [*"abcdefghi"] * 12})
    stars["rating"] = rng.integers(1, 11, len(stars)) / 2
    language = ck.language(" ".join(texts), batch_size=4, seq_len=8)
    return {
        "images": ck.images(picture_folder, size=32, batch_size=8),
        "ratings": ck.ratings(stars, batch_size=16),
        "table": ck.table(
            frame,
            "sales",
            valid=0.2,
            categories=["shop"],
            continuous=["price"],
            log_target=True,
            batch_size=64,
        ),
        "language": language,
        "text": ck.text(texts, labels=labels, vocabulary=language, batch_size=16, valid=0.25),
    }


# Options of the learner -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", RECIPES)
def test_options_are_shown_and_reach_the_learner(data, kind):
    """A signature of **options, which swallows misspelt ones; a default that wins over them."""
    shown, options = (set(inspect.signature(f).parameters) for f in (RECIPES[kind], ck.Learner))
    assert options - {"model", "loss"} <= shown - {"options"} == shown
    with pytest.raises(CourseError, match=r"'metric'.*'metrics'"):
        RECIPES[kind](data[kind], metric=[ck.rmse])
    stop = ck.KeepBestWeights()
    given = ["drawings"] if kind == "images" else []
    options = {"metrics": ck.rmse, "optimizer": "sgd", "callbacks": stop, "name": "mine"}
    learn = RECIPES[kind](data[kind], *given, **options)
    assert [metric.name for metric in learn.metrics] == ["rmse"]
    assert (learn.optimizer, learn.name, learn.callbacks[-1]) == ("sgd", "mine", stop)


@pytest.mark.parametrize("kind", ["ratings", "table", "text", "language"])
def test_data_of_another_kind_is_refused(data, kind):
    """AttributeError: 'ImageData' object has no attribute 'users'."""
    with pytest.raises(CourseError, match=f"ck.{kind} .*ImageData"):
        RECIPES[kind](data["images"])
    with pytest.raises(CourseError, match=f"ck.{kind}"):
        RECIPES[kind](ck.Data(data["images"].train, data["images"].valid))


# Pictures -------------------------------------------------------------------------------------


def test_one_label_a_picture(data):
    """The loss or the metric of the other kind would be taken, or all weights trained."""
    learn = ck.image_learner(data["images"], "drawings")
    assert learn.loss is cross_entropy
    assert [metric.name for metric in learn.metrics] == ["accuracy"]
    assert not any(p.requires_grad for p in learn.model.body.parameters())
    assert all(p.requires_grad for p in learn.model.head.parameters())


def test_random_weights_train_as_a_whole(data, capsys):
    """A frozen body of random weights learns nothing."""
    learn = ck.image_learner(data["images"], "drawings", pretrained=False, precompute=True)
    assert all(p.requires_grad for p in learn.model.parameters())
    assert learn.precompute is False
    assert "pretrained=True" in capsys.readouterr().out


# Ratings --------------------------------------------------------------------------------------


def test_ratings_train_like_a_raw_loop(data):
    """Weights of a fit that differ from those of torch's own optimizer and loss."""
    rows = data["ratings"]
    ck.seed(3)
    learn = ck.ratings_learner(rows, n_factors=4)
    ck.seed(4)
    learn.fit(2, 0.01, weight_decay=0.5, schedule=ck.constant)
    ck.seed(3)
    net = RatingNet(len(rows.users), len(rows.items), 4, mean=rows.train.targets.mean().item())
    ck.seed(4)
    biases = [net.user_bias.weight, net.item_bias.weight]
    factors = [net.user_factors.weight, net.item_factors.weight]
    groups = [
        {"params": biases, "weight_decay": 0.05},
        {"params": factors, "weight_decay": 0.5},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01, fused=True)
    for _ in range(2):
        for x, y in rows.train:
            optimizer.zero_grad()
            nn.functional.mse_loss(net(*x), y).backward()
            optimizer.step()
    for found, expected in zip(learn.model.parameters(), net.eval().parameters(), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_ratings_outside_of_the_range_are_refused(data):
    """Marks from 1 to 100 squeezed into five stars, with a loss that stays at a thousand."""
    with pytest.raises(CourseError, match=r"from 0.5 to 5, .*\(1, 5\).*=\(0, 5.5\)"):
        ck.ratings_learner(data["ratings"], y_range=(1, 5))


# Tables ---------------------------------------------------------------------------------------


def test_a_table_is_learned_and_measured_on_the_real_scale(data):
    """Errors of logarithms as if they were percent, or an embedding that no gradient reaches."""
    options = {"dropout": 0.0, "embedding_dropout": 0.0, "metrics": [ck.rmspe, ck.rmse]}
    ck.seed(0)
    learn = ck.table_learner(data["table"], **options)
    row = learn.fit(6, 0.02)[-1]
    assert row["rmspe"] < 0.1  # what was planted is learned
    found = learn.predict()
    predicted, actual = found.scores.exp().numpy(), found.targets.exp().numpy()
    assert row["rmspe"] == pytest.approx(numpy.mean((predicted / actual - 1) ** 2) ** 0.5, rel=1e-4)
    assert row["rmse"] == pytest.approx(mean_squared_error(actual, predicted) ** 0.5, rel=1e-4)


# Text -----------------------------------------------------------------------------------------

SIZES = {"embedding_dim": 8, "hidden_size": 8, "n_layers": 1}


@pytest.fixture
def stream():
    """Return a text whose last batch of the validation part is shorter than the others."""
    words = numpy.random.default_rng(0).integers(0, 20, 3000)
    return ck.language(" ".join(f"w{word}" for word in words), batch_size=8, seq_len=12)


def test_a_language_model_trains_like_a_raw_loop(stream):
    """A learner that loses the state, clips or penalizes otherwise than it says."""
    ck.seed(3)
    learn = ck.language_learner(stream, **SIZES, dropout=0, optimizer="sgd")
    raw = copy.deepcopy(learn.model)
    learn.fit(1, 0.5, schedule=ck.constant, weight_decay=0)
    optimizer = torch.optim.SGD(raw.parameters(), lr=0.5, momentum=0.9)
    raw.train()
    state = None
    for x, y in stream.train:
        vectors, after = nn.LSTM.forward(raw.encoder.layers[0], raw.encoder.embedding(x), state)
        state = tuple(part.detach() for part in after)
        loss = nn.functional.cross_entropy(raw.decoder(vectors).flatten(0, 1), y.flatten())
        loss = loss + 2 * vectors.pow(2).mean()
        loss = loss + (vectors[:, 1:] - vectors[:, :-1]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(raw.parameters(), 0.4)
        optimizer.step()
    for found, expected in zip(learn.model.parameters(), raw.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


def test_tied_weights_train_in_one_group(stream):
    """An optimizer that refuses a shared weight, moves it twice, or freezes it in the last one."""
    learn = ck.language_learner(stream, **SIZES)
    decoder, embedding = learn.model.decoder, learn.model.encoder.embedding
    before = decoder.weight.detach().clone()
    learn.freeze_to(1)
    learn.fit(1, [0.1, 0.01, 0.01])
    assert torch.equal(before, decoder.weight)
    learn.unfreeze()
    learn.fit(1, [0.1, 0.01, 0.01])
    assert not torch.equal(before, decoder.weight)
    assert decoder.weight is embedding.weight


def test_losses_are_weighted_by_tokens(stream):
    """Batch means averaged as if the last, shorter batch counted as much as the others."""
    learn = ck.language_learner(stream, **SIZES)
    measured = learn.evaluate()
    learn.model.eval()
    with torch.no_grad():
        pairs = [(learn.model(x).flatten(0, 1), y.flatten()) for x, y in stream.valid]
    scores, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    assert len({len(y) for _, y in pairs}) > 1
    loss = nn.functional.cross_entropy(scores, targets).item()
    assert measured["loss"] == pytest.approx(loss, rel=1e-5)
    assert measured["perplexity"] == pytest.approx(numpy.exp(loss), rel=1e-5)


def test_an_encoder_is_carried_over_and_frozen(data):
    """A classifier that starts from nothing, or that spoils the language model it came from."""
    language = ck.language_learner(data["language"], **SIZES)
    learn = ck.text_learner(data["text"], language, dropout=0.5)
    source = {name: value.clone() for name, value in language.model.encoder.state_dict().items()}
    for name, value in learn.model.encoder.state_dict().items():
        assert torch.equal(value, source[name])
    assert (learn.model.encoder.dropout, language.model.encoder.dropout) == (0.5, 1.0)
    trained = {name.split(".")[0] for name, p in learn.model.named_parameters() if p.requires_grad}
    assert trained == {"head"}
    learn.unfreeze()
    learn.fit(1, 0.1)
    for name, value in language.model.encoder.state_dict().items():
        assert torch.equal(value, source[name])


def test_an_encoder_that_does_not_fit_is_refused(data):
    """Ids that mean other words: it would train, to no avail, without a message."""
    language, texts = ck.language_learner(data["language"], **SIZES), ["a b"] * 12
    labels = ["pos", "neg"] * 6
    with pytest.raises(CourseError, match=r"vocabulary=language_data"):
        ck.text_learner(ck.text(texts, labels=labels), language)
    back = ck.text(texts, labels=labels, vocabulary=data["language"], backward=True)
    with pytest.raises(CourseError, match=r"backward=False"):
        ck.text_learner(back, language)
    for encoder in ("lstn", ck.text_learner(back)):
        with pytest.raises(CourseError, match=r"'lstm'"):
            ck.text_learner(back, encoder)


@pytest.mark.parametrize("encoder", ["lstm", "transformer"])
def test_a_classifier_of_texts_learns(data, encoder):
    """A recipe that runs and learns nothing."""
    ck.seed(1)
    learn = ck.text_learner(data["text"], encoder, sizes={"embedding_dim": 16, "n_layers": 1})
    assert learn.fit(6, 0.01)[-1]["accuracy"] > 0.9


@pytest.mark.parametrize("tokens", ["words", "characters"])
def test_a_verdict_does_not_depend_on_the_neighbors(tokens):
    """A transformer that hides spaces, and reads padding, where texts are characters."""
    texts = ck.text(["a good film", "a bad film"] * 20, labels=["p", "n"] * 20, tokens=tokens)
    sizes = {"embedding_dim": 16, "n_layers": 1, "n_heads": 2}
    model = ck.text_learner(texts, "transformer", sizes=sizes).model.eval()
    with torch.no_grad():
        alone = model(*texts.vocabulary.padded_batch(["good film"]))
        beside = model(*texts.vocabulary.padded_batch(["good film", "a very long text " * 6]))
    torch.testing.assert_close(alone[0], beside[0], atol=1e-5, rtol=0)
