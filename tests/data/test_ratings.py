"""Tables of ratings: codes of the training part, parts, bad input."""

import numpy
import pandas
import pytest
import torch

import coursekit as ck
from coursekit.console import CourseError


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


@pytest.mark.parametrize("valid", [0.2, [0, 5, 6, 7, 90]], ids=["share", "rows"])
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
    with pytest.raises(CourseError, match=r"Did you mean 'Orchard, The \(1994\)'"):
        data.code("Orchard, The (1904)")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"user": "user"}, "Did you mean 'userId'"),
        ({"item": "movie"}, "'movie'"),
        ({"rating": "title"}, "'title'"),
        ({"valid": "date"}, "'date'"),
        ({"item": "gap"}, "1 rows have no gap"),
        ({"user": "alike"}, "1 and '1', which look the same"),
        ({"rating": "infinite"}, "'infinite'"),
    ],
)
def test_bad_tables_are_refused(options, word):
    """Forty lines of pandas where a column is misspelt."""
    own = {"gap": [None, *range(96)], "infinite": numpy.inf}
    with pytest.raises(CourseError, match=word):
        ck.ratings(a_table().assign(**own, alike=[1, "1", *range(2, 97)]), **options)
    with pytest.raises(CourseError, match="DataFrame"):
        ck.ratings("ratings.csv")


def test_titles_of_two_kinds_and_ratings_as_text():
    """A film called 1917, and stars that a file has as text, that end in a traceback."""
    table = a_table().astype({"title": object, "rating": str})
    table.loc[table.title == "Orchard, The (1993)", "title"] = 1917
    data = ck.ratings(table)
    assert 1917 in data.items
    assert data.train.targets.max() == 5
