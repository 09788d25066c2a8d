"""What lesson 4 claims, on the sample whose truth is known (three seeds) and on real reviews."""

import csv
import re
import statistics

import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

import coursekit as ck

SEEDS = (1, 2, 3)
SIZES = {"width": 96, "layers": 1}


def fine_tune(learn, lr, epochs):
    """Train the head, the layer below it, then all, as the lesson does."""
    learn.freeze()
    learn.fit(1, lr)
    learn.freeze_to(-2)
    learn.fit(1, lr)
    learn.unfreeze()
    learn.fit(epochs, [lr / 2] + [lr] * (len(learn.groups) - 1))


def texts_of(folder, part):
    return [(folder / name).read_text("utf-8") for name in part.names], part.targets.numpy()


@pytest.fixture(scope="module")
def sample():
    return ck.fetch("aclImdb", edition="sample")


@pytest.fixture(scope="module")
def stream(sample):
    return ck.language(sample, batch=32, length=50)


@pytest.fixture(scope="module")
def data(sample, stream):
    return ck.text(sample, vocabulary=stream, batch=16)


@pytest.fixture(scope="module")
def languages(stream):
    """Return a language model a seed."""
    found = []
    for seed in SEEDS:
        ck.seed(seed)
        learn = ck.language_learner(stream, **SIZES, dropout=0.3, checkpoints=False)
        learn.fit(3, 0.01)
        found.append(learn)
    return found


@pytest.fixture(scope="module")
def readers(data, languages):
    """Return a classifier a seed, each on top of another language model."""
    found = []
    for seed, language in zip(SEEDS, languages, strict=True):
        ck.seed(seed)
        learn = ck.text_learner(data, language, dropout=0.2, checkpoints=False)
        fine_tune(learn, 0.01, 6)
        found.append(learn)
    return found


@pytest.fixture(scope="module")
def reached(data, readers):
    return [learn.evaluate(data.test)["accuracy"] for learn in readers]


@pytest.fixture(scope="module")
def counters(sample, data):
    """Return [(name, vectoriser, model)] of what counts words and pairs of words."""
    split = data.options["vocabulary"].split
    reviews, labels = texts_of(sample, data.train)
    found = []
    for pairs in (1, 2):
        counter = CountVectorizer(
            tokenizer=split, token_pattern=None, lowercase=False, ngram_range=(1, pairs)
        )
        counts = counter.fit_transform(reviews)
        models = [MultinomialNB(alpha=alpha) for alpha in (0.1, 1)]
        models += [LogisticRegression(C=c, max_iter=2000) for c in (0.01, 0.1, 1, 10)]
        found += [(f"{one} {pairs}", counter, one.fit(counts, labels)) for one in models]
    return found


def test_counting_words_stays_below_85(sample, data, counters, capsys):
    """A sample in which the words alone give the verdict away, so that order need not be read."""
    reviews, labels = texts_of(sample, data.test)
    found = {name: model.score(count.transform(reviews), labels) for name, count, model in counters}
    with capsys.disabled():
        print(f"\nword counts: at best {max(found.values()):.3f} of the test reviews")
    assert max(found.values()) <= 0.85, found


def test_the_course_reaches_92(reached, capsys):
    """A language model, a classifier or a grammar that no longer carries the lesson's number."""
    mean, spread = statistics.mean(reached), statistics.pstdev(reached)
    with capsys.disabled():
        print(f"\nlanguage model, then classifier: {mean:.3f} ± {spread:.3f} {reached}")
    assert min(reached) >= 0.92, reached


def test_reading_before_was_worth_it(data, reached, capsys):
    """A sample so easy, or a language model so poor, that pretraining makes no difference."""
    scratch = []
    for seed in SEEDS:
        ck.seed(seed)
        learn = ck.text_learner(data, "lstm", sizes=SIZES, dropout=0.2, checkpoints=False)
        learn.fit(8, 0.005)
        scratch.append(learn.evaluate(data.test)["accuracy"])
    with capsys.disabled():
        print(f"\nfrom nothing: {statistics.mean(scratch):.3f} {scratch}")
    assert statistics.mean(scratch) < statistics.mean(reached) - 0.01, (scratch, reached)


def test_perplexity_beats_the_frequencies(stream, languages, capsys):
    """A language model that knows no more than which words are frequent."""
    known = len(stream.options["vocabulary"])
    ids, valid = (torch.from_numpy(part.ids[:]).long() for part in (stream.train, stream.valid))
    shares = (torch.bincount(ids, minlength=known) + 1.0) / (len(ids) + known)
    simple = (-shares.log()[valid].mean()).exp().item()
    found = [learn.evaluate()["perplexity"] for learn in languages]
    with capsys.disabled():
        print(f"\nperplexity {statistics.mean(found):.2f}, by frequency alone {simple:.0f}")
    assert max(found) < simple / 20


def test_the_same_words_in_another_order(sample, data, readers, counters, capsys):
    """A model that is right without reading: a count of words cannot tell these pairs apart."""
    with open(sample / "truth" / "pairs.csv", newline="", encoding="utf-8") as lines:
        pairs = list(csv.DictReader(lines))
    good, bad = ([pair[kind] for pair in pairs] for kind in ("pos", "neg"))
    vocabulary = data.options["vocabulary"]
    found = []
    for learn in readers:
        with torch.no_grad():
            said = [learn.model.eval()(*vocabulary.batch(texts)) for texts in (good, bad)]
        found.append((said[0].argmax(1) > said[1].argmax(1)).float().mean().item())
    with capsys.disabled():
        print(f"\npairs of the same words: both right in {statistics.mean(found):.3f}")
    assert statistics.mean(found) >= 0.6, found
    _, counter, model = counters[1]  # naive Bayes on single words; case is a word of its own
    small = [[re.sub("^.", lambda m: m[0].lower(), text) for text in side] for side in (good, bad)]
    said = [model.predict(counter.transform(side)) for side in small]
    assert (said[0] == said[1]).all()


@pytest.mark.real
def test_real_reviews_in_a_reduced_form(real_home, monkeypatch, capsys):
    """Code that is good at a grammar only: the same statements on real reviews, much reduced."""
    for name, folder in real_home.items():
        monkeypatch.setenv(name, folder)
    ck.seed()
    path = ck.fetch("aclImdb", edition="full")
    files = sorted((path / "train").rglob("*.txt"))[::3]
    ends = [file.read_text("utf-8")[-700:] for file in files]
    stream = ck.language(ends, batch=32, length=60, vocabulary=4000)
    language = ck.language_learner(stream, width=96, layers=1, dropout=0.3, checkpoints=False)
    told = language.fit(2, 0.01)
    data = ck.text(path, vocabulary=stream, batch=32, longest=120)
    learn = ck.text_learner(data, language, dropout=0.5, checkpoints=False)
    fine_tune(learn, 0.01, 2)
    measured = learn.evaluate(data.test)
    with capsys.disabled():
        print(
            f"\nreal reviews: {stream.train.examples:,} tokens read twice, perplexity "
            f"{told[-1]['perplexity']:.0f}; {data.train.examples:,} labelled reviews of at most "
            f"120 tokens, accuracy {measured['accuracy']:.3f} of {data.test.examples:,} right"
        )
    assert measured["accuracy"] > 0.70
