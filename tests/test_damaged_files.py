"""Files that were flipped, cut and spliced: a reader gives a right result or the error it names."""

import contextlib
import gzip
import io
import os
import random
import shutil

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

import coursekit as ck
from coursekit import runtime
from coursekit.data.unpack import ArchiveError, unpack
from coursekit.exercises import record
from tests.data.pictures import drawn, save
from tests.servers import make_tgz, make_zip

EXECUTIONS = int(os.environ.get("COURSEKIT_EXAMPLES") or 25)  # of each reader
NUMBERS = [0, 1, 127, 128, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]
PIECES = [
    b"\0",
    b"\xff",
    b"\n",
    b",",
    b'"',
    b"null",
    b"-1",
    b"[]",
    b"{}",
    b"1e999",
    b"\xed\xa0\x80",
]


def damaged(content, chance):
    """Change up to three places of a file: bits, bytes, lengths; cut out, put in, said twice."""
    content = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at, count = chance.randrange(len(content) + 1), chance.choice([1, 1, 2, 4, 8, 64])
        part, size = content[at : at + count], chance.choice([2, 4, 8])
        number = chance.choice(NUMBERS) % 256**size
        content[at : at + count] = chance.choice(
            [
                bytes(byte ^ 1 << chance.randrange(8) for byte in part),
                chance.randbytes(len(part)),
                b"",
                chance.choice(PIECES) + part,
                chance.choice(PIECES),
                part * 3,
                number.to_bytes(size, chance.choice(["little", "big"])),
            ]
        )
        if chance.random() < 0.1:
            del content[chance.randrange(len(content) + 1) :]
    return bytes(content)


def learner():
    """Make a learner of two classes, always the same."""
    torch.manual_seed(0)
    batches = ck.Batches(torch.linspace(-1, 1, 32).reshape(8, 4), torch.arange(8) % 2, batch_size=4)
    return ck.Learner(ck.Data(batches, batches), nn.Linear(4, 2), ck.cross_entropy, name="own")


def fit():
    """Losses of a fit that is kept."""
    return learner().fit(2, 0.1, name="fit")[-1]["valid_loss"]


class Readers:
    """A method a reader, named as the kind of its ``files``, that holds what is read to be right.

    Refused is what ``CourseError`` says, or an ``ArchiveError``.
    """

    def __init__(self, folder):
        self.folder, few = folder, {"a/one.txt": b"one" * 99, "a/two.txt": b"2", "three": b""}
        for number in range(8):
            save(
                drawn(16, 16, seed=number), folder / "pictures" / "ab"[number % 2] / f"{number}.png"
            )
        self.files = {"unpack.zip": make_zip(few), "unpack.tgz": make_tgz(few)}
        self.files["members.tgz"] = gzip.decompress(make_tgz(few))
        for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"):
            written = io.BytesIO()
            drawn(24, 20).save(written, kind)
            self.files[f"picture.{kind}"] = written.getvalue()
        rows = [b"%d.png,%d" % (number, number % 2) for number in range(8)]
        self.files["labels.csv"] = b"\n".join([b"file,label", *rows])
        self.files["corrections.csv"] = b"file,label\r\na/0.png,b\r\nb/1.png,\r\n"
        self.files["progress.json"] = (
            b'{"exercises": ["1.1"], "hints": {"1.2": 1}, "quiz": {"1": [2]}}'
        )
        self.marker = ck.fetch("nietzsche", edition="sample") / ".coursekit.json"
        self.files["marking.json"] = self.marker.read_bytes()
        self.files["weights.safetensors"] = learner().save(folder / "w").read_bytes()
        self.images = ck.images(folder / "pictures", size=16)
        small = ck.image_learner(self.images, "drawings", pretrained=False)
        self.files["exported.safetensors"] = small.export(folder / "e").read_bytes()
        self.loss = fit()
        self.kept = sorted(runtime.checkpoints().rglob("*.safetensors"))
        self.files["checkpoint.safetensors"] = self.kept[-1].read_bytes()

    def unpack(self, file):
        """Nothing lies outside of the folder."""
        target = self.folder / "target"
        shutil.rmtree(target, ignore_errors=True)
        unpack(file, target / "inside", file.name)
        assert {path.name for path in target.iterdir()} == {"inside"}

    def members(self, file):
        """The same of what is whole as a compressed file."""
        file.write_bytes(gzip.compress(file.read_bytes(), 1))
        self.unpack(file)

    def picture(self, file):
        """A picture is as every picture."""
        picture = ck.read_picture(file, size=16)
        assert (picture.mode, picture.size) == ("RGB", (16, 16))

    def labels(self, file):
        """Each example has one of the classes."""
        data = ck.images(self.folder / "pictures", labels=file, size=16, valid=0.3)
        assert set(data.train.targets.tolist()) <= set(range(len(data.classes)))

    def corrections(self, file):
        """What is corrected has one of the classes that were there."""
        data = ck.images(self.folder / "pictures", size=16, corrections=file)
        assert data.classes == self.images.classes

    def progress(self, file):
        """A record is always there, and is gone on with."""
        runtime.checkpoints().mkdir(parents=True, exist_ok=True)
        shutil.copy(file, runtime.checkpoints() / "progress.txt")
        before = record.read()
        record.add("exercise 7.1")
        assert record.read() >= before
        assert record.read()["exercise 7.1"]
        ck.progress()

    def marking(self, file):
        """A sample is always there."""
        shutil.copy(file, self.marker)
        assert ck.fetch("nietzsche", edition="sample") == self.marker.parent

    def weights(self, file):
        """All weights are there, or none is changed."""
        learn = learner()
        learn.load(file)
        assert learn.predict().scores.shape == (8, 2)

    def exported(self, file):
        """A classifier gives probabilities."""
        found = ck.load_model(file)(drawn(16, 16))
        assert sum(found.values()) == pytest.approx(1, abs=1e-3)

    def checkpoint(self, file):
        """A fit always ends as it did, from the other copy or trained anew."""
        self.kept[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, self.kept[-1])
        assert fit() == pytest.approx(self.loss)


@pytest.mark.filterwarnings("ignore:::PIL")
def test_damaged_files_are_read_rightly_or_refused(tmp_path, monkeypatch, say):
    """A traceback of zlib, json or torch, or a wrong result, where a file has lost a byte."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))
    readers, wrong, read = Readers(tmp_path), [], 0
    for name, whole in readers.files.items():
        file = tmp_path / name
        for number in range(EXECUTIONS):
            file.write_bytes(damaged(whole, random.Random(f"{name} {number}")) if number else whole)
            try:
                with contextlib.suppress(ck.CourseError, ArchiveError):
                    getattr(readers, file.stem)(file)
                    read += 1
            except Exception as error:
                wrong.append(f"{name} {number}: {error!r:.200}")
            plt.close("all")
    say(f"{EXECUTIONS * len(readers.files)} files, {read} read, {len(wrong)} read wrongly")
    assert not wrong
