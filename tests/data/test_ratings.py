"""Tests of tables of ratings, the net of biases and factors, and its recipe."""

import numpy
import pandas
import pytest
import torch
from torch import nn

import coursekit as ck
from coursekit.learners.recipes import adamw_with_smaller_bias_decay
from coursekit.models.ratings import RatingNet
from tests.sentences import refuses


def a_table(raters=12, films=9, seed=0):
    """Return a frame of all pairs but a few, with titles that hold commas and articles."""
    random = numpy.random.default_rng(seed)
    who, what = (part.ravel() for part in numpy.meshgrid(numpy.arange(raters), numpy.arange(films)))
    kept = random.permutation(len(who))[: int(0.9 * len(who))]
    titles = numpy.array([f"Orchard, The ({1990 + film})" for film in range(films)])
    return pandas.DataFrame(
        {
            "userId": 100 + 7 * who[kept],
            "title": titles[what[kept]],
            "rating": random.integers(1, 11, len(kept)) / 2,
            "timestamp": random.permutation(len(kept)) + 1_000,
        }
    )


# The table -----------------------------------------------------------------------------------


@pytest.mark.parametrize("valid", [0.2, "time", [0, 5, 6, 7, 90]], ids=["share", "time", "rows"])
def test_codes_lead_back_to_the_rows(valid):
    """Codes shifted by one, or rows and targets in different orders."""
    table = a_table()
    data = ck.ratings(table, valid=valid)
    together = numpy.concatenate(list(data.rows.values()))
    assert sorted(together) == list(range(len(table)))
    for part in ("train", "valid"):
        users, items = getattr(data, part).inputs
        rows = table.iloc[data.rows[part]]
        assert users.dtype == items.dtype == torch.int64
        assert getattr(data, part).targets.dtype == torch.float32
        assert [data.users[code] for code in users] == rows.userId.tolist()
        assert [data.items[code] for code in items] == rows.title.tolist()
        assert getattr(data, part).targets.tolist() == rows.rating.tolist()
    assert data.counts.sum() == data.train.num_examples
    assert data.users[0] is data.items[0] is None


def test_what_only_the_validation_part_has_gets_code_0():
    """Codes fitted on all rows: a leak, and rows of a table that are never trained."""
    table = a_table()
    rare = numpy.flatnonzero((table.title == "Orchard, The (1993)") | (table.userId == 114))
    data = ck.ratings(table, valid=rare)
    users, items = data.valid.inputs
    rows = table.iloc[data.rows["valid"]]
    assert (users.numpy() == 0).tolist() == (rows.userId == 114).tolist()
    assert (items.numpy() == 0).tolist() == (rows.title == "Orchard, The (1993)").tolist()
    assert 0 not in torch.cat(data.train.inputs)
    assert "Orchard, The (1993)" not in data.items


def test_split_in_time_holds_out_the_newest():
    """A split in time that is one in the order of the file."""
    table = a_table()
    data = ck.ratings(table, valid="time")
    newest, oldest = (table.timestamp.iloc[data.rows[part]] for part in ("valid", "train"))
    assert newest.min() > oldest.max()
    assert len(newest) == len(table) // 5


def test_split_follows_the_seed_and_not_the_index():
    """A frame that was filtered has an index with holes; rows go by their place."""
    table = a_table()
    holes = table.set_index(numpy.arange(len(table)) * 3 + 50)
    one, other, third = (ck.ratings(t, seed=s) for t, s in ((table, 1), (holes, 1), (table, 2)))
    assert one.rows["valid"].tolist() == other.rows["valid"].tolist()
    assert one.rows["valid"].tolist() != third.rows["valid"].tolist()
    assert torch.equal(one.train.inputs[1], other.train.inputs[1])


def test_quick_profile_keeps_few(monkeypatch):
    """A trial run that trains on all ratings."""
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    monkeypatch.setattr("coursekit.data.ratings.QUICK", 50)
    data = ck.ratings(a_table())
    assert 40 <= data.train.num_examples + data.valid.num_examples <= 50


def test_repr_and_code_say_what_is_there():
    """A learner who looks at the data, or asks for a film, and gets an address in memory."""
    data = ck.ratings(a_table())
    assert "12 users, 9 items" in repr(data)
    assert data.items[data.code("Orchard, The (1994)")] == "Orchard, The (1994)"
    with refuses("Did you mean 'Orchard, The (1994)'?"):
        data.code("Orchard, The (1904)")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"user": "user"}, "Did you mean 'userId'"),
        ({"item": "movie"}, "no column 'movie'"),
        ({"rating": "title"}, "holds no numbers"),
        ({"valid": 1.5}, "no share"),
        ({"valid": 0}, "no share"),
        ({"valid": "date"}, "no way to split"),
        ({"valid": [0.5, 0.7]}, "numbers of rows"),
        ({"valid": [10_000]}, "numbers of rows"),
        ({"valid": []}, "numbers of rows"),
        ({"valid": 1e-9}, "without ratings"),
        ({"valid": "time", "time": "when"}, "no column 'when'"),
    ],
    ids=str,
)
def test_bad_tables_are_one_sentence(options, word):
    """Forty lines of pandas where a column is misspelt."""
    with refuses(word):
        ck.ratings(a_table(), **options)


def test_gaps_are_named():
    """A rating of nan that turns the loss into nan an epoch later."""
    table = a_table()
    table.loc[3, "rating"] = numpy.nan
    with refuses("1 rows have no rating"):
        ck.ratings(table)


# The recipe ----------------------------------------------------------------------------------


def test_recipe_trains_like_a_raw_loop():
    """Weights of a fit that differ from those of torch's own optimiser and schedule."""
    data = ck.ratings(a_table(), batch_size=16)
    ck.seed(3)
    learn = ck.ratings_learner(data, n_factors=4)
    ck.seed(4)
    learn.fit(2, 0.01, weight_decay=0.5, schedule=ck.constant)
    ck.seed(3)
    net = RatingNet(len(data.users), len(data.items), 4, mean=data.train.targets.mean().item())
    ck.seed(4)
    biases = [net.user_bias.weight, net.item_bias.weight]
    tastes = [net.user_factors.weight, net.item_factors.weight]
    optimizer = torch.optim.AdamW(
        [{"params": biases, "weight_decay": 0.05}, {"params": tastes, "weight_decay": 0.5}],
        lr=0.01,
        fused=True,
    )
    for _ in range(2):
        for x, y in data.train:
            optimizer.zero_grad()
            nn.functional.mse_loss(net(*x), y).backward()
            optimizer.step()
    net.eval()
    for one, other in zip(learn.model.parameters(), net.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_decay_of_biases_is_a_tenth():
    """Biases of films with few ratings that are pulled to nothing."""
    bias, factor = nn.Parameter(torch.ones(3, 1)), nn.Parameter(torch.ones(3, 2))
    groups = [{"params": [one], "lr": 0.1, "weight_decay": 1.0} for one in (bias, factor)]
    optimizer = adamw_with_smaller_bias_decay(groups)
    bias.grad, factor.grad = torch.zeros(3, 1), torch.zeros(3, 2)
    optimizer.step()
    assert torch.allclose(bias, torch.full((3, 1), 0.99))
    assert torch.allclose(factor, torch.full((3, 2), 0.9))


def test_a_fit_is_read_back():
    """A lesson that trains again whatever it has trained before; equal seconds are no chance."""
    rows = []
    for _ in range(2):
        ck.seed(0)
        learn = ck.ratings_learner(ck.ratings(a_table()), n_factors=2)
        rows.append(learn.fit(2, 0.01, name="twice")[-1])
    assert rows[0] == rows[1]


def test_ratings_outside_of_the_span_are_refused():
    """Marks from 1 to 100 squeezed into five stars, with a loss that stays at a thousand."""
    table = a_table().assign(rating=lambda rows: 20 * rows.rating)
    with refuses("The ratings go from 10 to 100", "y_range=(9.5, 100.5)"):
        ck.ratings_learner(ck.ratings(table))
    ck.ratings_learner(ck.ratings(table), y_range=(9.5, 100.5))


def test_rmse_equals_scikit_learn():
    """A mean of the roots of batches, which is smaller than the root of the mean."""
    from sklearn.metrics import root_mean_squared_error

    random = numpy.random.default_rng(0)
    y, guess = (torch.tensor(random.normal(size=100), dtype=torch.float32) for _ in range(2))
    assert abs(ck.rmse(guess, y) - root_mean_squared_error(y, guess)) < 1e-6
    sums = ck.rmse.update(guess[:70], y[:70]) + ck.rmse.update(guess[70:], y[70:])
    assert abs(ck.rmse.compute(sums.tolist()) - root_mean_squared_error(y, guess)) < 1e-6
