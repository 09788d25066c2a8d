"""The invented stores: the published layout and dirt, and a truth that explains every sale."""

import pandas as pd
import pytest

from worlds import stores

PUBLISHED = {
    "train": "Store DayOfWeek Date Sales Customers Open Promo StateHoliday SchoolHoliday",
    "test": "Id Store DayOfWeek Date Open Promo StateHoliday SchoolHoliday",
    "store": "Store StoreType Assortment CompetitionDistance CompetitionOpenSinceMonth "
    "CompetitionOpenSinceYear Promo2 Promo2SinceWeek Promo2SinceYear PromoInterval",
    "store_states": "Store State",
    "state_names": "StateName State",
    "googletrend": "file week trend",
}


def read(folder):
    words = {"StateHoliday": str}
    return {file.stem: pd.read_csv(file, dtype=words) for file in folder.glob("*.csv")}


@pytest.fixture(scope="module")
def folder(carried):
    return carried("rossmann")


@pytest.fixture(scope="module")
def tables(folder):
    return read(folder)


def test_the_archive_holds_what_is_made(folder, tmp_path):
    """A program that was changed after the archive was made: nobody could make it again."""
    stores.build(tmp_path)
    made = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*.csv"))
    assert len(made) == 10
    for name in made:
        one, other = (pd.read_csv(place / name, low_memory=False) for place in (tmp_path, folder))
        # processors round the last digit of a sum differently
        pd.testing.assert_frame_equal(one, other, rtol=0, atol=2e-6)


def test_columns_dates_and_gaps_are_the_published_ones(tables):
    """A lesson that runs on the sample and dies on the first real table."""
    for name, columns in PUBLISHED.items():
        assert list(tables[name]) == columns.split()
    train, test = tables["train"], tables["test"]
    assert (train.Date.min(), train.Date.max()) == ("2013-01-01", "2015-07-31")
    assert (test.Date.min(), test.Date.max()) == ("2015-08-01", "2015-09-17")
    assert set(train.StateHoliday) == {"0", "a", "b", "c"}
    assert (train.Sales[train.Open == 0] == 0).all()
    assert set(train.groupby("Store").size()) == {758, 942}
    assert set(test.Store) < set(train.Store)
    assert 1 <= test.Open.isna().sum() <= 20
    shop = tables["store"]
    for column in ("CompetitionDistance", "CompetitionOpenSinceMonth", "PromoInterval"):
        assert 0 < shop[column].isna().sum() < len(shop)
    assert (shop.PromoInterval.isna() == (shop.Promo2 == 0)).all()
    assert tables["weather"].shape == (15_840, 24)
    assert len(tables["googletrend"]) == 2_072
    assert "HB,NI" in set(tables["store_states"].State)
    assert "HB,NI" not in set(tables["state_names"].State)


@pytest.mark.real
def test_layout_equals_that_of_the_real_tables(real_data, tables):
    """Columns, or the kinds of their values, that only the sample has."""
    for name, real in read(real_data / "rossmann").items():
        ours = tables[name]
        assert list(ours) == list(real), name
        numeric = pd.api.types.is_numeric_dtype
        kinds = {c: (numeric(ours[c]), numeric(real[c])) for c in real}
        assert all(one == other for one, other in kinds.values()), (name, kinds)
        assert set(ours.columns[ours.isna().any()]) == set(real.columns[real.isna().any()]), name
