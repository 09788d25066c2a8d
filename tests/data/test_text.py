"""Text as data: rules, vocabularies, streams of a language model, batches of labelled texts."""

import functools
import os
import random
import re
import unicodedata

import numpy
import pandas
import pytest
import torch

import coursekit as ck
from coursekit import CourseError
from coursekit.data import text as module
from coursekit.data.text import LanguageModelBatches, TextBatches, Vocabulary, word_rules

BOOK = "The old ferry crossed the river. " * 400
PRAISE = ["The plot was fine.", "I liked all of it, really!", "Fine cast, fine music"] * 8
BLAME = ["The plot was dull.", "I did not like it.", "Dull cast and a dull, dull script"] * 8
KNOWN = Vocabulary.learn(PRAISE)


def folder_of(root, texts=PRAISE, others=BLAME, part="train"):
    for kind, some in (("pos", texts), ("neg", others)):
        (root / part / kind).mkdir(parents=True)
        for number, one in enumerate(some):
            (root / part / kind / f"{number}_7.txt").write_text(one, "utf-8")
    return root


# Rules and vocabularies -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("piece", "tokens"),
    [
        ("film", ["film"]),
        ("Film", ["<cap>", "film"]),
        ("FILM", ["<up>", "film"]),
        ("I", ["i"]),
        ("sooooo", ["<rep>", "so"]),
        ("NOOOO", ["<rep>", "<up>", "no"]),
        ("good", ["good"]),
        ("2000", ["2000"]),
        ("isn't", ["is", "n't"]),
        ("Isn’t", ["<cap>", "is", "n't"]),
        ("can't", ["ca", "n't"]),
        ("it's", ["it", "'s"]),
        ("they'll", ["they", "'ll"]),
        ("!!!", ["<rep>", "!"]),
        ("?!", ["?", "!"]),
        ("...)", ["<rep>", ".", ")"]),
    ],
)
def test_rules(piece, tokens):
    """Case or repetition that is thrown away, a negation that is glued to its verb."""
    assert word_rules(piece) == tokens


def test_vocabulary_keeps_the_frequent_ones_in_order():
    """Words seen once that crowd out others, an order that differs between runs, marks counted."""
    known = Vocabulary.learn(["b b b a a c c once", "<unk> B"], max_size=10)
    assert known.itos == [*module.MARKS, "b", "a", "c"]
    assert Vocabulary.learn(["b b b a a c c"], max_size=7).itos[-1] == "b"
    assert known.encode("b once") == [known.stoi["b"], known.unknown]
    assert all(known.stoi[token] == number for number, token in enumerate(known.itos))


@pytest.mark.parametrize("kind", ["words", "subwords", "characters"])
def test_encode_and_decode(kind):
    """Numbers that mean another text than the one that went in."""
    sentence = "Anna said: it isn't dull, really (no). THE END!"
    known = Vocabulary.learn([sentence] * 3, kind, max_size=400)
    assert known.decode(known.encode(sentence)) == sentence
    flat, lengths = known.encode_batch([sentence, "", sentence[:9]])
    assert lengths.tolist()[1] == 0
    assert flat.tolist() == known.encode(sentence) + known.encode(sentence[:9])


def test_subwords_write_anything():
    """An alphabet that is missing from the training texts and becomes unknown."""
    known = Vocabulary.learn(PRAISE, "subwords", max_size=300)
    strange = "Žluťoučký 映画 🎬"
    assert known.decode(known.encode(strange)) == strange
    assert "".join(known.split("fine cast")) == "fine cast"


def test_new_texts_look_like_those_of_the_batches(tmp_path):
    """A typed review without its start mark, or turned round, is not what the model was taught."""
    data = ck.text(folder_of(tmp_path), batch_size=4)
    known = data.vocabulary
    (ids, lengths), _ = data.valid.one_batch()
    texts = [(tmp_path / name).read_text() for name in data.valid.filenames[: len(ids)]]
    again, counted = known.padded_batch(texts)
    assert torch.equal(again, ids)
    assert torch.equal(counted, lengths)
    back, _ = known.padded_batch(texts[:1], backward=True)
    assert torch.equal(back[0], ids[0, : lengths[0]].flip(0))


# Batches of a language model ------------------------------------------------------------------


@pytest.mark.parametrize("size", [101, 1000, 1001, 1009])
@pytest.mark.parametrize("kind", [numpy.uint16, numpy.int32])
def test_streams_are_the_text(size, kind):
    """Windows that overlap, leave out, pad, or lose the thread between two batches."""
    ids = numpy.arange(size, dtype=kind)
    streams = LanguageModelBatches(ids, batch_size=10, seq_len=7)
    xs, ys = zip(*streams, strict=True)
    x, y = torch.cat(xs, 1), torch.cat(ys, 1)
    assert x.dtype == y.dtype == torch.int64
    assert torch.equal(y, x + 1)
    assert len(xs) == len(streams)
    assert {one.shape[1] for one in xs[:-1]} <= {7}
    assert x.numel() == streams.num_examples > size - 1 - streams.batch_size
    assert torch.equal(x.flatten(), torch.arange(x.numel()))


def test_validation_is_the_last_share():
    """The split of many courses, in which windows of both parts overlap."""
    data = ck.language(BOOK, tokens="characters", batch_size=8, seq_len=20, valid=0.2)
    known = data.vocabulary
    text = known.decode(data.train.ids) + known.decode(data.valid.ids)
    assert text == BOOK
    assert len(data.valid.ids) == pytest.approx(0.2 * len(BOOK), abs=1)
    words = ck.language(BOOK, batch_size=4, seq_len=10)
    joined = numpy.concatenate([words.train.ids, words.valid.ids])
    known = words.vocabulary
    assert joined.tolist() == known.encode(BOOK)
    text = "one two three four " * 200 + "zebra zebra zebra zebra " * 20
    known = ck.language(text, batch_size=4, seq_len=5, valid=0.12).vocabulary
    assert "one" in known.stoi
    assert "zebra" not in known.stoi, "words that only the validation part has"


def test_folder_of_texts(tmp_path):
    """Reviews of the test part in the language model; reviews that run into each other."""
    folder_of(tmp_path)
    folder_of(tmp_path, ["Secret one two three."] * 4, ["Secret four."] * 4, part="test")
    (tmp_path / "train" / "unsup").mkdir()
    (tmp_path / "train" / "unsup" / "0_0.txt").write_text("Unlabelled words, unlabelled words.")
    data = ck.language(tmp_path, batch_size=2, seq_len=5, valid=0.1)
    known = data.vocabulary
    assert "secret" not in known.stoi
    everything = numpy.concatenate([data.train.ids, data.valid.ids])
    assert (everything == known.stoi["<start>"]).sum() == 49
    again = ck.language(tmp_path, batch_size=2, seq_len=5, valid=0.1)
    assert again.train.fingerprint() == data.train.fingerprint()
    other = ck.language(tmp_path, batch_size=2, seq_len=5, valid=0.1, seed=1)
    assert other.train.fingerprint() != data.train.fingerprint()
    longer = ck.language(tmp_path, batch_size=2, seq_len=6, valid=0.1)
    assert longer.train.fingerprint() != data.train.fingerprint()


def test_backward_is_the_text_turned_round():
    """A backward model that reads forward, or that sees the validation part."""
    ahead = ck.language(BOOK, batch_size=4, seq_len=10)
    back = ck.language(BOOK, batch_size=4, seq_len=10, backward=True, vocabulary=ahead)
    assert back.train.ids.tolist() == ahead.train.ids.tolist()[::-1]
    assert back.valid.ids.tolist() == ahead.valid.ids.tolist()[::-1]
    assert back.vocabulary.itos == ahead.vocabulary.itos
    assert back.train.fingerprint() != ahead.train.fingerprint()


# Labelled texts -------------------------------------------------------------------------------


def test_quick_keeps_few(tmp_path, monkeypatch):
    """A trial run as long as the lesson."""
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    monkeypatch.setattr(module, "QUICK_TEXTS", 10)
    data = ck.text(folder_of(tmp_path))
    assert data.train.num_examples + data.valid.num_examples == 10
    assert set(data.train.targets.tolist()) == {0, 1}


def test_batches_of_texts(tmp_path):
    """Texts, lengths and labels that part company when they are sorted, cut or padded."""
    data = ck.text(folder_of(tmp_path), batch_size=5, valid=0.25)
    known = data.vocabulary
    assert data.classes == ("neg", "pos")
    assert (data.train.num_examples, data.valid.num_examples) == (36, 12)
    assert not set(data.train.filenames) & set(data.valid.filenames)
    for part in (data.train, data.valid):
        seen = []
        for (ids, lengths), y in part:
            assert ids.shape == (len(y), lengths.max())
            for row, length, label in zip(ids, lengths.tolist(), y.tolist(), strict=True):
                assert (row[length:] == known.stoi["<pad>"]).all()
                assert row[0] == known.stoi["<start>"]
                seen.append((known.decode(row[1:length]), data.classes[label]))
        whole = [(tmp_path / name).read_text() for name in part.filenames]
        kinds = [name.split("/")[1] for name in part.filenames]
        tokens = [
            (known.decode(known.encode(one)), kind) for one, kind in zip(whole, kinds, strict=True)
        ]
        assert sorted(seen) == sorted(tokens)
        inside = [known.decode(one[1:]) for one in part.inputs]
        assert inside == [one for one, _ in tokens]


def test_epochs_differ_and_sizes_fit():
    """The same companions in every epoch; a last batch of one, whose batch norm fails."""
    draw = random.Random(0)
    texts = [" ".join(["word", "other"] * draw.randint(1, 9)) for _ in range(41)]
    data = ck.text(texts, labels=["ab"[i % 2] for i in range(41)], batch_size=5, valid=0.01)
    assert data.train.num_examples == 40
    torch.manual_seed(0)
    sums = [[y.sum().item() for _, y in data.train] for _ in range(2)]
    assert sums[0] != sums[1]
    odd = data.train.subset(range(11))
    assert [len(y) for _, y in odd.sequential()] == [5, 6]
    assert len(odd) == 2
    widths = [ids.shape[1] / lengths.float().mean() for (ids, lengths), _ in data.train]
    assert max(widths) < 2, "texts of very different length in one batch"
    assert odd.fingerprint() != data.train.fingerprint()
    assert len(odd.filenames) == 11


def test_predictions_are_in_order(tmp_path):
    """Verdicts that are printed beside another review."""
    data = ck.text(folder_of(tmp_path), batch_size=7)
    ck.seed()
    learn = ck.text_learner(data, sizes={"embedding_dim": 8, "n_layers": 1})
    said = learn.predict(data.train)
    assert torch.equal(said.targets, data.train.targets)
    known = data.vocabulary
    for row in (0, 20, 42):
        alone = known.padded_batch([(tmp_path / data.train.filenames[row]).read_text()])
        with torch.no_grad():
            torch.testing.assert_close(learn.model(*alone)[0].cpu(), said.scores[row])


def test_longest_keeps_the_end(tmp_path):
    """A cut that throws away the end of a review, where the verdict stands."""
    data = ck.text(folder_of(tmp_path), max_length=3)
    known = data.vocabulary
    ends = {known.decode(one) for one in data.train.inputs}
    assert "was dull." in {end.strip() for end in ends}
    back = ck.text(tmp_path, max_length=3, backward=True)
    assert [one.tolist()[::-1] for one in back.valid.inputs] == [
        one.tolist() for one in data.valid.inputs
    ]
    assert back.valid.filenames == data.valid.filenames


def test_parts_of_a_folder(tmp_path):
    """A validation or test part that is there and is not used."""
    folder_of(tmp_path)
    for part in ("valid", "test"):
        folder_of(tmp_path, ["Fine."] * 2, ["Dull."] * 3, part=part)
    data = ck.text(tmp_path)
    assert [part.num_examples for part in (data.train, data.valid, data.test)] == [48, 5, 5]
    assert isinstance(data.test, TextBatches)
    assert "test 5" in repr(data)
    (tmp_path / "test" / "mixed").mkdir()
    (tmp_path / "test" / "mixed" / "0_5.txt").write_text("So so, all in all.")
    with pytest.raises(CourseError, match="no training texts of mixed"):
        ck.text(tmp_path)


# Files and lists of one's own -----------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_of_encodings_are_understood(tmp_path, encoding):
    """Notepad's files, of which every second sign is a NUL, or the first one a mark."""
    (tmp_path / "book.TXT").write_bytes(("un café de plus\r\n" * 9).encode(encoding))
    data = ck.language(tmp_path / "book.TXT", batch_size=1, seq_len=2, vocabulary=100)
    assert sorted(data.vocabulary.itos[len(module.MARKS) :]) == ["café", "de", "plus", "un"]


def test_what_is_no_text_is_left_out_and_counted(tmp_path, capsys):
    """Bytes of another encoding in the vocabulary, or a pipe that is waited for for ever."""
    folder_of(tmp_path)
    place = tmp_path / "train" / "pos"
    (place / "0_7.txt").write_bytes("Вопрос".encode("cp1251"))
    (place / "1_7.txt").write_bytes(b"a\0b\0")
    (place / "2_7.txt").write_bytes(b" ")
    (place / "notes.csv").write_text("1,2")
    (place / ".hidden.txt").write_text("hidden hidden hidden")
    if hasattr(os, "mkfifo"):
        os.mkfifo(place / "pipe.txt")
    (tmp_path / "train" / "urls_pos.txt").write_text("http://www.example.org usercomments\n" * 9)
    for read in (ck.text, functools.partial(ck.language, batch_size=2, seq_len=5)):
        data = read(tmp_path)
        said = capsys.readouterr().out
        assert "left out 3 of 48 texts; the first: " in said
        assert not {"usercomments", "hidden", "�"} & set(data.vocabulary.itos)


def test_folders_are_found_by_their_usual_names(tmp_path):
    """A validation part that is there under another name, classes that look the same, no parts."""
    folder_of(tmp_path, part="training")
    folder_of(tmp_path, ["Fine."] * 2, ["Dull."] * 3, part="validation")
    data = ck.text(tmp_path)
    assert (data.train.num_examples, data.valid.num_examples) == (48, 5)
    assert ck.text(tmp_path / "training").classes == ("neg", "pos")
    names = ["Café", unicodedata.normalize("NFD", "Café "), "dull", 1]
    assert ck.text(PRAISE, labels=names * 6).classes == ("1", "Café", "dull")


def test_one_text_is_a_list_of_one():
    """Nine verdicts on the nine letters of one text."""
    known = Vocabulary.learn("a good film, a good film")
    assert "film" in known.stoi
    assert known.padded_batch("a good film")[1].tolist() == [4]
    assert known.encode_batch("a good film")[1].tolist() == [3]


def test_few_texts_are_held_out_by_their_ends():
    """Half of two books held out where a tenth was asked for."""
    data = ck.language([BOOK, BOOK], batch_size=2, seq_len=5)
    share = len(data.valid.ids) / (len(data.valid.ids) + len(data.train.ids))
    assert share == pytest.approx(0.1, abs=0.01)


def test_what_a_model_will_not_see_is_said(capsys):
    """Half of the words unknown to an encoder, or texts left out, without a line about it."""
    known = ck.language(BOOK, batch_size=4, seq_len=5)
    ck.text(PRAISE + BLAME, labels=["a", "b"] * 24, vocabulary=known)
    assert re.search(
        r"7\d% of the tokens are unknown to the vocabulary, such as '", capsys.readouterr().out
    )
    ck.text(["good film", "", "bad film"] * 12, labels=["p", "p", "n"] * 12)
    assert "left out 12 of 36 texts; the first: 1 has no word" in capsys.readouterr().out


FRAME = pandas.DataFrame({"text": PRAISE, "label": ["a", "b"] * 12})
HOLED = FRAME.mask(FRAME.index.to_series() == 3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda root: ck.language(root / "nowhere"), "nowhere"),
        (lambda root: ck.language("aclImbd"), "'aclImbd'"),
        (lambda root: ck.language("my texts/my first novel"), "no file.*novel"),
        (lambda root: ck.language(root), "no text in"),
        (lambda root: ck.language(["", " "]), "no text in 2"),
        (lambda root: ck.language(FRAME), "DataFrame"),
        (lambda root: ck.language(HOLED["text"]), "1 of 24 texts.*row 3: nan"),
        (lambda root: ck.language(None), "source=None"),
        (lambda root: ck.language("too short\na text", batch_size=64), "batch_size=64"),
        (lambda root: ck.language(BOOK, tokens="letters"), "'letters'"),
        (lambda root: ck.language(BOOK, tokens="characters", vocabulary=KNOWN), "'characters'"),
        (lambda root: ck.language(BOOK, vocabulary="english"), "'english'"),
        (lambda root: ck.text(root), "nothing to read"),
        (lambda root: ck.text(PRAISE), "labels|no list"),
        (lambda root: ck.text(FRAME, labels=FRAME["label"]), "DataFrame"),
        (lambda root: ck.text(FRAME["text"], labels=HOLED["label"]), "labels.*row 3: nan"),
        (lambda root: ck.text(PRAISE, labels=[["a", "b"]] * 24), r"24 labels.*row 0: \['a', 'b'\]"),
        (lambda root: ck.text(PRAISE, labels=["pos"] * 24), "pos"),
        (lambda root: ck.text(PRAISE, labels=["a", "b"] * 11 + ["a", "one"], valid=[23]), "valid="),
        (lambda root: ck.text("a review", labels="pos"), "one label for each text"),
        (lambda root: ck.text(PRAISE, labels=["a", "b"] * 12, max_length=-1), "max_length=-1"),
        (lambda root: KNOWN.split(["a"]), "text="),
        (lambda root: KNOWN.decode([-1]), "Token -1"),
        (lambda root: Vocabulary(["words"], []), "tokens="),
    ],
)
def test_bad_input_is_refused(call, says, tmp_path):
    """A traceback from the middle of a library, where one sentence would help."""
    with pytest.raises(CourseError, match=says):
        call(tmp_path)
