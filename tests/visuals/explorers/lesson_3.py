"""The explorers of lesson 3."""

import functools

import numpy
import pandas

import coursekit as ck
from coursekit.visuals import explore


def shops(rows=120):
    """Return a table of invented days with a gap in both kinds of columns."""
    random = numpy.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "Store": random.integers(1, 5, rows),
            "Date": pandas.date_range("2014-08-01", periods=rows),
            "Kind": random.choice(["a", "b", "c"], rows),
            "Promo": random.integers(0, 2, rows),
            "Rain": random.integers(0, 20, rows),
            "Heat": random.normal(20, 5, rows),
            "Distance": numpy.exp(random.normal(7, 2, rows)),
            "Sales": random.uniform(3000, 9000, rows).round(),
        }
    )
    frame.loc[3, "Kind"], frame.loc[5, "Distance"] = None, numpy.nan
    return frame


@functools.cache
def model():
    """Return (learner, frame): a small net that has seen the table once."""
    frame = shops()
    how = {"categories": ["Store", "Kind"], "continuous": ["Promo", "Rain", "Heat", "Distance"]}
    data = ck.table(frame, "Sales", valid=0.3, log_target=True, batch_size=16, **how)
    ck.seed(0)
    learn = ck.table_learner(data, hidden_sizes=(16,))
    learn.fit(1, 0.01)
    return learn, frame


EXPLORERS = {
    "partial_dependence": (
        lambda: explore.partial_dependence(*model()),
        [{"column": "Rain"}, {"by": "Kind"}, {"column": "Kind"}, {"by": "nothing"}],
    ),
    "what_if": (
        lambda: explore.what_if(*model(), names=("Store", "Date")),
        [{"Rain": 19}, {"Promo": False}, {"Kind": "(none)"}, {"row": 3}, {"Distance": 5000.0}],
    ),
}
