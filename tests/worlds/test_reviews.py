"""The sample world of reviews: laid out as published, always the same, balanced in its words."""

import csv
import random
import re
from collections import Counter

import pytest

from worlds import reviews

TINY = {"train": 6, "test": 4, "unsup": 10}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews")
    reviews.build(folder, counts=TINY)
    return folder


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_layout_is_the_published_one(tiny):
    """Names or folders that differ from aclImdb, so that lesson and data set part ways."""
    names = sorted(file.relative_to(tiny).as_posix() for file in tiny.rglob("*.txt"))
    assert len(names) == 2 * 6 + 2 * 4 + 10
    for name in names:
        part, kind, number, rating = re.fullmatch(
            r"(train|test)/(pos|neg|unsup)/(\d+)_(\d+)\.txt", name
        ).groups()
        allowed = {"pos": range(7, 11), "neg": range(1, 5), "unsup": range(1)}[kind]
        assert int(rating) in allowed
        assert part == "train" or kind != "unsup"
        assert int(number) < 10


def test_the_truth_is_kept(tiny):
    """A truth that speaks of other reviews than those on disk."""
    truth = rows(tiny / "truth" / "reviews.csv")
    assert {row["review"] for row in truth} == {
        file.relative_to(tiny).as_posix() for file in tiny.rglob("*.txt")
    }
    for row in truth:
        kind = row["review"].split("/")[1]
        assert kind in (row["means"], "unsup")
        assert set(row["turns"].split()) <= {*reviews.TURNS, "plain"}
    hidden = [row["means"] for row in truth if "unsup" in row["review"]]
    assert hidden.count("pos") == hidden.count("neg") == 5


def test_no_review_twice(carried):
    """A test review that was read in training."""
    texts = [file.read_text("utf-8") for file in carried("aclImdb").rglob("*_*.txt")]
    assert len(set(texts)) == len(texts) == 5500


def test_the_archive_holds_what_is_written(carried, tiny):
    """A program that was changed after the archive was made: nobody could make it again."""
    made = sorted(file.relative_to(tiny) for file in tiny.rglob("*_*.txt"))
    for name in made:
        assert (tiny / name).read_bytes() == (carried("aclImdb") / name).read_bytes()
    pairs = "truth/pairs.csv"
    assert (tiny / pairs).read_bytes() == (carried("aclImdb") / pairs).read_bytes()


def test_another_seed_writes_other_reviews(tiny, tmp_path):
    """A seed that is not used."""
    reviews.build(tmp_path, seed=1, counts=TINY)
    texts = [{f.read_text("utf-8") for f in part.rglob("*_*.txt")} for part in (tiny, tmp_path)]
    assert not texts[0] & texts[1]


def test_pairs_are_the_same_words_in_another_order(tiny):
    """Pairs that a count of words could tell apart."""
    pairs = rows(tiny / "truth" / "pairs.csv")
    assert len(pairs) == reviews.PAIRS
    for pair in pairs:
        good, bad = (re.findall(r"[\w']+", pair[kind].lower()) for kind in ("pos", "neg"))
        assert Counter(good) == Counter(bad)
        assert good != bad


@pytest.mark.parametrize("turn", sorted(reviews.TURNS))
def test_every_turn_is_a_whole_sentence(turn):
    """A frame with a hole in it, two spaces, or a clause that lost its end."""
    for number in range(200):
        text = reviews.TURNS[turn][0](random.Random(number), (1, -1)[number % 2])
        assert not re.search(r"[{}|\n]|  | [,.;:]", text), text
        assert len(text.split()) >= 4


def test_turns_say_one_word_and_mean_the_other():
    """Praise that always praises: then counting would do."""
    negated, plain = Counter(), Counter()
    for number in range(400):
        text = reviews._negation(random.Random(number), 1)
        frames = negated if any(word in text for word in reviews.BAD) else plain
        frames[text] += 1
    assert 0.75 < sum(negated.values()) / 400 < 0.95


def test_words_are_many_and_of_one_kind():
    """A word in both lists, or a world of a dozen phrases."""
    assert not set(reviews.GOOD) & set(reviews.BAD)
    assert min(len(set(words)) for words in (reviews.GOOD, reviews.BAD)) >= 38
    lists = [value for value in vars(reviews).values() if isinstance(value, tuple)]
    lists += [
        part for value in (reviews.DOES, reviews.TREATS, reviews.VERY) for part in value.values()
    ]
    assert len({phrase for part in lists for phrase in part}) >= 400
    lengths = [len(reviews.review(1, random.Random(n))[0].split()) for n in range(300)]
    assert 25 < sum(lengths) / 300 < 55
    assert max(lengths) < 100
