"""Text -> numbers: rules for words, vocabulary, language-model batches, labelled texts."""

from __future__ import annotations

import functools
import itertools
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from coursekit import runtime
from coursekit.console import CourseError, nearest, note, reason
from coursekit.data.batches import Batches, Data, check_count
from coursekit.data.cache import cache_file, digest, keep_array, keep_facts, load_array
from coursekit.data.split import fewer, split

if TYPE_CHECKING:
    import tokenizers

UNKNOWN, PAD, START = "<unk>", "<pad>", "<start>"
CAPITAL, CAPITALS, REPEATED = "<cap>", "<up>", "<rep>"
MARKS = (UNKNOWN, PAD, START, CAPITAL, CAPITALS, REPEATED)
UNLABELLED = ("unsup",)  # folders beside those of the classes that hold texts without a label
SIZES = {"words": 20_000, "subwords": 8_000, "characters": 65_000}  # of vocabularies, at most
QUICK_TEXTS, QUICK_CHARACTERS, QUICK_LONG = 200, 500, 60_000  # of one in many texts, of a long one

_PIECE = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]+")


# Words ----------------------------------------------------------------------------------------


def word_rules(piece: str) -> list[str]:
    """Tokens of one piece of text, a word or a run of signs.

    A capital letter becomes a mark before the small word, as do three or more of the same letter
    or two of the same sign; "n't", "'s" and the like become words of their own.
    """
    if not re.match(r"\w", piece):
        runs = re.findall(r"((.)\2*)", piece)
        return [t for run, sign in runs for t in ([REPEATED, sign] if len(run) > 1 else [sign])]
    short = re.sub(r"([^\W\d_])\1{2,}", r"\1", piece)  # sooooo -> so
    marks = [REPEATED] if short != piece else []
    if len(short) > 1 and short[0].isupper():
        marks.append(CAPITALS if short.isupper() else CAPITAL)
    short = short.lower().replace("’", "'")
    return marks + re.sub(r"(.)(n't.*|'.*)$", r"\1 \2", short).split()  # isn't -> is n't


def _pieces(text: str) -> list[str]:
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

    def __init__(self, tokens: str, itos: Iterable[str], pairs: Any = None):
        self.tokens, self.itos, self._pairs = tokens, list(itos), pairs
        self.stoi = {token: number for number, token in enumerate(self.itos)}

    @classmethod
    def learn(
        cls,
        texts: Sequence[str],
        tokens: str = "words",
        *,
        max_size: int | None = None,
        min_freq: int = 2,
    ) -> Vocabulary:
        """Learn the vocabulary of ``texts``: the ``max_size`` most frequent tokens at most.

        A word has to occur ``min_freq`` times to be kept.

        Raises:
            CourseError: ``tokens`` is not "words", "subwords" or "characters".
        """
        if tokens not in SIZES:
            known = " or ".join(map(repr, SIZES))
            raise CourseError(f"tokens={tokens!r} is not {known}.{nearest(tokens, SIZES)}")
        max_size = max_size or SIZES[tokens]
        if tokens == "subwords":
            pairs = _learn_pairs(texts, max_size)
            found = pairs.get_vocab()
            return cls(tokens, sorted(found, key=found.__getitem__), pairs)
        if tokens == "characters":
            counts = Counter(itertools.chain.from_iterable(texts))
            return cls(tokens, [UNKNOWN, *sorted(dict(counts.most_common(max_size - 1)))])
        counts = Counter()
        for piece, count in Counter(itertools.chain.from_iterable(map(_pieces, texts))).items():
            for token in word_rules(piece):
                counts[token] += count
        for mark in MARKS:
            counts.pop(mark, None)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        kept = [word for word, count in ranked[: max_size - len(MARKS)] if count >= min_freq]
        return cls(tokens, [*MARKS, *kept])

    def __len__(self) -> int:
        return len(self.itos)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} {self.tokens})"

    def split(self, text: str) -> list[str]:
        """Cut ``text`` into tokens, unknown ones as they are written."""
        if self.tokens == "characters":
            return list(text)
        if self.tokens == "subwords":
            return [self._pairs.decode([number]) for number in self.encode(text)]
        return [token for piece in _pieces(text) for token in word_rules(piece)]

    def encode(self, text: str) -> list[int]:
        """Numbers of the tokens of ``text``."""
        return self.encode_batch([text])[0].tolist()

    def encode_batch(self, texts: Iterable[str]) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Encode texts as (numbers of all tokens in one array, tokens in each text)."""
        number = self.stoi.get
        if self.tokens == "subwords":
            found = [one.ids for one in self._pairs.encode_batch(list(texts))]
        elif self.tokens == "characters":
            found = [[number(letter, 0) for letter in text] for text in texts]
        else:
            known = functools.cache(lambda piece: [number(t, 0) for t in word_rules(piece)])
            found = [[n for piece in _pieces(text) for n in known(piece)] for text in texts]
        lengths = numpy.array([len(one) for one in found], numpy.int64)
        kind = numpy.uint16 if len(self) <= 2**16 else numpy.int32
        flat = itertools.chain.from_iterable(found)
        return numpy.fromiter(flat, kind, int(lengths.sum())), lengths

    def padded_batch(
        self, texts: Sequence[str], *, backward: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Encode new texts as a batch of ``ck.text``: (ids (B, T), lengths (B,)) on the device."""
        start = [self.stoi[START]] if START in self.stoi else []
        found = [torch.tensor(start + self.encode(text) or [self.unknown]) for text in texts]
        found = [one.flip(0) for one in found] if backward else found
        lengths = torch.tensor([len(one) for one in found])
        ids = pad_sequence(found, batch_first=True, padding_value=self.stoi.get(PAD, 0))
        return ids.to(runtime.device()), lengths.to(runtime.device())

    def decode(self, numbers: Iterable[int] | Tensor) -> str:
        """Text of the tokens with these numbers."""
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

    def to_dict(self) -> dict[str, Any]:
        """Everything that makes up the vocabulary, as JSON can hold it, for ``from_dict``."""
        pairs = self._pairs.to_str() if self._pairs else None
        return {"tokens": self.tokens, "itos": self.itos, "pairs": pairs}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Vocabulary:
        """Make a vocabulary of what ``to_dict`` returned."""
        pairs = facts["pairs"]
        if pairs:
            from tokenizers import Tokenizer

            pairs = Tokenizer.from_str(pairs)
        return cls(facts["tokens"], facts["itos"], pairs)


def _learn_pairs(texts: Sequence[str], max_size: int) -> tokenizers.Tokenizer:
    """Learn byte pair encoding from ``texts``; any text can be written in it."""
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


# Batches --------------------------------------------------------------------------------------


class LanguageModelBatches:
    """One long text in parallel streams: a row of a batch goes on where it ended in the one before.

    A batch is (x, y), both (B, T) int64 on the device, y being x one token later. There is no
    padding; the last batch is shorter, and fewer than B tokens are left out.

    Args:
        ids: 1-D array of numbers, may be memory-mapped.
        batch_size: B, how many streams; fewer where they would be shorter than ``seq_len``.
        seq_len: T, tokens in a row.
    """

    transform = augment = None

    def __init__(self, ids: numpy.ndarray, *, batch_size: int = 64, seq_len: int = 70):
        self.ids, self.seq_len = ids, seq_len
        self.batch_size = min(batch_size, max(1, (len(ids) - 1) // seq_len))
        self.steps = (len(ids) - 1) // self.batch_size
        self._on_device: Tensor | None = None

    @property
    def num_examples(self) -> int:
        """Number of tokens that are predicted."""
        return self.batch_size * self.steps

    def __len__(self) -> int:
        return -(-self.steps // self.seq_len)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pass through the text once; a model that carries its state starts from none."""
        where, used = runtime.device(), self.num_examples
        if self._on_device is None or self._on_device.device.type != where.type:
            ids = torch.from_numpy(self.ids)
            self._on_device = ids if where.type == "cpu" else ids.to(torch.int32).to(where)
        x, y = (self._on_device[i : i + used].view(self.batch_size, self.steps) for i in (0, 1))
        for start in range(0, self.steps, self.seq_len):
            window = slice(start, start + self.seq_len)
            yield x[:, window].long(), y[:, window].long()

    def one_batch(self) -> tuple[Tensor, Tensor]:
        """First mini-batch ``(x, y)``."""
        return next(iter(self))

    def sequential(self, *, augment: Any = None) -> Self:
        """The same batches: a text has one order only."""
        return self

    def fingerprint(self) -> str:
        """Hash of content and shape, as that of ``Batches``."""
        return digest(self.ids, self.batch_size, self.seq_len)

    def __repr__(self) -> str:
        sizes = f"{self.num_examples:,} tokens, {len(self)} batches of {self.batch_size} rows"
        return f"LanguageModelBatches({sizes})"


class TextBatches(Batches):
    """Labelled texts in mini-batches ``((ids, lengths), y)`` of texts about equally long.

    ids is (B, T) int64, T the longest text of the batch, the others padded after their end; lengths
    and y are (B,) int64. Texts are kept sorted by length, so that there is little to pad; shuffling
    draws other batches, in another order, for every epoch.

    Args:
        ids: 1-D array with the numbers of all texts, one after another.
        places: (N, 2) int64, where each text starts in ``ids``, and its tokens.
        targets: (N,) numbers of the classes.
        padding: the number that fills up.
        options: as for ``Batches``.
    """

    _unit = "texts"
    _joins_single = True

    def __init__(
        self,
        ids: numpy.ndarray,
        places: numpy.ndarray,
        targets: Tensor,
        *,
        padding: int = 1,
        **options: Any,
    ):
        super().__init__(places, targets, **options)
        self.ids, self.padding = ids, padding

    @property
    def inputs(self) -> list[numpy.ndarray]:
        """Numbers of each text, in order."""
        places = self._inputs[self._rows].tolist()
        return [self.ids[start : start + length] for start, length in places]

    def fingerprint(self) -> str:
        """Hash of content and order, as that of ``Batches``."""
        return digest(super().fingerprint(), self.ids, self.padding)

    def __iter__(self) -> Iterator[tuple[tuple[Tensor, Tensor], Tensor]]:
        """Pass over all texts once, a mini-batch at a time."""
        where, ids = runtime.device(), torch.from_numpy(self.ids)
        rows, count = self._rows, len(self)
        if self.shuffle:  # texts of nearly the same length find new companions each time
            rows = rows[(self._inputs[rows, 1] * (0.9 + 0.2 * torch.rand(len(rows)))).argsort()]
        batches = self._cut(rows)
        for number in torch.randperm(count).tolist() if self.shuffle else range(count):
            rows = batches[number]
            starts, lengths = self._inputs[rows].T
            steps = torch.arange(int(lengths.max()))
            x = ids[(starts[:, None] + steps).clamp(max=len(ids) - 1)].long()  # (B, T)
            x = x.masked_fill(steps >= lengths[:, None], self.padding)
            yield (x.to(where), lengths.to(where)), self._targets[rows].to(where)


# Data -----------------------------------------------------------------------------------------


@dataclass(repr=False, kw_only=True)
class TextData(Data):
    """Labelled texts, ready to train on: x = (ids (B, T), lengths (B,)), y (B,), all int64.

    Attributes:
        vocabulary: the ``Vocabulary`` of the ids.
        backward: whether every text is turned round, last token first.
    """

    vocabulary: Vocabulary
    backward: bool = False


@dataclass(repr=False)
class LanguageData(TextData):
    """A text for a language model: x and y (B, T) int64, y one token later.

    The arrays of numbers are ``data.train.ids`` and ``data.valid.ids``.
    """


def language(
    source: str | Path | Sequence[str],
    *,
    tokens: str = "words",
    batch_size: int = 64,
    seq_len: int = 70,
    valid: float = 0.1,
    vocabulary: Data | Vocabulary | int | None = None,
    backward: bool = False,
    seed: int = 42,
) -> LanguageData:
    """Read the data of a language model: each token is predicted from those before it.

    A recurrent model may keep its state from batch to batch, detached, since row b goes on where
    row b of the batch before ended; it forgets it in ``train()`` and ``eval()``. A checkpoint
    within an epoch holds that state where the model keeps it in ``state``.

    Args:
        source: a folder (all its .txt files; only ``train`` where it has such a part), a file, a
            list of texts, or a text. The texts of a folder or list are put in random order.
        tokens: "words", "subwords" or "characters".
        batch_size, seq_len: B and T: the text is cut into B streams, read T tokens at a time.
        valid: the last fraction of the text (of the texts) is the validation part; no overlap.
        vocabulary: of another ``Data``, a ``Vocabulary``, or the largest size of a new one; by
            default 20,000 words, 8,000 subwords, all characters of the training part.
        backward: True turns the text round, last token first.
        seed: of the order of the texts.

    Raises:
        CourseError: there is no text, it is too short, or an argument is out of range.
    """
    if not isinstance(valid, (int, float)) or not 0 < valid < 1:
        raise CourseError(f"valid={valid!r} is not a fraction between 0 and 1, such as 0.1.")
    check_count("batch_size", batch_size)
    check_count("seq_len", seq_len)
    texts, path = _texts(source, seed)
    if len(texts) == 1:
        (whole,), cut = texts, round(len(texts[0]) * (1 - valid))
        while tokens != "characters" and 0 < cut < len(whole) and not whole[cut - 1].isspace():
            cut += 1  # between two words
        parts = [whole[:cut]], [whole[cut:]]
    else:
        held_out = max(1, round(valid * len(texts)))
        parts = texts[:-held_out], texts[-held_out:]
    ids, lengths, vocabulary = _encode(parts, tokens, vocabulary, mark=len(texts) > 1)
    made: list[Any] = []
    both = numpy.split(ids, [lengths[: len(parts[0])].sum()])
    for array, least in zip(both, (batch_size + 1, 2), strict=True):
        if len(array) < least:
            raise CourseError(
                f"A part of the text has only {len(array)} tokens for batch_size={batch_size}; "
                "give more text."
            )
        array = numpy.ascontiguousarray(array[::-1]) if backward else array
        made.append(LanguageModelBatches(array, batch_size=batch_size, seq_len=seq_len))
    train, held = made
    return LanguageData(train, held, path=path, vocabulary=vocabulary, backward=backward)


def text(
    source: Any,
    *,
    labels: str | Sequence = "folders",
    tokens: str = "words",
    batch_size: int = 64,
    valid: float = 0.1,
    vocabulary: Data | Vocabulary | int | None = None,
    max_length: int | None = None,
    backward: bool = False,
    seed: int = 42,
) -> TextData:
    """Read labelled texts, for ``ck.text_learner``.

    Args:
        source: a folder with ``train/<class>/*.txt``, and ``valid`` and ``test`` alike where there
            are any; or a list of texts.
        labels: "folders", or a list with the label of each text.
        valid: fraction of the training texts that is held out where there is no ``valid``.
        vocabulary: to use an encoder, that of the data it was trained on.
        max_length: keep the last so many tokens of a text; by default all.
        seed: of the texts that are held out.
        tokens, batch_size, vocabulary, backward: as for ``ck.language``.

    Raises:
        CourseError: there are no texts of two classes, or an argument is out of range.
    """
    from_folders = isinstance(labels, str) and labels == "folders"
    parts = _from_folders(Path(source)) if from_folders else {"train": _from_list(source, labels)}
    if "valid" not in parts:
        rows = parts["train"]
        train, held_out = ([rows[row] for row in part] for part in split(len(rows), valid, seed))
        parts |= {"train": train, "valid": held_out}
    classes = sorted({label for label, _, _ in parts["train"]})
    if len(classes) < 2:
        raise CourseError(f"There is one class only ({', '.join(classes)}); give texts of two.")
    parts = {name: parts[name] for name in ("train", "valid", "test") if name in parts}
    texts = [[text for _, _, text in rows] for rows in parts.values()]
    ids, lengths, vocabulary = _encode(texts, tokens, vocabulary, mark=True)
    starts = numpy.cumsum(lengths) - lengths
    kept = numpy.minimum(lengths, max_length or lengths.max())
    starts += lengths - kept
    if backward:
        ids, starts = numpy.ascontiguousarray(ids[::-1]), len(ids) - starts - kept
    made: dict[str, Any] = {"vocabulary": vocabulary, "backward": backward}
    end = 0
    for name, rows in parts.items():
        part = slice(end, end + len(rows))
        end = part.stop
        order = numpy.argsort(kept[part], kind="stable")
        made[name] = TextBatches(
            ids,
            numpy.stack([starts[part], kept[part]], 1)[order],
            torch.tensor([classes.index(rows[row][0]) for row in order]),
            batch_size=batch_size,
            shuffle=name == "train",
            filenames=[rows[row][1] for row in order],
            padding=vocabulary.stoi.get(PAD, 0),
        )
    path = Path(source) if from_folders else None
    return TextData(**made, classes=tuple(classes), path=path)


# Reading --------------------------------------------------------------------------------------

Rows = list[tuple[str, str, str]]  # class, name, text


def _from_folders(path: Path) -> dict[str, Rows]:
    """Read {part: rows} of path/<part>/<class>/*.txt."""
    parts = {}
    for part in ("train", "valid", "test"):
        files = (path / part).glob("*/*.txt")
        files = fewer(sorted(f for f in files if f.parent.name not in UNLABELLED), QUICK_TEXTS)
        rows = [(file.parent.name, str(file.relative_to(path)), _read(file)) for file in files]
        if empty := [name for _, name, text in rows if not text.strip()]:
            note(f"left out {len(empty)} texts without a word, such as {empty[0]}.")
        if rows:
            parts[part] = [row for row in rows if row[2].strip()]
    if "train" not in parts:
        raise CourseError(f"There are no texts in {path}/train/<class>/*.txt; check the path.")
    known = {label for label, _, _ in parts["train"]}
    if odd := {label for rows in parts.values() for label, _, _ in rows} - known:
        raise CourseError(f"There are no training texts of {', '.join(sorted(odd))}; add some.")
    return parts


def _from_list(texts: Any, labels: Any) -> Rows:
    if isinstance(texts, (str, Path)) or isinstance(labels, str) or len(texts) != len(labels):
        raise CourseError("labels= is 'folders', or a list with one label for each text of a list.")
    pairs = enumerate(zip(labels, texts, strict=True))
    rows = [(str(label), str(row), str(text)) for row, (label, text) in pairs if text.strip()]
    return fewer(rows, QUICK_TEXTS)


def _texts(source: Any, seed: int) -> tuple[list[str], Path | None]:
    """Read (list of texts, folder or None) of a folder, a file, a list of texts, or a text."""
    limit = QUICK_LONG if runtime.quick() else None
    path = None
    if isinstance(source, (list, tuple)):
        texts = [str(text) for text in source]
        random.Random(seed).shuffle(texts)
        texts = fewer(texts, QUICK_TEXTS)
    elif isinstance(source, str) and (len(source) > 1000 or not os.path.exists(source)):
        if len(source.split()) < 3:
            raise CourseError(f"There is no file or folder {source!r}, and as a text it is short.")
        texts = [source[:limit]]
    elif Path(source).is_file():
        path, texts = Path(source).parent, [_read(source)[:limit]]
    elif Path(source).is_dir():
        path = Path(source)
        files = sorted((path / "train" if (path / "train").is_dir() else path).rglob("*.txt"))
        random.Random(seed).shuffle(files)
        texts = [_read(file) for file in fewer(files, QUICK_TEXTS)]
    else:
        raise CourseError(f"There is no file or folder {source}; check its name.")
    if not any(text.strip() for text in texts):
        where = source if path else "the list"
        raise CourseError(f"There is no text in {where}; give .txt files with words in them.")
    return texts, path


def _read(file: str | Path) -> str:
    try:
        return Path(file).read_text("utf-8", errors="replace")
    except OSError as error:
        raise CourseError(f"{file} cannot be read ({reason(error)}); check the file.") from error


def _encode(
    parts: Sequence[list[str]], tokens: str, vocabulary: Any, *, mark: bool
) -> tuple[numpy.ndarray, numpy.ndarray, Vocabulary]:
    """Encode all texts as (numbers, tokens in each, vocabulary); kept for the next time.

    The vocabulary is learned from the first of ``parts``; with ``mark`` every text begins with
    ``START``, where the vocabulary has it.
    """
    vocabulary = getattr(vocabulary, "vocabulary", vocabulary)
    if not isinstance(vocabulary, (Vocabulary, int, type(None))):
        raise CourseError(f"vocabulary={vocabulary!r} is none; give a Data, a size, or nothing.")
    if runtime.quick() and mark:
        parts = [[text[-QUICK_CHARACTERS:] for text in part] for part in parts]
    texts = [text for part in parts for text in part]
    given = vocabulary.to_dict() if isinstance(vocabulary, Vocabulary) else vocabulary
    file = cache_file("text", digest(tokens, given, mark, len(parts[0]), texts))
    if (found := load_array(file)) is not None:
        ids, facts = found
        return ids, numpy.array(facts["lengths"]), Vocabulary.from_dict(facts["vocabulary"])
    if not isinstance(vocabulary, Vocabulary):
        vocabulary = Vocabulary.learn(parts[0], tokens, max_size=vocabulary)
    ids, lengths = vocabulary.encode_batch(texts)
    if mark and START in vocabulary.stoi:
        ids = numpy.insert(ids, numpy.cumsum(lengths) - lengths, vocabulary.stoi[START])
        lengths = lengths + 1
    kept = keep_array(file, lambda: [ids], ids.shape, ids.dtype, "The numbers of the tokens")
    keep_facts(file, {"lengths": lengths.tolist(), "vocabulary": vocabulary.to_dict()})
    return kept, lengths, vocabulary
