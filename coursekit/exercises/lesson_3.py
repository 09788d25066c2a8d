"""The exercises of lesson 3."""
# fmt: off

import datetime

import numpy as np

from coursekit.exercises.checking import exercise

_MARCH = [datetime.datetime(2015, 3, day) for day in (2, 3, 4, 6, 7, 9, 14)]  # some days missing
_DAY = datetime.timedelta(days=1)


def _from_tomorrow(dates, happens):
    each = range(len(dates))
    return [days_since(dates[: n + 1], [*happens[:n], False])[n] for n in each]


def _since_the_first(dates, happens):
    first = happens.index(True) if any(happens) else len(happens)
    return days_since(dates, [place == first for place in range(len(happens))])


@exercise("3.1", cases=[
    (_MARCH[:5], [False, True, False, False, True]),
    (_MARCH, [True, False, False, True, False, False, False]), (_MARCH[:3], [False, False, False]),
], mistakes={
    "That looks ahead: these are the days until the next event.":
        lambda d, h: [-days for days in days_since(d[::-1], h[::-1])[::-1]],
    "The sign: today minus the day of the event.":
        lambda d, h: [-days for days in days_since(d, h)],
    "On the day of an event itself the answer is 0: look at the event first.": _from_tomorrow,
    "You count rows; a day may be missing.":
        lambda d, h: days_since([n * _DAY for n in range(len(d))], h),
    "You count from the first event; a later one takes its place.": _since_the_first,
    "Before the first event it is np.nan, not 0.": lambda d, h: np.nan_to_num(days_since(d, h)),
})
def days_since(dates, happens):
    """Write `days_since`, the twin of `days_until`: for each day of one shop, in order, the days
    since the last event, 0 on the day of an event itself, `np.nan` before the first. Some days may
    be missing.

    - Section 4 walks backwards and keeps the date that it met last; here you walk forwards.
    - First look whether there is an event today, then write the answer down.
    - The answer is `(date - last).days`, or `np.nan` as long as `last` is None.
    """
    answer, last = [], None
    for date, event in zip(dates, happens):
        last = date if event else last
        answer.append(np.nan if last is None else (date - last).days)
    return answer


@exercise("3.2", cases=[
    (np.array([1.0, 2.0, 9.0, np.nan]), np.array([np.nan, 5.0, 30.0, 40.0])),
    (np.array([np.nan, 4.0, 6.0, 50.0, 7.0]), np.array([0.0, np.nan, np.nan, 1.0])),
], mistakes={
    "That is the median of the rows to fill; take the training rows'.": lambda t, o: fill(o, o),
    "That is the median of all rows: the held-out ones leak in.":
        lambda t, o: fill(np.append(t, o), o),
    "That is the mean; one very large value pulls it away, the median stays.":
        lambda t, o: np.where(np.isnan(o), np.nanmean(t), o),
    "Zero is a value like any other; a gap becomes the median.": lambda t, o: np.nan_to_num(o),
    "The gaps are still there: np.median of numbers with a gap is a gap, np.nanmedian is not.":
        lambda t, o: np.where(np.isnan(o), np.median(t), o),
    "You fill the training rows; fill the second argument.": lambda t, o: fill(t, t),
})
def fill(train, other):
    """Write `fill`: the numbers `other` (an array) with their gaps filled as section 5 does it, by
    what the array `train` says.

    - The median, and not of the numbers that are to be filled.
    - `np.nanmedian` leaves gaps out; `np.isnan` says where they are.
    - `np.where(where, this, else_that)`.
    """
    return np.where(np.isnan(other), np.nanmedian(train), other)


@exercise("3.3", cases=[(np.array(days, "datetime64[D]"), count) for days, count in (
    (["2015-07-01", "2015-07-05", "2015-07-05", "2015-07-03", "2015-07-04", "2015-07-02"], 2),
    (["2015-01-02", "2014-12-31", "2015-01-01", "2014-12-30", "2015-01-02", "2014-12-29"], 3),
    (["2015-07-01", "2015-07-05", "2015-07-05", "2015-07-02", "2015-07-04"], 3),
)], mistakes={
    "A day too many: use > and not >=.": lambda d, n: d >= d.max() - np.timedelta64(n, "D"),
    "That is the training part: True is what is held out.": lambda d, n: ~hold_out(d, n),
    "These are the last rows; a day has many, in any order.":
        lambda d, n: np.arange(len(d)) >= len(d) - n,
    "These are the first days; forecast the last.":
        lambda d, n: d < d.min() + np.timedelta64(n, "D"),
    "A day without rows is a day, too.": lambda d, n: np.isin(d, np.unique(d)[-n:]),
})
def hold_out(dates, days):
    """Write `hold_out`: a mask that is True for the rows of the last `days` days of the calendar.
    `dates` is a NumPy array of days, many rows a day, in no order; some days may be missing.

    - The last day is `dates.max()`.
    - `np.timedelta64(days, "D")` is so many days; it can be taken away from a date.
    - With `days` of 1 only the last day itself is held out: larger than, or at least?
    """
    return dates > dates.max() - np.timedelta64(days, "D")


@exercise("3.4", mistakes={
    "0 would be the RMSPE of a model that is always right.": 0,
    "In percent, yes; `rmspe` gives shares.": 100,
    "The shares are squared before anything else: no RMSPE is below zero.": -1,
})
def rmspe_of_zero():
    """What is the RMSPE of a model that says 0 for every open day, whatever the data?

    - Put 0 for `predicted` into the function of section 6.
    - Each share is (truth - 0) / truth: the same number for every row.
    """
    return 1.0


@exercise("3.5", mistakes={
    "An embedding is a matrix: its rows and columns multiply, they do not add up.": (48, 4000),
    "Code 0 is one of the 40 already, and an embedding has no bias.": (328, 4000),
    "The first number is not that of the embedding.": (4000, 4000),
    "The biases do not belong to this category: the layer has them in any case.": (320, 4100),
    "That is what the layer needs behind the embedding; one-hot is 40 numbers long.": (320, 800),
    "That is the embedding again; a layer has 40 inputs, each to 100 units.": (320, 320),
    "These are the two numbers, in the other order: the embedding comes first.": (4000, 320),
})
def weights():
    """A category has 40 codes, code 0 among them, and an embedding of 8 numbers. How many weights
    is that? And how many weights, without biases, would a first layer of 100 units have for the
    same category as one-hot? Give both as `(embedding, layer)`.

    - An embedding is a matrix with a row for each code.
    - One-hot makes 40 inputs of it; a layer has a weight for each pair of an input and a unit.
    """
    return 40 * 8, 40 * 100


@exercise("3.6", tolerance=0.5, mistakes={
    "That is the mean of the sales; the lesson averages their logarithms.": 6500,
    "That is the mean of the logarithms; the sales are exp of it.": np.log([4000, 9000]).mean(),
    "That is the product of both; the square root is missing.": 4000 * 9000,
    "That is their sum.": 13_000,
})
def average():
    """One network says 4,000, another one 9,000. We average as section 10 does. What comes out?

    - It averages the logarithms.
    - `np.exp` of the mean of both logarithms; or the root of their product.
    """
    return np.exp((np.log(4000) + np.log(9000)) / 2)
