"""Recipes for tables and ratings: a fit like raw torch, errors on the real scale."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_squared_error, root_mean_squared_error
from torch import nn

import coursekit as ck
from coursekit.learners.metrics import exponentiated
from coursekit.learners.recipes import adamw_with_smaller_bias_decay
from coursekit.models.ratings import RatingNet
from tests.data.test_ratings import a_table
from tests.data.test_tables import build, make


def test_rmspe_equals_scikit_learn_whatever_the_batches():
    """Means of batches averaged, or an error measured on logarithms."""
    random = np.random.default_rng(0)
    truth, guess = random.uniform(1, 9, 100), random.uniform(1, 9, 100)
    expected = mean_squared_error(np.ones(100), guess / truth) ** 0.5
    guess, truth = torch.tensor(guess), torch.tensor(truth)
    assert ck.rmspe(guess, truth) == pytest.approx(expected)
    logs = exponentiated(ck.rmspe)
    sums = sum(
        logs.update(guess[part].log(), truth[part].log()) for part in (slice(7), slice(7, None))
    )
    assert logs.compute(sums.tolist()) == pytest.approx(expected)
    nothing = ck.rmspe(torch.tensor([5.0, 2.0]), torch.tensor([0.0, 1.0]))
    assert nothing == pytest.approx(1.0)  # as in the competition, nothing sold does not count


def test_learner_measures_on_the_real_scale():
    """An epoch table that shows the error of logarithms as if it were percent."""
    frame, valid = make()
    learn = ck.table_learner(build(frame, valid), metrics=[ck.rmspe, ck.rmse])
    row = learn.fit(1, 0.01)[-1]
    predicted, truth = learn.data.real(learn.predict().scores), frame.sales[valid].to_numpy()
    assert row["rmspe"] == pytest.approx(np.sqrt(np.mean((predicted / truth - 1) ** 2)), rel=1e-4)
    assert row["rmse"] == pytest.approx(mean_squared_error(truth, predicted) ** 0.5, rel=1e-4)


def test_a_planted_effect_is_learned():
    """Inputs that are shuffled against the targets, or an embedding that no gradient reaches."""
    random = np.random.default_rng(0)
    shop, price = random.integers(0, 6, 4000), random.normal(size=4000)
    frame = pd.DataFrame({"shop": shop, "price": price, "y": np.exp(shop / 3 + 0.3 * price)})
    ck.seed(0)
    how = {"categories": ["shop"], "continuous": ["price"], "log_target": True, "batch_size": 64}
    data = ck.table(frame, "y", valid=0.2, **how)
    learn = ck.table_learner(data, dropout=0.0, embedding_dropout=0.0)
    assert learn.fit(6, 0.02)[-1]["rmspe"] < 0.1


def test_predict_with_changes_one_column_only():
    """A slider that moves something else than what it says."""
    frame, valid = make()
    learn = ck.table_learner(build(frame, valid))
    rows = frame[valid]
    found = ck.predict_with(learn, rows, "kind", ["a", "b"])
    assert found.shape == (2, valid.sum())
    was_a = (rows.kind == "a").to_numpy()
    plain = learn.data.real(learn.predict().scores)
    np.testing.assert_allclose(found[0][was_a], plain[was_a], rtol=1e-5)


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
    with pytest.raises(ck.CourseError, match="from 10 to 100"):
        ck.ratings_learner(ck.ratings(table))
    ck.ratings_learner(ck.ratings(table), y_range=(9.5, 100.5))


def test_rmse_equals_scikit_learn():
    """A mean of the roots of batches, which is smaller than the root of the mean."""
    random = np.random.default_rng(0)
    y, guess = (torch.tensor(random.normal(size=100), dtype=torch.float32) for _ in range(2))
    assert abs(ck.rmse(guess, y) - root_mean_squared_error(y, guess)) < 1e-6
    sums = ck.rmse.update(guess[:70], y[:70]) + ck.rmse.update(guess[70:], y[70:])
    assert abs(ck.rmse.compute(sums.tolist()) - root_mean_squared_error(y, guess)) < 1e-6
