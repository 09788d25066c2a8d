"""The sample edition of rossmann: invented stores whose sales are made of known effects.

The seven tables lie as in the published set, their gaps and oddities included. A day's sales are
the product of effects that a model can know from the tables, of the *mood* of the region on that
day, which no table tells and which lasts for some days, and of noise. Beside the tables, ``truth``
holds what made them:

    train.csv    Store, Date, then logarithms: expected (all that the tables tell), mood, noise.
    test.csv     Id and the Sales of the rows to predict, with the same three columns.
    stores.csv   one row a store: level, growth a year, answer to promotions, its rival's effect.
    effects.json logarithms of the effects that all stores share, and the size of mood and noise.
"""

import csv
import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd

STORES = 80
FIRST, LAST, END = (np.datetime64(day) for day in ("2013-01-01", "2015-07-31", "2015-09-17"))
CLOSED = (np.datetime64("2014-07-01"), np.datetime64("2014-12-31"))  # rebuilding: no rows at all

# State: name in the weather table, share of the stores, level, summer (+) or winter (-) business.
# Two states share one region: the stores of Bremen and Niedersachsen are coded "HB,NI".
STATES = {
    "NW": ("NordrheinWestfalen", 0.20, 0.00, 0.00),
    "BY": ("Bayern", 0.15, 0.08, -0.16),
    "SH": ("SchleswigHolstein", 0.11, -0.06, 0.18),
    "HE": ("Hessen", 0.10, 0.03, -0.02),
    "BE": ("Berlin", 0.09, 0.12, -0.08),
    "SN": ("Sachsen", 0.07, -0.08, -0.05),
    "BW": ("BadenWuerttemberg", 0.07, 0.06, -0.10),
    "ST": ("SachsenAnhalt", 0.05, -0.10, 0.03),
    "RP": ("RheinlandPfalz", 0.05, -0.02, 0.04),
    "TH": ("Thueringen", 0.04, -0.09, -0.06),
    "HH": ("Hamburg", 0.04, 0.10, 0.08),
    "HB,NI": ("Niedersachsen", 0.03, -0.03, 0.13),
}
OTHER_STATES = {
    "BB": "Brandenburg",
    "HB": "Bremen",
    "MV": "MecklenburgVorpommern",
    "SL": "Saarland",
}
TRENDS = ("", "BE", "BW", "BY", "HE", "HH", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH")
TYPES = {"a": (0.54, 0.00), "b": (0.02, 0.35), "c": (0.13, 0.05), "d": (0.31, -0.02)}
# Monday to Sunday. Shops in town (c) live on weekdays, those at the edge of it (d) on Saturdays.
WEEKDAYS = {
    "a": (0.16, 0.03, -0.02, -0.01, 0.04, -0.12, 0.00),
    "b": (0.02, -0.06, -0.08, -0.06, 0.00, 0.08, 0.24),
    "c": (0.20, 0.08, 0.02, 0.02, 0.00, -0.28, 0.00),
    "d": (0.10, -0.02, -0.06, -0.04, 0.06, 0.10, 0.00),
}
EFFECTS = {
    "promotion": 0.28, "promotion on Monday": 0.08, "eve of a promotion": -0.10,
    "after a promotion": -0.05, "holiday": 0.25, "eve of a holiday": 0.16,
    "school holiday": 0.03, "christmas": 0.34, "year": 0.05, "heat, a degree above 24": -0.012,
    "rain, a millimetre": -0.004, "trend, a point": 0.003, "coupons": 0.06,
    "rival, at no distance": -0.22, "growth a year": 0.025, "mood": 0.05, "noise": 0.075,
}  # fmt: skip
MOOD_DAYS = 9.0  # a mood has faded to a third of itself after so many days
COUPONS = ("Jan,Apr,Jul,Oct", "Feb,May,Aug,Nov", "Mar,Jun,Sept,Dec")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"]


def build(folder, *, seed=0, stores=STORES):
    """Build the set into ``folder``; the same seed gives the same bytes.

    Args:
        seed: another seed, other stores, weather and sales.
        stores: how many there are; at least 20, so that every kind occurs.
    """
    rng = np.random.default_rng([seed, 3])
    days = np.arange(FIRST, END + 1)
    calendar = make_calendar(rng, days)
    weather, felt = make_weather(rng, days)
    trend, searched = make_trend(rng, days)
    store, truth = make_stores(rng, stores)
    table = make_sales(rng, days, calendar, felt, searched, store, truth)
    write(Path(folder), table, store, truth, weather, trend)


# The days --------------------------------------------------------------------------------------


def easter(year):
    """Date of Easter Sunday (the anonymous Gregorian rule, Nature 1876)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return np.datetime64(datetime.date(year, month, day + 1))


def make_calendar(rng, days):
    """Make (promotion, {state: holiday}, {state: school holiday}), arrays (D,) over the days."""
    weekday = (days.astype(int) + 3) % 7  # 0 is Monday
    week = (days - weekday - days[0]).astype(int) // 7
    promoted, last = np.zeros(week.max() + 2, int), 0
    for number in range(1, len(promoted)):  # every second week, now and then two in a row
        last = promoted[number] = int(not last or rng.random() < 0.1)
    promotion = promoted[week - week.min()] * (weekday < 5)
    kinds = {state: np.full(len(days), "0") for state in STATES}
    school = {state: np.zeros(len(days), int) for state in STATES}
    for year in (2013, 2014, 2015):
        for state, day, kind in _holidays(year):
            for one in [state] if state else STATES:
                kinds[one][days == day] = kind
        for number, state in enumerate(STATES):
            first = np.datetime64(f"{year}-06-20") + 4 * number
            spans = [
                (np.datetime64(f"{year}-01-01"), 6), (easter(year) - 13, 16), (first, 44),
                (np.datetime64(f"{year}-10-05") + 2 * number, 11),
                (np.datetime64(f"{year}-12-22"), 10),
            ]  # fmt: skip
            for start, length in spans:
                school[state] |= (days >= start) & (days < start + length)
    return promotion, kinds, school


def _holidays(year):
    """Yield (state or None for all, day, kind) of the public holidays of a year."""
    sunday = easter(year)
    for shift, kind in ((-2, "b"), (1, "b"), (39, "a"), (50, "a")):
        yield None, sunday + shift, kind
    for day, kind in (
        ("01-01", "a"),
        ("05-01", "a"),
        ("10-03", "a"),
        ("12-25", "c"),
        ("12-26", "c"),
    ):
        yield None, np.datetime64(f"{year}-{day}"), kind
    for state in ("BW", "BY", "HE", "NW", "RP"):
        yield state, sunday + 60, "a"
    for state in ("BW", "BY", "ST"):
        yield state, np.datetime64(f"{year}-01-06"), "a"
    for state in ("BW", "BY", "NW", "RP"):
        yield state, np.datetime64(f"{year}-11-01"), "a"
    for state in ("SN", "ST", "TH"):
        yield state, np.datetime64(f"{year}-10-31"), "a"
    yield "BY", np.datetime64(f"{year}-08-15"), "a"
    late = np.datetime64(f"{year}-11-23")
    yield "SN", late - 1 - late.astype(int) % 7, "a"  # the Wednesday before


# Weather and searches --------------------------------------------------------------------------


def _slow(rng, rows, columns, days):
    """Make (rows, columns) of unit spread along each row; a third is left after ``days``."""
    keep = np.exp(-1 / days)
    steps = rng.standard_normal((rows, columns))
    steps[:, 1:] *= np.sqrt(1 - keep**2)
    for day in range(1, columns):
        steps[:, day] += keep * steps[:, day - 1]
    return steps


def make_weather(rng, days):
    """Make (table of the weather, {state: (warmest degrees (D,), millimetres of rain (D,))})."""
    names = {state: name for state, (name, *_) in STATES.items()} | OTHER_STATES
    count = len(days)
    season = np.cos(2 * np.pi * (_day_of_year(days) - 200) / 365.25)
    shared, own = _slow(rng, 1, count, 4)[0], _slow(rng, len(names), count, 3)
    tables, felt = [], {}
    for (state, name), local in zip(
        sorted(names.items(), key=lambda pair: pair[1]), own, strict=True
    ):
        anomaly = 0.85 * shared + 0.5 * local
        mean = np.round(9.5 + 9 * season + 4 * anomaly).astype(int)
        high = mean + rng.integers(2, 8, count) + (anomaly > 1)
        low, dew = mean - rng.integers(2, 8, count), mean - rng.integers(1, 7, count)
        wet = rng.random(count) < 1 / (1 + np.exp(0.4 + anomaly))
        rain = np.round(wet * rng.exponential(4.0, count), 2)
        humid = np.clip(76 + 10 * wet - 8 * season + rng.normal(0, 8, count), 30, 100).astype(int)
        pressure = np.round(1016 + 7 * anomaly + rng.normal(0, 3, count)).astype(int)
        sight = np.clip(14 - 4 * wet + rng.normal(0, 4, count), 1, 31).round()
        wind = np.clip(13 + 5 * rng.standard_normal(count) + 3 * wet, 3, 60).astype(int)
        parts = (
            ("Fog", humid > 92), ("Rain", wet & (mean > -1)), ("Snow", wet & (mean < 2)),
            ("Thunderstorm", wet & (high > 24) & (rain > 4)),
        )  # fmt: skip
        events = ["-".join(part for part, on in parts if on[day]) for day in range(count)]
        blind = rng.random(count) < 0.024
        table = {
            "file": name, "Date": days.astype(str),
            "Max_TemperatureC": high, "Mean_TemperatureC": mean, "Min_TemperatureC": low,
            "Dew_PointC": dew + 2, "MeanDew_PointC": dew, "Min_DewpointC": dew - 2,
            "Max_Humidity": np.minimum(humid + 12, 100), "Mean_Humidity": humid,
            "Min_Humidity": np.maximum(humid - 20, 5),
            "Max_Sea_Level_PressurehPa": pressure + 4, "Mean_Sea_Level_PressurehPa": pressure,
            "Min_Sea_Level_PressurehPa": pressure - 4,
            "Max_VisibilityKm": np.where(blind, np.nan, np.minimum(sight + 12, 31)),
            "Mean_VisibilityKm": np.where(blind, np.nan, sight),
            "Min_VisibilitykM": np.where(blind, np.nan, np.maximum(sight - 8, 0)),
            "Max_Wind_SpeedKm_h": wind + 10, "Mean_Wind_SpeedKm_h": wind,
            "Max_Gust_SpeedKm_h": np.where(rng.random(count) < 0.77, np.nan, wind + 32),
            "Precipitationmm": rain,
            "CloudCover": np.where(rng.random(count) < 0.074, np.nan, 4 + 2 * wet),
            "Events": [event or None for event in events],
            "WindDirDegrees": rng.integers(-1, 361, count),
        }  # fmt: skip
        tables.append(pd.DataFrame(table))
        felt[state] = high, rain
    return pd.concat(tables, ignore_index=True), felt


def make_trend(rng, days):
    """Make (table of weekly searches, {state: (D,) the value of the day's week})."""
    starts = np.arange(np.datetime64("2012-12-02"), np.datetime64("2015-09-28"), 7)
    spans = [f"{start} - {start + 6}" for start in starts]
    shared, own = _slow(rng, 1, len(starts), 6)[0], _slow(rng, len(TRENDS), len(starts), 4)
    tables, searched = [], {}
    for code, local in zip(TRENDS, own, strict=True):
        value = np.clip(np.round(66 + 7 * shared + 7 * local), 20, 100).astype(int)
        file = f"Rossmann_DE_{code}".rstrip("_")
        tables.append(pd.DataFrame({"file": file, "week": spans, "trend": value}))
        searched["HB,NI" if code == "NI" else code] = value[(days - starts[0]).astype(int) // 7]
    return pd.concat(tables, ignore_index=True), searched


# The stores ------------------------------------------------------------------------------------


def make_stores(rng, count):
    """Make (published table of the stores with their state, truth of each store)."""
    kinds = rng.choice(list(TYPES), count, p=[share for share, _ in TYPES.values()])
    kinds[:4] = list("bcda")  # every kind occurs, however few there are
    shares = np.array([share for _, share, *_ in STATES.values()])
    states = rng.choice(list(STATES), count, p=shares / shares.sum())
    states[4 : 4 + len(STATES)] = list(STATES)
    distance = np.round(np.exp(rng.normal(7.6, 1.2, count)).clip(30, 60_000), -1)
    distance[19] = np.nan
    opened = rng.integers(24_000, 12 * 2013, count)  # months since the year 0
    during = rng.random(count) < 0.25
    opened[during] = 12 * 2013 + rng.integers(3, 28, during.sum())
    unknown = (rng.random(count) < 0.31) & ~during | np.isnan(distance)
    coupons = rng.random(count) < 0.51
    month, year = opened % 12 + 1, opened // 12
    table = pd.DataFrame(
        {
            "Store": np.arange(1, count + 1), "StoreType": kinds,
            "Assortment": np.where(kinds == "b", "b", rng.choice(["a", "c"], count)),
            "CompetitionDistance": distance,
            "CompetitionOpenSinceMonth": np.where(unknown, np.nan, month),
            "CompetitionOpenSinceYear": np.where(unknown, np.nan, year),
            "Promo2": coupons.astype(int),
            "Promo2SinceWeek": np.where(coupons, rng.integers(1, 51, count), np.nan),
            "Promo2SinceYear": np.where(coupons, rng.integers(2009, 2013, count), np.nan),
            "PromoInterval": np.where(coupons, rng.choice(COUPONS, count), ""),
            "State": states,
        }
    )  # fmt: skip
    extra = (table.Assortment == "c") * 0.08
    place = np.array([STATES[state][2] for state in states])
    truth = pd.DataFrame(
        {
            "Store": table.Store,
            "level": np.log(5800) + 0.22 * rng.standard_normal(count) + extra + place
            + np.array([TYPES[kind][1] for kind in kinds]),
            "growth": EFFECTS["growth a year"] + 0.02 * rng.standard_normal(count),
            "answer": (1 + 0.3 * rng.standard_normal(count)).clip(0.3, 1.8),
            "rival": np.where(
                unknown, 0, EFFECTS["rival, at no distance"] * np.exp(-distance / 4000)
            ),
            "opened": opened,
            "rebuilt": (rng.random(count) < 0.16) & ~during,
        }
    )  # fmt: skip
    return table, truth


# The sales -------------------------------------------------------------------------------------


def make_sales(rng, days, calendar, felt, searched, store, truth):
    """Make one row a store and day, with all published columns, expected, mood and noise."""
    promotion, holidays, schools = calendar
    count, width = len(store), len(days)
    states = store.State.to_numpy()
    weekday = (days.astype(int) + 3) % 7
    holiday = np.stack([holidays[state] for state in states])  # (S, D)
    school = np.stack([schools[state] for state in states]).astype(int)
    sundays = (store.StoreType == "b").to_numpy()[:, None]
    closed = ((holiday != "0") | (weekday == 6)) & ~sundays
    closed |= rng.random((count, width)) < 0.0005  # a burst pipe, a stocktaking
    ill = (rng.random((count, width)) < 8e-5) & ~closed  # open, and nothing sold
    expected = _expected(days, promotion, holiday, school, felt, searched, store, truth)
    names = list(STATES)
    mood = _slow(rng, len(names), width, MOOD_DAYS)[[names.index(state) for state in states]]
    mood = EFFECTS["mood"] * mood
    noise = EFFECTS["noise"] * rng.standard_normal((count, width))
    open_ = ~closed & ~ill
    sales = np.where(open_, np.round(np.exp(expected + mood + noise)), 0).astype(int)
    basket = np.exp(np.log(9.2) + 0.06 * rng.standard_normal((count, width)) + 0.08 * promotion)
    rows = {
        "Store": store.Store.to_numpy()[:, None], "DayOfWeek": weekday + 1,
        "Date": days, "Sales": sales, "Customers": np.round(sales / basket).astype(int),
        "Open": (~closed).astype(int), "Promo": promotion, "StateHoliday": holiday,
        "SchoolHoliday": school, "expected": expected, "mood": mood, "noise": noise,
        "away": (days >= CLOSED[0]) & (days <= CLOSED[1]) & truth.rebuilt.to_numpy()[:, None],
    }  # fmt: skip
    flat = {name: np.broadcast_to(part, (count, width)).ravel() for name, part in rows.items()}
    return pd.DataFrame(flat)


def _expected(days, promotion, holiday, school, felt, searched, store, truth):
    """Logarithm (S, D) of what a store that is open sells, mood and noise apart."""
    states = store.State.to_numpy()
    weekday, year = (days.astype(int) + 3) % 7, _day_of_year(days)
    time = (days - days[0]).astype(int) / 365.25

    def of(name):
        return truth[name].to_numpy()[:, None]

    log = of("level") + of("growth") * time
    log = log + np.array([WEEKDAYS[kind] for kind in store.StoreType])[:, weekday]
    run_up = EFFECTS["promotion"] * promotion
    run_up = run_up + EFFECTS["promotion on Monday"] * (promotion & (weekday == 0))
    run_up = run_up + EFFECTS["eve of a promotion"] * (weekday == 5) * _ahead(promotion, 2)
    run_up = run_up + EFFECTS["after a promotion"] * (weekday < 2) * (
        (1 - promotion) * _ahead(promotion[::-1], 4)[::-1]
    )
    log = log + of("answer") * run_up
    feast = holiday != "0"
    log = log + EFFECTS["holiday"] * feast
    log = log + EFFECTS["eve of a holiday"] * (~feast & np.stack([_ahead(f, 2) for f in feast]))
    log = log + EFFECTS["school holiday"] * school
    advent = np.clip((year - 325) / 33, 0, 1) * (year < 359)
    sway = np.cos(2 * np.pi * (year - 200) / 365.25)  # 1 in July, -1 in January
    summer = np.array([STATES[state][3] for state in states])[:, None]
    log = log + EFFECTS["christmas"] * advent**1.5 + (summer / 2 - EFFECTS["year"]) * sway
    heat = np.stack([np.maximum(felt[state][0] - 24, 0) for state in states])
    rain = np.stack([np.minimum(felt[state][1], 15) for state in states])
    log = log + EFFECTS["heat, a degree above 24"] * heat + EFFECTS["rain, a millimetre"] * rain
    search = np.stack([searched[state] for state in states])
    log = log + EFFECTS["trend, a point"] * (search - 66)
    month = days.astype("datetime64[M]").astype(int) % 12
    sent = np.array(
        [[name in offer.split(",") for name in MONTHS] for offer in store.PromoInterval]
    )
    log = log + EFFECTS["coupons"] * sent[:, month]
    since = days.astype("datetime64[M]").astype(int) + 12 * 1970 - of("opened")
    return log + of("rival") * (since >= 0) * (1 - 0.5 * np.clip(since / 24, 0, 1))


def _ahead(flags, reach):
    """Where a flag is set within the next ``reach`` days, the day itself apart."""
    found = np.zeros(len(flags), bool)
    for step in range(1, reach + 1):
        found[:-step] |= np.asarray(flags, bool)[step:]
    return found


def _day_of_year(days):
    return (days - days.astype("datetime64[Y]")).astype(int) + 1


# The files -------------------------------------------------------------------------------------


def write(folder, table, store, truth, weather, trend):
    """Write the seven tables and the truth; newest day first, as published."""
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    hidden = ["expected", "mood", "noise"]
    table = table.sort_values(["Date", "Store"], ascending=[False, True], kind="stable")
    table["Date"] = table.Date.dt.strftime("%Y-%m-%d")
    past = table.Date <= str(LAST)
    train = table[past & ~table.away]
    published = ["Store", "DayOfWeek", "Date", "Sales", "Customers", "Open", "Promo"]
    holidays = ["StateHoliday", "SchoolHoliday"]
    _save(train[published + holidays], folder / "train.csv")
    _save(train[["Store", "Date", *hidden]].round(6), folder / "truth" / "train.csv")
    test = table[~past & (table.Store % 13 != 5) & (table.Store % 8 != 2)].reset_index(drop=True)
    test.insert(0, "Id", np.arange(1, len(test) + 1))
    _save(test[["Id", "Sales", *hidden]].round(6), folder / "truth" / "test.csv")
    forgotten = (test.Store == test.Store.iloc[-1]) & (test.DayOfWeek < 7)
    forgotten &= (test.Date > "2015-09-04") & (test.Date != "2015-09-14")
    test["Open"] = np.where(forgotten, None, test.Open.astype(str))
    columns = ["Id", "Store", "DayOfWeek", "Date", "Open", "Promo", *holidays]
    _save(test[columns], folder / "test.csv")
    _save(store.drop(columns="State"), folder / "store.csv")
    _save(store[["Store", "State"]], folder / "store_states.csv", quoted=False)
    every = {("NI" if code == "HB,NI" else code): name for code, (name, *_) in STATES.items()}
    every = sorted((name, code) for code, name in (every | OTHER_STATES).items())
    names = pd.DataFrame(every, columns=["StateName", "State"])
    _save(names, folder / "state_names.csv", quoted=False)
    _save(weather, folder / "weather.csv", quoted=False)
    _save(trend, folder / "googletrend.csv", quoted=False)
    _save(truth.round(6), folder / "truth" / "stores.csv")
    shared = EFFECTS | {"weekdays": WEEKDAYS, "mood days": MOOD_DAYS}
    shared |= {"states": {code: rest[1:] for code, (_, *rest) in STATES.items()}}
    text = json.dumps(shared, indent=1)
    (folder / "truth" / "effects.json").write_text(text, encoding="utf-8")


def _save(table, path, *, quoted=True):
    """Write a table; as in the published files, words are quoted in some of them."""
    table = table.copy()
    quoting = csv.QUOTE_NONNUMERIC if quoted else csv.QUOTE_MINIMAL
    if "Open" in table and table.Open.dtype == object:  # a number with gaps: 1, 0 or nothing
        table["Open"] = table.Open.astype(float).astype("Int64")
    for column in table.select_dtypes("float").columns:
        if column.startswith(("Competition", "Promo2", "M", "Cloud")):  # whole, with gaps
            table[column] = table[column].astype("Int64")
    table.to_csv(path, index=False, quoting=quoting, lineterminator="\n")
