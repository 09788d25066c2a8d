"""The invented films: the published layout, the archive, a truth that is true."""

import numpy
import pandas
import pytest

from worlds import films

NAMES = ("ratings", "movies", "truth/ratings", "truth/films", "truth/raters")


@pytest.fixture(scope="module")
def small(carried):
    return carried("ml-latest-small")


@pytest.fixture(scope="module")
def tables(small):
    return {name: pandas.read_csv(small / f"{name}.csv") for name in NAMES}


def test_layout_is_the_published_one(small, tables):
    """A lesson that works on the sample and fails on the real files, or the other way round."""
    first = {name: (small / name).read_bytes() for name in ("ratings.csv", "movies.csv")}
    assert first["ratings.csv"].startswith(b"userId,movieId,rating,timestamp\r\n1,")
    assert first["movies.csv"].startswith(b"movieId,title,genres\r\n")
    for content in first.values():
        assert content.count(b"\n") == content.count(b"\r\n")
    ratings, movies = tables["ratings"], tables["movies"]
    assert movies.title.is_unique
    assert movies.title.str.fullmatch(r"(?!The |A ).+ \((19|20)\d\d\)").all()
    assert set(ratings.rating) <= set(numpy.arange(1, 11) / 2)
    assert ratings.sort_values(["userId", "movieId"]).index.equals(ratings.index)
    assert not ratings.duplicated(["userId", "movieId"]).any()
    assert set(ratings.movieId) <= set(movies.movieId)
    assert ratings.userId.value_counts().min() >= 20
    assert ratings.timestamp.between(1_483_228_800, 1_483_228_800 + films.SECONDS).all()


@pytest.mark.real
def test_no_title_is_a_real_film(real_data, small):
    """An invented film that exists, with ratings that nobody gave."""
    made, real = (
        set(
            pandas.read_csv(folder / "movies.csv").title.str.replace(
                r" \(\d+\)\s*$", "", regex=True
            )
        )
        for folder in (small, real_data / "ml-latest-small")
    )
    assert len(made) > 700
    assert not made & real


def test_the_archive_holds_what_is_made(tables, tmp_path):
    """A program that was changed after the archive was made: nobody could make it again."""
    films.build(tmp_path)
    for name in NAMES:
        made = pandas.read_csv(tmp_path / f"{name}.csv")
        # processors round the last digit of a sum differently
        pandas.testing.assert_frame_equal(made, tables[name], rtol=0, atol=2e-4)


@pytest.mark.parametrize("opinion", [-0.3, 0.8, 2.6, 3.25, 4.9, 6.0])
def test_best_prediction_is_the_mean_of_what_is_said(opinion):
    """A noise floor without rounding and range, which no model could reach or which is too high."""
    noise = films.WORLD["noise"]
    said = opinion + noise * numpy.random.default_rng(0).standard_normal(200_000)
    given = numpy.clip(numpy.round(2 * said) / 2, 0.5, 5)
    assert films.mean_rating(opinion) == pytest.approx(given.mean(), abs=0.01)
