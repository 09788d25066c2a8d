"""Text -> numbers: rules for words, vocabulary, language-model batches, labelled texts."""

import contextlib
import copy
import hashlib
import itertools
import json
import os
import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

from coursekit import runtime
from coursekit.console import CourseError, nearest, note, reason
from coursekit.data.batches import Data
from coursekit.data.cache import digest

UNKNOWN, PAD, START = "<unk>", "<pad>", "<start>"
CAPITAL, CAPITALS, REPEATED = "<cap>", "<up>", "<rep>"
MARKS = (UNKNOWN, PAD, START, CAPITAL, CAPITALS, REPEATED)
UNLABELLED = ("unsup",)  # folders beside those of the classes that hold texts without a label
SIZES = {"words": 20_000, "subwords": 8_000, "characters": 65_000}  # of vocabularies, at most
FEW, FEW_SIGNS = 200, 500  # in the quick profile: texts, and letters of each of many texts
FEW_LETTERS = 60_000  # of one long text, in the quick profile

_PIECE = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]+")
_DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}")


# Rules ----------------------------------------------------------------------------------------


def word_rules(piece):
    """Return the tokens of one piece of text, a word or a run of signs.

    A capital letter becomes a mark before the small word, as do three or more of the same letter
    or two of the same sign; "n't", "'s" and the like become words of their own.
    """
    if not (piece[0].isalnum() or piece[0] == "_"):
        runs = ((sign, sum(1 for _ in run)) for sign, run in itertools.groupby(piece))
        return [token for sign, n in runs for token in ([REPEATED, sign] if n > 1 else [sign])]
    short = _DRAWN_OUT.sub(r"\1", piece)
    marks = [REPEATED] if short != piece else []
    if len(short) > 1 and short[0].isupper():
        marks.append(CAPITALS if short.isupper() else CAPITAL)
    short = short.lower().replace("’", "'")
    at = short.find("'")
    if at < 0:
        return [*marks, short]
    at -= short[at - 1 : at + 2] == "n't" and at > 1  # isn't -> is n't, it's -> it 's
    return [*marks, short[:at], short[at:]]


class _Remembered(dict):
    """Piece of text -> its tokens, worked out once for every different piece."""

    def __missing__(self, piece):
        self[piece] = found = tuple(word_rules(piece))
        return found


class _Numbers(dict):
    """Piece of text -> the numbers of its tokens, looked up once for every different piece."""

    def __init__(self, stoi):
        super().__init__()
        self.stoi = stoi

    def __missing__(self, piece):
        self[piece] = found = tuple(self.stoi.get(token, 0) for token in word_rules(piece))
        return found


def _pieces(text):
    return _PIECE.findall(text.replace("<br />", " "))


# Vocabulary -----------------------------------------------------------------------------------


class Vocabulary:
    """Tokens and their numbers, learned from the training part of some texts.

    Attributes:
        tokens: "words", "subwords" (byte pair encoding, arXiv:1508.07909) or "characters".
        itos: list, number -> token.
        stoi: dict, token -> number.
        unknown: the number of what is not in the list, 0.
    """

    unknown = 0

    def __init__(self, tokens, itos, pairs=None):
        self.tokens, self.itos, self._pairs = tokens, list(itos), pairs
        self.stoi = {token: number for number, token in enumerate(self.itos)}

    @classmethod
    def learn(cls, texts, tokens="words", *, max_size=None, min_freq=2):
        """Return the vocabulary of ``texts``.

        Args:
            texts: list of str.
            tokens: "words", "subwords" or "characters".
            max_size: tokens in the list, at most; the most frequent ones are kept.
            min_freq: how often a word must occur to be kept.
        """
        if tokens not in SIZES:
            raise CourseError(
                f"tokens={tokens!r} is not known; take 'words', 'subwords' or 'characters'."
                + nearest(tokens, SIZES)
            )
        max_size = max_size or SIZES[tokens]
        if tokens == "subwords":
            pairs = _learn_pairs(texts, max_size)
            found = pairs.get_vocab()
            return cls(tokens, sorted(found, key=found.get), pairs)
        if tokens == "characters":
            counts = Counter(itertools.chain.from_iterable(texts))
            return cls(tokens, [UNKNOWN, *sorted(dict(counts.most_common(max_size - 1)))])
        counts = Counter(itertools.chain.from_iterable(map(_pieces, texts)))
        words = Counter()
        for piece, count in counts.items():
            for token in word_rules(piece):
                words[token] += count
        for mark in MARKS:
            words.pop(mark, None)
        ranked = sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))
        kept = [word for word, count in ranked[: max_size - len(MARKS)] if count >= min_freq]
        return cls(tokens, [*MARKS, *kept])

    def __len__(self):
        return len(self.itos)

    def __repr__(self):
        return f"Vocabulary({len(self):,} {self.tokens})"

    def split(self, text):
        """Return the tokens of ``text`` as a list of str, unknown ones as they are written."""
        if self.tokens == "characters":
            return list(text)
        if self.tokens == "subwords":
            return [self._pairs.decode([number]) for number in self.encode(text)]
        return [token for piece in _pieces(text) for token in word_rules(piece)]

    def encode(self, text):
        """Return the numbers of the tokens of ``text`` as a list of int."""
        return self.encode_batch([text])[0].tolist()

    def encode_batch(self, texts):
        """Return (numbers of the tokens of all texts in one array, tokens in each text)."""
        if self.tokens == "subwords":
            found = [one.ids for one in self._pairs.encode_batch(list(texts))]
        elif self.tokens == "characters":
            known = self.stoi
            found = [[known.get(letter, 0) for letter in text] for text in texts]
        else:
            get = _Numbers(self.stoi).__getitem__
            chain = itertools.chain.from_iterable
            found = [list(chain(map(get, _pieces(text)))) for text in texts]
        lengths = numpy.array([len(one) for one in found], numpy.int64)
        kind = numpy.uint16 if len(self) <= 2**16 else numpy.int32
        flat = itertools.chain.from_iterable(found)
        return numpy.fromiter(flat, kind, int(lengths.sum())), lengths

    def padded_batch(self, texts, *, backward=False):
        """Return (ids (B, T), lengths (B,)) of new texts, as the batches of ``ck.text`` have them.

        Args:
            texts: list of str.
            backward: as in ``ck.text``.
        """
        start = [self.stoi[START]] if START in self.stoi else []
        found = [torch.tensor(start + self.encode(text) or [self.unknown]) for text in texts]
        found = [one.flip(0) for one in found] if backward else found
        lengths = torch.tensor([len(one) for one in found])
        padding = self.stoi.get(PAD, 0)
        ids = torch.nn.utils.rnn.pad_sequence(found, batch_first=True, padding_value=padding)
        return ids.to(runtime.device()), lengths.to(runtime.device())

    def decode(self, numbers):
        """Return the text of ``numbers`` (any iterable of whole numbers, or a tensor)."""
        numbers = [int(number) for number in numbers]
        if self.tokens == "subwords":
            return self._pairs.decode(numbers)
        if self.tokens == "characters":
            return "".join(self.itos[number] for number in numbers)
        text, marks = "", []
        for token in (self.itos[number] for number in numbers):
            if token in (CAPITAL, CAPITALS, REPEATED):
                marks.append(token)
                continue
            glued = re.fullmatch(r"[^\w\s(<]|n't|'\w+", token) or not text or text[-1] in "(-/"
            token = token * 3 if REPEATED in marks and len(token) == 1 else token
            token = token.capitalize() if CAPITAL in marks or token == "i" else token
            token = token.upper() if CAPITALS in marks else token
            text, marks = text + ("" if glued else " ") + token, []
        return text

    def to_dict(self):
        """Return what JSON can hold, for ``from_dict``."""
        pairs = self._pairs.to_str() if self._pairs else None
        return {"tokens": self.tokens, "itos": self.itos, "pairs": pairs}

    @classmethod
    def from_dict(cls, facts):
        """Return the vocabulary that ``facts`` was made from."""
        pairs = facts["pairs"]
        if pairs:
            from tokenizers import Tokenizer

            pairs = Tokenizer.from_str(pairs)
        return cls(facts["tokens"], facts["itos"], pairs)


def _learn_pairs(texts, max_size):
    """Return byte pair encoding learned from ``texts``; any text can be written in it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pairs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max_size,
        special_tokens=[UNKNOWN, PAD, START],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pairs.train_from_iterator(texts, trainer)
    return pairs


@dataclass(repr=False)
class TextData(Data):
    """Labelled texts, ready to train on: x = (ids (B, T), lengths (B,)), y (B,), all int64.

    Attributes:
        vocabulary: the ``Vocabulary`` of the ids.
        backward: whether every text is turned round, last token first.
    """

    vocabulary: Vocabulary | None = None
    backward: bool = False


@dataclass(repr=False)
class LanguageData(TextData):
    """A text for a language model: x and y (B, T) int64, y one token later.

    The arrays are ``data.train.ids`` and ``data.valid.ids``.
    """


# A language model's batches -------------------------------------------------------------------


class LanguageModelBatches:
    """One long text in parallel streams: a row of a batch goes on where it ended in the one before.

    A batch is (x, y), both (B, T) int64 on the device, y being x one token later. Batches are views
    of one array of numbers; there is no padding, and only the last batch is shorter. What does not
    fill a last column of all streams, fewer than B tokens, is left out.

    Args:
        ids: 1-D array of numbers, may be memory-mapped.
        batch_size: B, how many streams; fewer where they would be shorter than ``seq_len``.
        seq_len: T, tokens in a row.
    """

    transform = augment = None

    def __init__(self, ids, *, batch_size=64, seq_len=70):
        batch_size = min(batch_size, max(1, (len(ids) - 1) // seq_len))
        self.ids, self.batch_size, self.seq_len = ids, batch_size, seq_len
        self.steps = (len(ids) - 1) // batch_size
        if self.steps < 1:
            raise CourseError(f"A text of {len(ids)} tokens is too short; give a longer one.")
        self._resident = None

    @property
    def num_examples(self):
        """Return how many tokens are predicted."""
        return self.batch_size * self.steps

    def __len__(self):
        return -(-self.steps // self.seq_len)

    def __iter__(self):
        """Walk through the text once; a model that carries its state starts from none."""
        where = runtime.device()
        if self._resident is None or self._resident.device.type != where.type:
            ids = torch.from_numpy(self.ids)
            self._resident = ids if where.type == "cpu" else ids.to(torch.int32).to(where)
        used = self.batch_size * self.steps
        x, y = (self._resident[i : i + used].view(self.batch_size, self.steps) for i in (0, 1))
        for start in range(0, self.steps, self.seq_len):
            window = slice(start, start + self.seq_len)
            yield x[:, window].long(), y[:, window].long()

    def one_batch(self):
        """Return the first mini-batch ``(x, y)``."""
        return next(iter(self))

    def sequential(self, *, augment=None):
        """Return the same batches: a text has one order only."""
        return self

    def fingerprint(self):
        """Return a short hash of content and shape; equal means the same batches."""
        return digest(self.ids, self.batch_size, self.seq_len)

    def __repr__(self):
        sizes = f"{self.num_examples:,} tokens, {len(self)} batches of {self.batch_size} rows"
        return f"LanguageModelBatches({sizes})"


def language(
    source,
    *,
    tokens="words",
    batch_size=64,
    seq_len=70,
    valid=0.1,
    vocabulary=None,
    backward=False,
    seed=42,
):
    """Return the ``Data`` of a language model: each token is to be told from those before it.

    A recurrent model may carry its state from batch to batch, since row b goes on where row b of
    the batch before ended. It keeps the state itself, detached, and forgets it in ``train()`` and
    ``eval()``, which the learner calls before each pass. A checkpoint within an epoch holds that
    state where the learner has the callback ``ck.KeepHiddenState()``, as that of
    ``ck.language_learner`` has.

    Args:
        source: a folder (all its .txt files; only ``train`` where it has such a part), a file, a
            list of texts, or a text. The texts of a folder or list are put in random order.
        tokens: "words", "subwords" or "characters".
        batch_size, seq_len: B and T: the text is cut into B streams, read T tokens at a time.
        valid: the last share of the text (of the texts) becomes the validation part; no overlap.
        vocabulary: of another ``Data``, a ``Vocabulary``, or the largest size of a new one; by
            default 20,000 words, 8,000 subwords, all characters of the training part.
        backward: True turns the text round, last token first.
        seed: of the order of the texts.

    Returns:
        Data: ``train`` and ``valid`` of (x, y), each (B, T) int64, y being x one token later; the
        vocabulary is in ``data.vocabulary``, the arrays in ``data.train.ids``.

    Raises:
        CourseError: there is no text, it is too short, or an argument is out of range.
    """
    _check_share(valid)
    for name, number in (("batch_size", batch_size), ("seq_len", seq_len)):
        if not isinstance(number, int) or number < 1:
            raise CourseError(f"{name}={number!r} is no number of tokens; use a whole number > 0.")
    texts, path = _texts(source, seed)
    if len(texts) == 1:
        parts = _halves(texts[0], valid, whole_words=tokens != "characters")
    else:
        held_out = max(1, round(valid * len(texts)))
        parts = texts[:-held_out], texts[-held_out:]
    mark = len(texts) > 1
    ids, lengths, vocabulary = _numbered(parts, tokens, vocabulary, mark=mark)
    cut = int(lengths[: len(parts[0])].sum())
    arrays = [ids[:cut], ids[cut:]]
    for part, array in zip(("training", "validation"), arrays, strict=True):
        if len(array) < (batch_size + 1 if part == "training" else 2):
            raise CourseError(
                f"The {part} part has {len(array)} tokens, too few for a batch of "
                f"{batch_size} rows; give a longer text, or a smaller batch_size=."
            )
    if backward:
        arrays = [numpy.ascontiguousarray(array[::-1]) for array in arrays]
    streams = [
        LanguageModelBatches(array, batch_size=batch_size, seq_len=seq_len) for array in arrays
    ]
    return LanguageData(*streams, path=path, vocabulary=vocabulary, backward=backward)


# Labelled texts -------------------------------------------------------------------------------


class TextBatches:
    """Labelled texts in mini-batches ``((ids, lengths), y)`` of texts about equally long.

    ids is (B, T) int64, T the longest text of the batch, the others padded after their end; lengths
    and y are (B,) int64. Texts are kept sorted by length, so that there is little to pad.

    Args:
        ids: 1-D array with the numbers of all texts, one after another.
        places: (N, 2) where each text starts in ``ids``, and its tokens.
        targets: (N,) numbers of the classes.
        batch_size: texts in a batch.
        shuffle: True draws other batches, in another order, for every epoch.
        filenames: the file, or other name, of each text.
        padding: the number that fills up.
    """

    transform = augment = None

    def __init__(
        self, ids, places, targets, *, batch_size=64, shuffle=False, filenames=None, padding=1
    ):
        self.ids, self.batch_size, self.shuffle, self.padding = ids, batch_size, shuffle, padding
        self.places, self.targets = torch.as_tensor(places), torch.as_tensor(targets)
        self.filenames = filenames

    @property
    def num_examples(self):
        """Return how many texts there are."""
        return len(self.targets)

    @property
    def inputs(self):
        """Return a list with the numbers of each text, in order."""
        return [self.ids[start : start + length] for start, length in self.places.tolist()]

    def __len__(self):
        full, rest = divmod(self.num_examples, self.batch_size)
        return full + (rest > 0) - (rest == 1 and full > 0)  # a batch statistic needs two texts

    def __iter__(self):
        """Walk through all texts once, a mini-batch at a time."""
        where, ids, count = runtime.device(), torch.from_numpy(self.ids), len(self)
        rows, order = torch.arange(self.num_examples), range(count)
        if self.shuffle:  # texts of nearly the same length find new companions each time
            rows = (self.places[:, 1] * (0.9 + 0.2 * torch.rand(len(rows)))).argsort()
            order = torch.randperm(count).tolist()
        for number in order:
            end = None if number == count - 1 else (number + 1) * self.batch_size
            index = rows[number * self.batch_size : end]
            starts, lengths = self.places[index].T
            steps = torch.arange(int(lengths.max()))
            inside = steps < lengths[:, None]  # (B, T)
            x = ids[(starts[:, None] + steps).clamp(max=len(ids) - 1)].long()
            x = x.masked_fill(~inside, self.padding)
            yield (x.to(where), lengths.to(where)), self.targets[index].to(where)

    def one_batch(self):
        """Return the first mini-batch ``((ids, lengths), y)``."""
        return next(iter(self))

    def subset(self, rows):
        """Select the texts ``rows`` (whole numbers), in that order, over the same array."""
        rows, other = torch.as_tensor(rows, dtype=torch.long), copy.copy(self)
        other.places, other.targets = self.places[rows], self.targets[rows]
        other.filenames = self.filenames and [self.filenames[row] for row in rows.tolist()]
        return other

    def sequential(self, *, augment=None):
        """Return the same texts unshuffled."""
        other = copy.copy(self)
        other.shuffle = False
        return other

    def fingerprint(self):
        """Return a short hash of content and order; equal means the same batches."""
        arrays = self.ids, self.places, self.targets
        return digest(*arrays, self.batch_size, self.shuffle, self.padding)

    def __repr__(self):
        return f"TextBatches({self.num_examples:,} texts, {len(self)} batches of {self.batch_size})"


def text(
    source,
    *,
    labels="folders",
    tokens="words",
    batch_size=64,
    valid=0.1,
    vocabulary=None,
    max_length=None,
    backward=False,
    seed=42,
):
    """Return the ``Data`` of labelled texts, for ``ck.text_learner``.

    Args:
        source: a folder with ``train/<class>/*.txt``, and ``valid`` and ``test`` alike where there
            are any; or a list of texts.
        labels: "folders", or a list with the label of each text.
        tokens: "words", "subwords" or "characters".
        batch_size: texts in a mini-batch.
        valid: share of the training texts that is set aside where there is no ``valid``.
        vocabulary: as for ``ck.language``; to use an encoder, that of the data it was trained on.
        max_length: keep the last so many tokens of a text; by default all.
        backward: True turns every text round, last token first.
        seed: of the texts that are set aside.

    Returns:
        Data: ``train``, ``valid`` and ``test`` (or None) of ``TextBatches``, with their classes.

    Raises:
        CourseError: there are no texts of two classes, or an argument is out of range.
    """
    _check_share(valid)
    if isinstance(labels, str) and labels == "folders":
        path, parts = Path(source), _from_folders(Path(source))
    else:
        path, parts = None, {"train": _from_list(source, labels)}
    if "valid" not in parts:
        rows = parts["train"]
        random.Random(seed).shuffle(rows)
        cut = max(1, round(valid * len(rows)))
        parts |= {"valid": rows[:cut], "train": rows[cut:]}
    parts = {name: parts[name] for name in ("train", "valid", "test") if name in parts}
    classes = sorted({label for label, _, _ in parts["train"]})
    if len(classes) < 2:
        raise CourseError(f"There is one class only ({', '.join(classes)}); give texts of two.")
    texts = [[text for _, _, text in rows] for rows in parts.values()]
    ids, lengths, vocabulary = _numbered(texts, tokens, vocabulary, mark=True)
    starts = numpy.cumsum(lengths) - lengths
    kept = numpy.minimum(lengths, max_length or lengths.max())
    starts += lengths - kept
    if backward:
        ids, starts = numpy.ascontiguousarray(ids[::-1]), len(ids) - starts - kept
    made, end = {}, 0
    for name, rows in parts.items():
        part = slice(end, end + len(rows))
        end = part.stop
        order = numpy.argsort(kept[part], kind="stable")
        made[name] = TextBatches(
            ids,
            numpy.stack([starts[part], kept[part]], 1)[order],
            [classes.index(rows[row][0]) for row in order],
            batch_size=batch_size,
            shuffle=name == "train",
            filenames=[rows[row][1] for row in order],
            padding=vocabulary.stoi.get(PAD, 0),
        )
    return TextData(
        **made, classes=tuple(classes), path=path, vocabulary=vocabulary, backward=backward
    )


def _from_folders(path):
    """Return {part: [(class, name, text)]} of path/<part>/<class>/*.txt."""
    parts = {}
    for part in ("train", "valid", "test"):
        files = [
            file
            for file in sorted((path / part).glob("*/*.txt"))
            if file.parent.name not in UNLABELLED
        ]
        random.Random(0).shuffle(files)
        rows = [(f.parent.name, str(f.relative_to(path)), _read(f)) for f in _few(files)]
        empty = [name for _, name, text in rows if not text.strip()]
        if empty:
            note(f"left out {len(empty)} texts without a word, such as {empty[0]}.")
        if rows:
            parts[part] = [row for row in rows if row[2].strip()]
    if "train" not in parts:
        raise CourseError(
            f"There are no texts in {path}/train/<class>/*.txt; check the path, or give a list of "
            "texts and labels= a list of their labels."
        )
    odd = {label for rows in parts.values() for label, _, _ in rows}
    odd -= {label for label, _, _ in parts["train"]}
    if odd:
        raise CourseError(f"There are no training texts of {', '.join(sorted(odd))}; add some.")
    return parts


def _from_list(texts, labels):
    if isinstance(texts, (str, Path)) or isinstance(labels, str) or len(texts) != len(labels):
        raise CourseError(
            "labels= is 'folders', or a list with one label for each text of a list of texts."
        )
    rows = enumerate(zip(labels, texts, strict=True))
    return _few([(str(label), str(row), str(text)) for row, (label, text) in rows if text.strip()])


def _check_share(valid):
    if not 0 < valid < 1:
        raise CourseError(f"valid={valid!r} is no share; give one between 0 and 1, like 0.1.")


# Reading --------------------------------------------------------------------------------------


def _texts(source, seed):
    """Return (list of texts, folder or None) of whatever ``source`` is."""
    if isinstance(source, (list, tuple)):
        texts = [str(text) for text in source]
        random.Random(seed).shuffle(texts)
        return _few(_not_empty(texts, "the list")), None
    if isinstance(source, str) and (len(source) > 1000 or not os.path.exists(source)):
        if len(source.split()) < 3:
            raise CourseError(f"There is no file or folder {source!r}, and as a text it is short.")
        return [source[:FEW_LETTERS] if runtime.quick() else source], None
    path = Path(source)
    if path.is_file():
        text = _read(path)
        return _not_empty([text[:FEW_LETTERS] if runtime.quick() else text], path), path.parent
    if not path.is_dir():
        raise CourseError(f"There is no file or folder {path}; check its name.")
    root = path / "train" if (path / "train").is_dir() else path
    files = sorted(root.rglob("*.txt"))
    random.Random(seed).shuffle(files)
    return _not_empty([_read(file) for file in _few(files)], path), path


def _few(things):
    return things[:FEW] if runtime.quick() else things


def _not_empty(texts, where):
    if not any(text.strip() for text in texts):
        raise CourseError(f"There is no text in {where}; give .txt files with words in them.")
    return texts


def _read(file):
    try:
        return Path(file).read_text("utf-8", errors="replace")
    except OSError as error:
        raise CourseError(f"{file} cannot be read ({reason(error)}); check the file.") from error


def _halves(text, valid, *, whole_words):
    """Return ([training text], [validation text]), cut between two words where asked."""
    cut = round(len(text) * (1 - valid))
    while whole_words and 0 < cut < len(text) and not text[cut - 1].isspace():
        cut += 1
    return [text[:cut]], [text[cut:]]


def _numbered(parts, tokens, vocabulary, *, mark):
    """Return (numbers of all texts, tokens in each, vocabulary); kept for the next time.

    Args:
        parts: lists of texts; the vocabulary is learned from the first.
        mark: begin every text with ``START``, where the vocabulary has it.
    """
    vocabulary = getattr(vocabulary, "vocabulary", vocabulary)
    if runtime.quick() and mark:
        parts = [[text[-FEW_SIGNS:] for text in part] for part in parts]
    texts = [text for part in parts for text in part]
    given = vocabulary.to_dict() if isinstance(vocabulary, Vocabulary) else vocabulary
    if not isinstance(vocabulary, (Vocabulary, int, type(None))):
        raise CourseError(f"vocabulary={vocabulary!r} is none; give a Data, a size, or nothing.")
    digest = hashlib.blake2b(repr([tokens, given, mark, len(parts[0])]).encode(), digest_size=12)
    for text in texts:
        digest.update(text.encode("utf-8", "replace") + b"\0")
    file = runtime.home() / "cache" / "text" / f"{digest.hexdigest()}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError, KeyError):
        facts = json.loads(file.with_suffix(".json").read_text("utf-8"))
        ids = numpy.load(file, mmap_mode="c")
        if facts["total"] == len(ids):
            lengths = numpy.array(facts["lengths"], numpy.int64)
            return ids, lengths, Vocabulary.from_dict(facts["vocabulary"])
    if not isinstance(vocabulary, Vocabulary):
        vocabulary = Vocabulary.learn(parts[0], tokens, max_size=vocabulary)
    ids, lengths = vocabulary.encode_batch(texts)
    if mark and START in vocabulary.stoi:
        starts = numpy.cumsum(lengths) - lengths
        ids = numpy.insert(ids, starts, vocabulary.stoi[START])
        lengths = lengths + 1
    facts = {"total": len(ids), "lengths": lengths.tolist(), "vocabulary": vocabulary.to_dict()}
    return _keep(file, ids, facts), lengths, vocabulary


def _keep(file, ids, facts):
    """Write the numbers to disk and return them memory-mapped; in memory where that fails."""
    partial = file.with_name(f"{file.stem}.{os.getpid()}.part.npy")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        numpy.save(partial, ids, allow_pickle=False)
        os.replace(partial, file)
        partial.write_text(json.dumps(facts), "utf-8")
        os.replace(partial, file.with_suffix(".json"))
        return numpy.load(file, mmap_mode="c")
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        note(
            f"The numbers stay in memory, since {file.parent} cannot be written "
            f"({reason(error)}); make room there, or set COURSEKIT_HOME."
        )
        return ids
