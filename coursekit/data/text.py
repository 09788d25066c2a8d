"""Text -> numbers: rules for words, vocabulary, language-model batches, labelled texts."""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from coursekit import runtime
from coursekit.arguments import checked
from coursekit.console import CourseError, choose, note, reason
from coursekit.data.batches import Batches, Data, check_count, fewer, split
from coursekit.data.cache import digest
from coursekit.data.folders import (
    PARTS,
    class_folders,
    composed,
    files_below,
    folder_at,
    part_folder,
)

if TYPE_CHECKING:
    import tokenizers

UNKNOWN, PAD, START = "<unk>", "<pad>", "<start>"
CAPITAL, CAPITALS, REPEATED = "<cap>", "<up>", "<rep>"
MARKS = (UNKNOWN, PAD, START, CAPITAL, CAPITALS, REPEATED)
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


@checked
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
        self.tokens = choose("kind of tokens", tokens, SIZES)
        self.itos, self._pairs = list(itos), pairs
        self.stoi = {token: number for number, token in enumerate(self.itos)}

    @classmethod
    @checked
    def learn(
        cls,
        texts: str | Sequence[str],
        tokens: str = "words",
        *,
        max_size: int | None = None,
        min_freq: int = 2,
    ) -> Vocabulary:
        """Learn the ``max_size`` most frequent tokens, words only from ``min_freq`` times on.

        Marks and, of subwords, the 256 bytes are always in it.

        Raises:
            CourseError: there are no texts, or an argument is out of range.
        """
        choose("kind of tokens", tokens, SIZES)
        texts = texts_of(texts)
        max_size = SIZES[tokens] if max_size is None else max_size
        check_count("min_freq", min_freq)
        check_count("max_size", max_size)
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
        kept = [word for word, count in ranked if count >= min_freq]
        return cls(tokens, [*MARKS, *kept][: max(max_size, len(MARKS))])

    def __len__(self) -> int:
        return len(self.itos)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} {self.tokens})"

    @checked
    def split(self, text: str) -> list[str]:
        """Cut ``text`` into tokens, unknown ones as they are written."""
        if self.tokens == "characters":
            return list(text)
        if self.tokens == "subwords":
            return [self._pairs.decode([number]) for number in self.encode(text)]
        return [token for piece in _pieces(text) for token in word_rules(piece)]

    @checked
    def encode(self, text: str) -> list[int]:
        """Numbers of the tokens of ``text``."""
        return self.encode_batch([text])[0].tolist()

    @checked
    def encode_batch(self, texts: str | Sequence[str]) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Encode texts as (numbers of all tokens in one array, tokens in each text)."""
        texts, number = texts_of(texts), self.stoi.get
        if self.tokens == "subwords":
            found = [one.ids for one in self._pairs.encode_batch(texts)]
        elif self.tokens == "characters":
            found = [[number(letter, 0) for letter in text] for text in texts]
        else:
            known = functools.cache(lambda piece: [number(t, 0) for t in word_rules(piece)])
            found = [[n for piece in _pieces(text) for n in known(piece)] for text in texts]
        lengths = numpy.array([len(one) for one in found], numpy.int64)
        kind = numpy.uint16 if len(self) <= 2**16 else numpy.int32
        flat = itertools.chain.from_iterable(found)
        return numpy.fromiter(flat, kind, int(lengths.sum())), lengths

    @checked
    def padded_batch(
        self, texts: str | Sequence[str], *, backward: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Encode new texts as a batch of ``ck.text``: (ids (B, T), lengths (B,)) on the device."""
        start = [self.stoi[START]] if START in self.stoi else []
        texts = texts_of(texts)
        found = [torch.tensor(start + self.encode(text) or [self.unknown]) for text in texts]
        found = [one.flip(0) for one in found] if backward else found
        lengths = torch.tensor([len(one) for one in found])
        ids = pad_sequence(found, batch_first=True, padding_value=self.stoi.get(PAD, 0))
        return ids.to(runtime.device()), lengths.to(runtime.device())

    @checked
    def decode(self, numbers: Iterable[int] | Tensor) -> str:
        """Text of the tokens with these numbers."""
        numbers = [int(number) for number in numbers]
        if wrong := [number for number in numbers if not 0 <= number < len(self)]:
            raise CourseError(f"Token {wrong[0]} is none of 0 to {len(self) - 1}; see .itos.")
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

    A batch is (x, y), both (B, T) int64 on the device, y being x one token later; the last is
    shorter, and fewer than B tokens are left out. B is ``batch_size``, or smaller where a stream
    would be shorter than T, ``seq_len``; ids is an array of numbers (N,).
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
    and y are (B,) int64. Texts are kept sorted by length; shuffling draws other batches, in another
    order, for every epoch.

    Args:
        ids: numbers of all texts in one array.
        places: (N, 2) int64, where each text starts in ``ids``, and its tokens.
        targets, options: as for ``Batches``; (N,) numbers of the classes.
        padding: the number that fills up.
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
    """A text for a language model: x and y (B, T) int64; all numbers are ``data.train.ids``."""


@checked
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

    Row b of a batch goes on where row b of the batch before ended, so a recurrent model may keep
    its state, in ``state`` also over a checkpoint within an epoch.

    Args:
        source: a folder (all its .txt files; only ``train`` where it has such a part), a file, a
            list of texts, or a text of several lines or more than 1,000 characters. The texts of a
            folder or list are put in random order.
        tokens: "words", "subwords" or "characters".
        batch_size, seq_len: B and T: the text is cut into B streams, read T tokens at a time.
        valid: fraction held out: the last texts, or the end of each where that is less than one.
        vocabulary: of another ``Data``, a ``Vocabulary``, or the largest size of a new one; by
            default 20,000 words, 8,000 subwords, all characters of the training part.
        backward: True turns the text round, last token first.
        seed: decides the order of the texts.

    Raises:
        CourseError: there is no text, it is too short, or an argument is out of range.
    """
    if not 0 < valid < 1:
        raise CourseError(f"valid={valid!r} is not a fraction between 0 and 1, such as 0.1.")
    check_count("batch_size", batch_size)
    check_count("seq_len", seq_len)
    texts, path = _texts(source, seed)
    held_out = round(valid * len(texts))
    parts = [texts[:-held_out], texts[-held_out:]]
    if not held_out:  # few texts: the end of each
        parts = [list(ends) for ends in zip(*(_cut(t, valid, tokens) for t in texts), strict=True)]
    ids, lengths, vocabulary = _encode(parts, tokens, vocabulary, mark=len(texts) > 1)
    cut = int(lengths[: len(parts[0])].sum())
    made = []
    for array, least in ((ids[:cut], batch_size + 1), (ids[cut:], 2)):
        if len(array) < least:
            raise CourseError(
                f"A part of the text has only {len(array)} tokens for batch_size={batch_size}; "
                "give more text."
            )
        array = numpy.ascontiguousarray(array[::-1]) if backward else array
        made.append(LanguageModelBatches(array, batch_size=batch_size, seq_len=seq_len))
    return LanguageData(made[0], made[1], path=path, vocabulary=vocabulary, backward=backward)


def _cut(text: str, valid: float, tokens: str) -> tuple[str, str]:
    """Cut the end off a text, between two words where it is not read by character."""
    cut = round(len(text) * (1 - valid))
    while tokens != "characters" and 0 < cut < len(text) and not text[cut - 1].isspace():
        cut += 1
    return text[:cut], text[cut:]


@checked
def text(
    source: str | Path | Sequence[str],
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
        vocabulary: as for ``ck.language``; to use an encoder, that of the data it was trained on.
        max_length: keep the last so many tokens of a text; by default all.
        seed: decides which texts are held out.
        tokens, batch_size, backward: as for ``ck.language``.

    Raises:
        CourseError: there are no texts of two classes, or an argument is out of range.
    """
    if max_length is not None:
        check_count("max_length", max_length)
    path, parts = None, {}
    if isinstance(source, (str, Path)) and isinstance(labels, str) and labels == "folders":
        path = folder_at(source)
        for part in PARTS:
            folder = part_folder(path, part) or (path if part == "train" else None)
            if folder:
                files = class_folders(folder, {".txt"}, [folder / "unsup"])  # without a label
                found = [(name, str(file.relative_to(path)), file) for file, name in files]
                parts[part] = _usable(fewer(found, QUICK_TEXTS))
    else:
        parts["train"] = _from_list(source, labels)
    if "valid" not in parts:
        rows = parts["train"]
        train, held_out = ([rows[row] for row in part] for part in split(len(rows), valid, seed))
        parts = {**parts, "train": train, "valid": held_out}
    classes = sorted({label for label, _, _ in parts["train"]})
    odd = {label for rows in parts.values() for label, _, _ in rows}.difference(classes)
    if odd:
        raise CourseError(f"There are no training texts of {', '.join(sorted(odd))}; add some.")
    if len(classes) < 2:
        raise CourseError(f"There is one class only ({', '.join(classes)}); give texts of two.")
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
        start, end = end, end + len(rows)
        order = start + numpy.argsort(kept[start:end], kind="stable")
        made[name] = TextBatches(
            ids,
            numpy.stack([starts, kept], 1)[order],
            torch.tensor([classes.index(rows[row - start][0]) for row in order]),
            batch_size=batch_size,
            shuffle=name == "train",
            filenames=[rows[row - start][1] for row in order],
            padding=vocabulary.stoi.get(PAD, 0),
        )
    return TextData(**made, classes=tuple(classes), path=path)


# Reading --------------------------------------------------------------------------------------

Labelled = list[tuple[str, str, str]]  # class, name, text


def texts_of(texts: Any) -> list[str]:
    """List texts; one text is a list of one."""
    if isinstance(texts, str):
        return [texts]
    return _listed(texts, "texts", lambda text: isinstance(text, str))


def _listed(things: Any, what: str, fits: Callable[[Any], bool]) -> list:
    """List the texts, or one label for each of them, of a list, column or array without gaps."""
    if hasattr(things, "columns"):  # whose list is that of its names
        raise CourseError(f"A DataFrame is no list of {what}; give a column, as frame['name'].")
    things = getattr(things, "tolist", lambda: list(things))()
    if not things:
        raise CourseError(f"There are no {what} in the list; look at what made it.")
    if wrong := [row for row, thing in enumerate(things) if not fits(thing)]:
        raise CourseError(
            f"{len(wrong)} of {len(things)} {what} are missing or of another kind, first of row "
            f"{wrong[0]}: {things[wrong[0]]!r:.60}; drop such rows, by frame.dropna() say."
        )
    return things


def _from_list(texts: Any, labels: Any) -> Labelled:
    """Read a list of texts and one of labels."""
    if isinstance(labels, str):
        raise CourseError("labels= is 'folders', or a list with one label for each text of a list.")
    texts, labels = texts_of(texts), _listed(labels, "labels", _is_label)
    if len(texts) != len(labels):
        numbers = f"{len(texts)} texts and {len(labels)} labels"
        raise CourseError(f"There are {numbers}; give one label for each text.")
    pairs = zip(map(composed, labels), map(str, range(len(texts))), texts, strict=True)
    return fewer(_usable(list(pairs)), QUICK_TEXTS)


def _is_label(label: Any) -> bool:
    return isinstance(label, (str, Real)) and label == label and bool(composed(label))


def _usable(rows: Sequence[tuple[str, str, Any]]) -> Labelled:
    """Read the files among the texts; a line counts those without a word, or not to be read."""
    used, left = [], []
    for label, name, source in rows:
        try:
            text = source if isinstance(source, str) else _read(source)
            if not text.strip():
                raise CourseError(f"{name} has no word in it.")
            used.append((label, name, text))
        except CourseError as error:
            left.append(str(error))
    if not used:
        raise CourseError(f"There is no text in {len(rows)} of them; the first: {left[0]}")
    if left:
        note(f"left out {len(left)} of {len(rows)} texts; the first: {left[0]}")
    return used


def _texts(source: Any, seed: int) -> tuple[list[str], Path | None]:
    """Read (list of texts, folder or None) of a folder, a file, a list of texts, or a text."""
    limit = QUICK_LONG if runtime.quick() else None
    if isinstance(source, str) and (len(source) > 1000 or "\n" in source):
        return [source[:limit]], None
    if not isinstance(source, (str, Path)):
        path: Path | None = None
        texts: Any = [("", f"row {n}", text) for n, text in enumerate(texts_of(source))]
    else:
        path = Path(source).expanduser()
        if path.is_file():
            return [_read(path)[:limit]], path.parent
        if not path.is_dir() or not str(source).strip():
            raise CourseError(
                f"There is no file or folder {str(source)!r}; check its name (a text has several "
                "lines, or more than 1,000 characters)."
            )
        folder = path / "train" if (path / "train").is_dir() else path
        files, others = files_below(folder, {".txt"})
        inside = [file for file in files if file.parent != folder]  # beside a part lie lists
        used = (folder != path and inside) or files
        if left := [*others, *(file for file in files if file not in set(used))]:
            note(
                f"left out {len(left)} files of {folder} that are no texts, such as {left[0].name}."
            )
        texts = [("", str(file), file) for file in used]
        if not texts:
            raise CourseError(f"There is no text in {path}; give .txt files with words in them.")
    random.Random(seed).shuffle(texts)
    return [text for _, _, text in _usable(fewer(texts, QUICK_TEXTS))], path


def _read(file: Path) -> str:
    """Read a text in UTF-8, or in UTF-16 where the mark of that stands in front."""
    try:
        content = file.read_bytes()
        wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        raise CourseError(f"{file} cannot be read ({reason(error)}); check the file.") from error
    except UnicodeError as error:
        raise CourseError(f"{file} is not written in UTF-8; save it as UTF-8.") from error
    if "\0" in text:
        raise CourseError(f"{file} is no text, or not in UTF-8; save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encode(
    parts: Sequence[list[str]], tokens: str, vocabulary: Any, *, mark: bool
) -> tuple[numpy.ndarray, numpy.ndarray, Vocabulary]:
    """Encode all texts as (numbers, tokens in each, vocabulary).

    The vocabulary is learned from the first of ``parts``; with ``mark`` every text begins with
    ``START``, where the vocabulary has it.
    """
    vocabulary = getattr(vocabulary, "vocabulary", vocabulary)
    if runtime.quick() and mark:
        parts = [[text[-QUICK_CHARACTERS:] for text in part] for part in parts]
    if not isinstance(vocabulary, Vocabulary):
        if not isinstance(vocabulary, (int, type(None))):
            raise CourseError(
                f"vocabulary={vocabulary!r:.60} is none; give data of ck.text or ck.language, a "
                "ck.Vocabulary, or the size of a new one."
            )
        vocabulary = Vocabulary.learn(parts[0], tokens, max_size=vocabulary)
    elif tokens not in ("words", vocabulary.tokens):
        raise CourseError(f"tokens={tokens!r} does not fit {vocabulary!r}; leave tokens= out.")
    texts = [text for part in parts for text in part]
    ids, lengths = vocabulary.encode_batch(texts)
    if (share := float((ids == vocabulary.unknown).mean())) > 0.1:
        cut = (token for text in texts for token in vocabulary.split(text))
        example = next(token for token in cut if token not in vocabulary.stoi)
        note(
            f"{share:.0%} of the tokens are unknown to the vocabulary, such as {example!r}; nothing"
            " is learned about them."
        )
    if mark and START in vocabulary.stoi:
        ids = numpy.insert(ids, numpy.cumsum(lengths) - lengths, vocabulary.stoi[START])
        lengths = lengths + 1
    return ids, lengths, vocabulary
