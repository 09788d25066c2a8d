"""Tables: what is fitted on which rows, days since events, bad input."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler

import coursekit as ck
from coursekit.data import tables


def make(rows=200, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "shop": random.integers(1, 9, rows),
            "kind": random.choice(["a", "b", None], rows),
            "price": np.where(random.random(rows) < 0.2, np.nan, random.normal(5, 2, rows)),
            "area": random.normal(0, 1, rows),
            "sales": random.uniform(1, 9, rows),
        }
    )
    return frame, np.arange(rows) >= rows * 3 // 4


def build(frame, valid, target="sales", **options):
    how = {"categories": ["shop", "kind"], "continuous": ["price", "area"], "log_target": True}
    return ck.table(frame, target, valid=valid, **how | options)


def test_batches_are_codes_and_numbers():
    """Codes that torch cannot look up, or rows whose target belongs to another row."""
    frame, valid = make()
    data = build(frame, valid, batch_size=32)
    (codes, numbers), y = data.train.one_batch()
    assert (codes.dtype, numbers.dtype, y.dtype) == (torch.int64, torch.float32, torch.float32)
    assert codes.shape == (32, 2)
    assert numbers.shape == (32, 3)
    (codes, _), y = data.valid.one_batch()
    shops = [data.categories["shop"][code] for code in codes[:, 0].tolist()]
    assert shops == frame.shop[valid][:32].tolist()
    assert np.allclose(data.real(y), frame.sales[valid][:32], rtol=1e-6)
    fewer = data.replace(train=data.train.subset(range(9)))
    assert (fewer.train.num_examples, fewer.categories) == (9, data.categories)
    assert torch.equal(fewer.encode(frame).one_batch()[0][1], data.encode(frame).one_batch()[0][1])


def test_scaling_equals_scikit_learn():
    """Another spread than that of the training rows, or a flag in the wrong column."""
    frame, valid = make()
    data = build(frame, valid)
    known = frame[~valid]
    whole = pd.DataFrame(
        {
            "price": frame.price.fillna(known.price.median()),
            "price is missing": frame.price.isna().astype(float),
            "area": frame.area,
        }
    )
    assert data.continuous == tuple(whole.columns)
    scaler = StandardScaler().fit(whole[~valid].to_numpy())
    for part, rows in ((data.train, ~valid), (data.valid, valid)):
        expected = scaler.transform(whole[rows].to_numpy())
        np.testing.assert_allclose(np.asarray(part.inputs[1]), expected, atol=1e-5)


def test_nothing_is_learned_from_held_out_rows():
    """A median, a scale or a category that the validation rows have leaked into."""
    frame, valid = make()
    other = frame.copy()
    other.loc[valid, ["price", "area"]] = 1e6
    other.loc[valid, "kind"] = "never seen"
    one, two = build(frame, valid), build(other, valid)
    assert (one.categories.keys(), one.medians, one.means, one.scales) == (
        two.categories.keys(),
        two.medians,
        two.means,
        two.scales,
    )
    assert "never seen" not in two.categories["kind"]
    assert (np.asarray(two.valid.inputs[0])[:, 1] == 0).all()


@pytest.mark.parametrize("kind", ["category", "object", "bool", "int64", "datetime64[s]"])
def test_categories_of_every_type(kind):
    """A column type of pandas 2 or 3 whose values are not found again."""
    values = pd.Series([1, 0, 1, 0, 1, 0, 1, 1]).astype(kind)
    frame = pd.DataFrame({"c": values, "sales": np.arange(8.0)})
    data = ck.table(frame, "sales", valid=[6, 7], categories=["c"])
    assert len(data.categories["c"]) == 3
    assert np.asarray(data.valid.inputs[0]).ravel().tolist() == [2, 2]


def test_a_gap_is_a_category_of_its_own():
    """A gap that is taken for something never seen before."""
    frame = pd.DataFrame({"c": ["a", None, "b", "a"], "sales": [1.0, 2, 3, 4]})
    data = ck.table(frame, "sales", valid=[3], categories=["c"])
    codes = data.encode(pd.DataFrame({"c": ["a", "b", None, "new"]})).one_batch()[0][0]
    assert codes.ravel().tolist() == [1, 2, 3, 0]


def test_kinds_of_columns_are_told_apart():
    """Words scaled as numbers, a yes and no that is averaged, or a category for each date."""
    frame, valid = make()
    with pytest.raises(ck.CourseError, match=r"'day'.*date_parts"):
        ck.table(frame.assign(day=pd.Timestamp("2015-01-01")), "sales", valid=valid)
    data = ck.table(frame.assign(yes=frame.area > 0), "sales", valid=valid)
    assert list(data.categories) == ["kind", "yes"]
    assert data.continuous == ("shop", "price", "price is missing", "area")


@pytest.mark.parametrize(
    "values",
    [["1", " 2.5 ", None], [1, 2.5, None], [decimal.Decimal("1"), decimal.Decimal("2.5"), None]],
)
def test_numbers_of_every_kind_are_numbers(values):
    """A price with one code for each value, because pandas calls the column an object."""
    frame = pd.DataFrame({7: pd.Series(values * 4, dtype=object), "sales": range(1, 13)})
    data = ck.table(frame, "sales", valid=[9, 10, 11], continuous=[7])
    assert data.continuous == (7, "7 is missing")
    assert data.medians == {7: 1.75}
    if not isinstance(values[0], str):
        assert ck.table(frame, "sales", valid=[9, 10, 11]).continuous == data.continuous


def test_categories_that_are_mostly_new_are_named(capsys):
    """Numbers written as text, each a category of its own, and not a word about it."""
    frame = pd.DataFrame({"visitors": [f"{n:,}" for n in range(1000, 1200)], "sales": 1.0})
    ck.table(frame, "sales", valid=range(160, 200))
    assert (
        "visitors: 40 of 40 held-out rows have a value such as '1,160'" in capsys.readouterr().out
    )


@pytest.mark.parametrize(("column", "value"), [("shop", "3"), ("kind", "a ")])
def test_new_rows_of_another_kind_are_refused(column, value):
    """A shop read as text that is taken for one never seen."""
    frame, valid = make()
    data = build(frame, valid)
    with pytest.raises(ck.CourseError, match="look the same"):
        data.encode(frame.astype({column: object}).head(9).assign(**{column: value}))
    for rows in (None, frame.iloc[0], frame.head(0)):
        with pytest.raises(ck.CourseError, match=r"DataFrame|empty"):
            data.encode(rows)


def test_a_table_without_names_of_columns():
    """A frame made of an array, whose columns are numbers, with a gap and a column twice."""
    values = np.random.default_rng(0).normal(size=(100, 4))
    values[3, 1] = np.nan
    data = ck.table(pd.DataFrame(values), 3, valid=0.2, seed=1)
    assert data.continuous == (0, 1, "1 is missing", 2)
    with pytest.raises(ck.CourseError, match=r"no column '3'; see frame.columns.$"):
        ck.table(pd.DataFrame(values), "3", valid=0.2)
    twice = pd.DataFrame(values, columns=["km", "km", "day", "sales"])
    with pytest.raises(ck.CourseError, match=r"2 columns 'km'.*duplicated"):
        ck.table(twice, "sales", valid=0.2)


def test_quick_keeps_few_rows_of_both_parts(monkeypatch):
    """A trial run on a million rows."""
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    monkeypatch.setattr(tables, "QUICK", 40)
    frame, valid = make()
    data = build(frame, valid)
    assert (data.train.num_examples, data.valid.num_examples) == (30, 10)
    assert valid[data.rows["valid"]].all()


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (None, {"continuous": "prize"}, "'prize'.*mean 'price'"),
        (None, {"target": "shape"}, "'shape' holds 'round'.* == ..."),
        (None, {"target": "words"}, "'1,000'.*pandas.to_numeric"),
        (("words", "?"), {"continuous": "words"}, "'words' holds.*pandas.to_numeric"),
        (("sales", np.nan), {}, r"1 rows have no sales.*dropna\(subset=\['sales'\]\)"),
        (("sales", 1e300), {}, "'sales'.*infinite"),
        (("sales", 0.0), {}, "1 rows have a sales of 0"),
        (("price", np.inf), {}, "'price'"),
        (None, {"continuous": ["empty"]}, "'empty'"),
        (None, {"continuous": ["day"]}, "'day'.*date_parts"),
        (None, {"continuous": ["wait"]}, r"'wait'.*\.dt\.days"),
        (None, {"categories": ["alike"]}, "'a' and 'a '.*look the same"),
        (None, {"continuous": ["price", "price is missing"]}, "'price is missing'.*rename"),
        (None, {"test": "test.csv"}, "test='test.csv'"),
        (None, {"categories": ["shop"], "continuous": ["kind"]}, "'kind'.*categories="),
        (None, {"continuous": ["price", "price"]}, "'price' has two parts.*named twice"),
        (None, {"continuous": ["sales"]}, "'sales'"),
        (None, {"categories": [], "continuous": []}, "no column"),
    ],
)
def test_bad_input_is_refused(change, options, says):
    """A traceback out of pandas where a sentence would have helped."""
    frame, valid = make()
    frame = frame.assign(
        day=pd.date_range("2013-01-01", periods=200), empty=np.nan,
        wait=pd.Timedelta(days=1), alike=["a", "a "] * 100, shape="round",
        words=[f"{n:,}" for n in range(1000, 1200)],
    )  # fmt: skip
    frame["price is missing"] = 0.0
    if change:
        frame.loc[3, change[0]] = change[1]
    options = {"target": "sales", "valid": valid} | options
    with pytest.raises(ck.CourseError, match=says):
        build(frame, **options)


# Dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [True, False])
def test_date_parts_equal_the_calendar(text):
    """A week, a weekday or a day of the year that is one off."""
    dates = pd.Series(pd.date_range("2012-12-20", periods=800), index=range(5, 805))
    parts = ck.date_parts(dates.dt.strftime("%Y-%m-%d") if text else dates)
    assert parts.index.equals(dates.index)
    for row, date in zip(parts.to_dict("records"), dates.dt.date, strict=True):
        assert (row["Year"], row["Month"], row["Day"]) == (date.year, date.month, date.day)
        assert (row["Week"], row["Weekday"]) == (date.isocalendar()[1], date.weekday())
        assert row["DayOfYear"] == date.timetuple().tm_yday
        assert row["Elapsed"] == date.toordinal() - 719_163
        assert row["MonthStart"] == (date.day == 1)


@pytest.mark.parametrize(
    ("dates", "says"),
    [
        (["2013-01-01", "soon"], "'soon'"),
        (["2013-01-01", "10:30"], "'10:30'"),
        (["10:30"], "'10:30' is no date"),
        (["2013-01-01", None], "1 dates are missing"),
        (["03/04/2015", "05/04/2015"], "'03/04/2015'.*format="),
        ([20150731, 20150801], "20150731.*format=.*unit='s'"),
        ([964982703.0, None], "964982703.*unit='s'"),
        ([5, "2015-01-01"], "'5' is no date"),
        ([[1]], "list"),
        (pd.DataFrame({"a": ["2015-01-01"]}), "DataFrame"),
        (["2015-01-01 00:00+01:00", "2015-07-01 00:00+02:00"], "imezone"),
    ],
)
def test_bad_dates_are_one_sentence(dates, says):
    """Numbers that are all of 1970, times of today, or March for April, without a word."""
    with pytest.raises(ck.CourseError, match=says):
        ck.date_parts(dates)


@pytest.mark.parametrize(
    "dates",
    [
        ["20150403", "20150430"],
        pd.Series(["2015-04-03", "2015-04-30"]).astype("category"),
        [datetime.date(2015, 4, 3), datetime.date(2015, 4, 30)],
        pd.Series(pd.to_datetime(["2015-04-03", "2015-04-30"])).dt.tz_localize("Asia/Tokyo"),
    ],
)
def test_dates_with_one_meaning_are_read(dates):
    """A day in UTC beside a weekday in Tokyo."""
    parts = ck.date_parts(dates)
    assert parts[["Year", "Month", "Day"]].to_numpy().tolist() == [[2015, 4, 3], [2015, 4, 30]]
    assert parts.Elapsed.tolist() == [16528, 16555]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"by": "shop"}, "'shop'"),
        ({"by": "gap"}, "1 rows have no gap"),
        ({"time": "Store"}, "'1' is no date"),
        ({"events": ["Promo", "Sale"]}, "'Sale'"),
        ({"cap": "30"}, "cap='30'"),
    ],
)
def test_bad_events_are_refused(options, says):
    """Days of no shop that are days of one, and tracebacks of pandas."""
    frame = pd.DataFrame({"Store": 1, "Date": ["2015-01-01", "2015-01-02"], "Promo": 1})
    frame["gap"] = [1, None]
    with pytest.raises(ck.CourseError, match=says):
        ck.elapsed(frame, **{"events": "Promo", "by": "Store", "time": "Date", **options})


def test_elapsed_equals_a_loop():
    """An event of another shop, a wrong order of rows, or an event that counts for itself."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "Store": np.repeat([3, 1, 2], 60),
            "Date": np.tile(pd.date_range("2013-01-01", periods=60), 3),
            "Promo": random.random(180) < 0.1,
            "Kind": random.choice(["0", "a"], 180, p=[0.9, 0.1]),
        }
    )
    frame = frame.sample(170, random_state=0)
    found = ck.elapsed(frame, ["Promo", "Kind"], by="Store", time="Date")
    assert found.index.equals(frame.index)
    for event, on in (("Promo", frame.Promo), ("Kind", frame.Kind != "0")):
        for row in frame.index:
            same = frame[(frame.Store == frame.Store[row]) & on]
            days = (same.Date - frame.Date[row]).dt.days
            before, after = days[days >= 0].min(), -days[days <= 0].max()
            np.testing.assert_equal(found[f"Before{event}"][row], np.float32(before))
            np.testing.assert_equal(found[f"After{event}"][row], np.float32(after))
    capped = ck.elapsed(frame, "Promo", by="Store", time="Date", cap=3)
    np.testing.assert_array_equal(capped.AfterPromo, found.AfterPromo.clip(upper=3))


DAYS_WITH_GAPS = {
    "floats": [1.0, 0.0, None, 0.0, 2.0],
    "whole": pd.array([1, 0, None, 0, 1], dtype="Int64"),
    "yes or no": [True, False, False, False, True],
    "yes, no or nothing": pd.array([True, False, None, False, True], dtype="boolean"),
    "objects": np.array([True, False, None, 0.0, 1], dtype=object),
    "words": ["a", "0", None, "0", "b"],
    "categories": pd.Categorical(["a", "0", None, "0", "b"]),
    "categories of numbers": pd.Categorical([1, 0, None, 0, 3]),
}


@pytest.mark.parametrize("kind", DAYS_WITH_GAPS)
def test_a_gap_is_no_event(kind):
    """A False or a gap that counts as an event, or a type of pandas that ends in a traceback."""
    dates = pd.date_range("2013-01-01", periods=5)
    frame = pd.DataFrame({"Store": 1, "Date": dates, "Promo": DAYS_WITH_GAPS[kind]})
    found = ck.elapsed(frame, "Promo", by="Store", time="Date")
    assert found.AfterPromo.tolist() == [0, 1, 2, 3, 0]
    assert found.BeforePromo.tolist() == [0, 3, 2, 1, 0]
