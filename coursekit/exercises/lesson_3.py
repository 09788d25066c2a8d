"""The exercises of lesson 3."""

import datetime

import numpy

from coursekit.exercises.checking import function, number

# 3.1, days since an event ---------------------------------------------------------------------


def _since(dates, happens):
    answer, last = [], None
    for date, event in zip(dates, happens, strict=True):
        last = date if event else last
        answer.append(numpy.nan if last is None else (date - last).days)
    return answer


def _until(dates, happens):
    """Walk backwards: the days until the next event."""
    answer, following = [], None
    for date, event in zip(reversed(dates), reversed(happens), strict=True):
        following = date if event else following
        answer.append(numpy.nan if following is None else (following - date).days)
    return answer[::-1]


def _late(dates, happens):
    """See an event from the next day on only."""
    answer, last = [], None
    for date, event in zip(dates, happens, strict=True):
        answer.append(numpy.nan if last is None else (date - last).days)
        last = date if event else last
    return answer


def _count(dates, happens):
    """Count rows instead of days."""
    answer, last = [], None
    for row, event in enumerate(happens):
        last = row if event else last
        answer.append(numpy.nan if last is None else row - last)
    return answer


def _first(dates, happens):
    """Never forget the first event."""
    answer, last = [], None
    for date, event in zip(dates, happens, strict=True):
        last = date if event and last is None else last
        answer.append(numpy.nan if last is None else (date - last).days)
    return answer


# Some days are missing.
_MARCH = [datetime.datetime(2015, 3, day) for day in (2, 3, 4, 6, 7, 9, 14)]
_DAYS = [
    (_MARCH[:5], [False, True, False, False, True]),
    (_MARCH, [True, False, False, True, False, False, False]),
    (_MARCH[:3], [False, False, False]),
]

# 3.2, gaps ------------------------------------------------------------------------------------


def _fill(train, other):
    return numpy.where(numpy.isnan(other), numpy.nanmedian(train), other)


_NAN = numpy.nan
_GAPS = [
    (numpy.array([1.0, 2.0, 9.0, _NAN]), numpy.array([_NAN, 5.0, 30.0, 40.0])),
    (numpy.array([_NAN, 4.0, 6.0, 50.0, 7.0]), numpy.array([0.0, _NAN, _NAN, 1.0])),
]

# 3.3, the last days ---------------------------------------------------------------------------


def _last(dates, days):
    return dates > dates.max() - numpy.timedelta64(days, "D")


def _last_rows(dates, days):
    return numpy.arange(len(dates)) >= len(dates) - days


_DATES = [
    (numpy.array(days, "datetime64[D]"), count)
    for days, count in (
        (["2015-07-01", "2015-07-05", "2015-07-05", "2015-07-03", "2015-07-04", "2015-07-02"], 2),
        (["2015-01-02", "2014-12-31", "2015-01-01", "2014-12-30", "2015-01-02", "2014-12-29"], 3),
        (["2015-07-01", "2015-07-05", "2015-07-05", "2015-07-02", "2015-07-04"], 3),  # no third
    )
]


# 3.5, weights ---------------------------------------------------------------------------------


def _weights(answer):
    """Check (weights of an embedding, weights of a layer on one-hot)."""
    try:
        embedding, layer = (float(one) for one in answer)
    except (TypeError, ValueError):
        return "The answer is two numbers in brackets, such as (1, 2)."
    if (embedding, layer) == (4000, 320):
        return "These are the two numbers, in the other order: the embedding comes first."
    if embedding != 320:
        wrong = {
            48: "An embedding is a matrix: its rows and columns multiply, they do not add up.",
            328: "Code 0 is one of the 40 already, and an embedding has no bias.",
            4000: "The first number is not that of the embedding.",
        }
        return wrong.get(embedding, "The embedding has a row for each code, of eight numbers.")
    if layer != 4000:
        wrong = {
            4100: "The biases do not belong to this category: the layer has them in any case.",
            800: "That is what the layer needs behind the embedding; one-hot is 40 numbers long.",
            320: "That is the embedding again; a layer has a weight for each pair of an input and "
            "a unit.",
        }
        return wrong.get(layer, "One-hot gives 40 inputs, each of which reaches all 100 units.")
    return None


EXERCISES = {
    "3.1": function(
        _since,
        _DAYS,
        [
            (_until, "That looks ahead: these are the days until the next event."),
            (
                lambda dates, happens: [-days for days in _since(dates, happens)],
                "The sign is the wrong way round: today minus the day of the event.",
            ),
            (_late, "On the day of an event itself the answer is 0: look at the event first."),
            (_count, "You count rows; where a day is missing, the dates know better."),
            (_first, "You count from the first event; a later one takes its place."),
            (
                lambda dates, happens: list(numpy.nan_to_num(_since(dates, happens))),
                "Before the first event nobody knows the answer: that is np.nan, not 0.",
            ),
        ],
    ),
    "3.2": function(
        _fill,
        _GAPS,
        [
            (
                lambda train, other: _fill(other, other),
                "That is the median of the rows to fill; take that of the training rows.",
            ),
            (
                lambda train, other: _fill(numpy.concatenate([train, other]), other),
                "That is the median of all rows: the held-out ones have leaked into it.",
            ),
            (
                lambda train, other: numpy.where(numpy.isnan(other), numpy.nanmean(train), other),
                "That is the mean; one very large value pulls it away, the median stays.",
            ),
            (
                lambda train, other: numpy.nan_to_num(other),
                "Zero is a value like any other here; a gap becomes the median.",
            ),
            (
                lambda train, other: other,
                "The gaps are still there: np.median of numbers with a gap is a gap, "
                "np.nanmedian is not.",
            ),
            (
                lambda train, other: _fill(train, train),
                "You fill the training rows; the rows to fill are the second argument.",
            ),
        ],
    ),
    "3.3": function(
        _last,
        _DATES,
        [
            (
                lambda dates, days: dates >= dates.max() - numpy.timedelta64(days, "D"),
                "That is a day too many: the last day is one of them, so use > and not >=.",
            ),
            (
                lambda dates, days: ~_last(dates, days),
                "That is the training part: True has to stand for what is held out.",
            ),
            (
                _last_rows,
                "These are the last rows, whatever their dates; a day has many rows, in any order.",
            ),
            (
                lambda dates, days: dates < dates.min() + numpy.timedelta64(days, "D"),
                "These are the first days; a forecast looks from the past into the future.",
            ),
            (
                lambda dates, days: numpy.isin(dates, numpy.unique(dates)[-days:]),
                "You count the dates that occur; a day without rows is a day, too.",
            ),
        ],
    ),
    "3.4": number(
        1.0,
        {
            0.0: "0 would be the RMSPE of a model that is always right.",
            100.0: "In percent, yes; `rmspe` gives shares.",
            -1.0: "The shares are squared before anything else: no RMSPE is below zero.",
        },
        otherwise="(truth - 0) / truth is the same number for every row: which?",
    ),
    "3.5": _weights,
    "3.6": number(
        6000.0,
        {
            6500.0: "That is the mean of the sales; the lesson averages their logarithms.",
            8.6995: "That is the mean of the logarithms; the sales are exp of it.",
            36_000_000.0: "That is the product of both; the square root is missing.",
            13_000.0: "That is their sum.",
        },
        tolerance=0.5,
        otherwise="Take both logarithms, their mean, and exp of that.",
    ),
}
