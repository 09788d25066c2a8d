"""Answers to the exercises of lesson 3: right ones, and mistakes with the word for them."""

import math

import numpy as np
import pandas as pd


def since(dates, happens):
    """Return the days since the last event, with pandas."""
    dates = pd.Series(pd.to_datetime(dates))
    return (dates - dates.where(happens).ffill()).dt.days.to_numpy()


def since_as_they_come(dates, happens):
    dates = pd.Series(dates)
    return (dates - dates.where(pd.Series(happens)).ffill()).dt.days


def fill(train, other):
    return pd.Series(other).fillna(pd.Series(train).median())


def last(dates, days):
    return [(max(dates) - date).astype(int) < days for date in dates]


RIGHT = [
    ("3.1", since),
    ("3.1", since_as_they_come),
    ("3.2", fill),
    ("3.3", last),
    ("3.4", 1),
    ("3.5", [320, 4000]),
    ("3.6", math.sqrt(4000 * 9000)),
    ("3.6", np.exp((np.log(4000) + np.log(9000)) / 2)),
]


def backwards(dates, happens):
    return since(dates[::-1], happens[::-1])[::-1]


def ahead(dates, happens):
    return -backwards(dates, happens)


def of_rows(dates, happens):
    rows = pd.Series(range(len(dates)))
    return rows - rows.where(happens).ffill()


def from_tomorrow(dates, happens):
    dates = pd.Series(pd.to_datetime(dates))
    return (dates - dates.where(happens).shift().ffill()).dt.days


WRONG = [
    ("3.1", ahead, "looks ahead"),
    ("3.1", lambda dates, happens: -since(dates, happens), "sign"),
    ("3.1", of_rows, "count rows"),
    ("3.1", from_tomorrow, "itself the answer is 0"),
    ("3.1", lambda dates, happens: np.nan_to_num(since(dates, happens)), "np.nan, not 0"),
    ("3.1", lambda dates, happens: None, "needs a return"),
    ("3.1", lambda dates: dates, "stops with TypeError"),
    ("3.1", lambda dates, happens: [7] * len(dates), "should give"),
    ("3.2", lambda train, other: fill(other, other), "of the rows to fill"),
    ("3.2", lambda train, other: fill(np.append(train, other), other), "leaked"),
    ("3.2", lambda train, other: pd.Series(other).fillna(pd.Series(train).mean()), "the mean"),
    ("3.2", lambda train, other: pd.Series(other).fillna(0), "Zero"),
    ("3.2", lambda train, other: pd.Series(other).fillna(np.median(train)), "np.nanmedian"),
    ("3.2", lambda train, other: fill(train, train), "second argument"),
    ("3.3", lambda dates, days: dates >= dates.max() - np.timedelta64(days, "D"), "a day too many"),
    ("3.3", lambda dates, days: dates <= dates.max() - np.timedelta64(days, "D"), "training part"),
    ("3.3", lambda dates, days: np.arange(len(dates)) >= len(dates) - days, "last rows"),
    ("3.3", lambda dates, days: dates < dates.min() + np.timedelta64(days, "D"), "first days"),
    ("3.3", lambda dates, days: np.isin(dates, np.unique(dates)[-days:]), "dates that occur"),
    ("3.4", 0, "always right"),
    ("3.4", 100, "percent"),
    ("3.4", "1 %", "is a number"),
    ("3.4", -1, "squared"),
    ("3.5", (4000, 320), "other order"),
    ("3.5", (48, 4000), "multiply"),
    ("3.5", (328, 4000), "no bias"),
    ("3.5", (320, 4100), "biases"),
    ("3.5", (320, 800), "behind the embedding"),
    ("3.5", 320, "two numbers"),
    ("3.6", 6500, "mean of the sales"),
    ("3.6", 8.6995, "exp of it"),
    ("3.6", 36e6, "square root"),
    ("3.6", 13_000, "sum"),
]  # fmt: skip
