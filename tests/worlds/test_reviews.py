"""The sample world of reviews: laid out as published, always the same, balanced in its words."""

import csv
import re
from collections import Counter

from worlds import reviews


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_layout_and_truth_are_those_of_the_set(carried):
    """Names that differ from aclImdb, or a truth that speaks of other reviews than those there."""
    folder = carried("aclImdb")
    names = {file.relative_to(folder).as_posix() for file in folder.rglob("*.txt")}
    truth = rows(folder / "truth" / "reviews.csv")
    assert {row["review"] for row in truth} == names
    kinds = Counter()
    for row in truth:
        match = re.fullmatch(r"(train|test)/(pos|neg|unsup)/\d+_(\d+)\.txt", row["review"])
        kinds[match[1], match[2]] += 1
        wanted = {"pos": range(7, 11), "neg": range(1, 5), "unsup": range(1)}[match[2]]
        assert int(match[3]) in wanted
        assert match[2] in (row["means"], "unsup")
        assert set(row["turns"].split()) <= {*reviews.TURNS, "plain"}
    counts = reviews.COUNTS
    both = {(part, kind): counts[part] for part in ("train", "test") for kind in ("pos", "neg")}
    assert kinds == both | {("train", "unsup"): counts["unsup"]}
    hidden = Counter(row["means"] for row in truth if "unsup" in row["review"])
    assert hidden["pos"] == hidden["neg"]


def test_no_review_twice(carried):
    """A test review that was read in training."""
    texts = [file.read_text("utf-8") for file in carried("aclImdb").rglob("*_*.txt")]
    assert len(set(texts)) == len(texts) == 5500
