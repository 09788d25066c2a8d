"""Checkpoints: an exact resume after any cut, damage noticed, trouble with the disk survived."""

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import coursekit as ck
from coursekit.console import CourseError
from coursekit.data import cache
from coursekit.learners import checkpoints
from tests import disks

EPOCHS, LR, BATCHES = 3, 0.05, 5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder that the checkpoints of this test go to."""
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(tmp_path / "kept"))
    return tmp_path / "kept"


def blobs(**options):
    """Return Data of 41 training and 20 validation examples."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(41, 6, generator=draw)
    y = (x[:, 0] * x[:, 1] > 0).long()
    train = ck.Batches(x, y, **{"batch_size": 8, "shuffle": True, **options})
    return ck.Data(train, ck.Batches(x[:20], y[:20], batch_size=8))


def net(width=12):
    """Return a network with everything that a training changes or draws."""
    layers = [nn.Linear(6, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(width, 2))


def kernel(*, seed=3, data=None, model=net, **options):
    """Return what a fresh kernel would have after the cells before the fit."""
    ck.seed(seed)
    return ck.Learner(data or blobs(), model(), ck.cross_entropy, **options)


class Log(ck.Callback):
    """Note every batch that was trained, and cut the training off after one of them."""

    transient = ("_seen", "_last")

    def __init__(self, last=None):
        self._seen, self._last = [], last

    def step_done(self, state):
        """Note it."""
        self._seen.append((state.epoch, state.batch))
        if len(self._seen) == self._last:
            raise KeyboardInterrupt


def fit(learn, *, last=None, epochs=EPOCHS, lr=LR, **options):
    """Fit, cut off after ``last`` batches, and return the batches that were trained."""
    log = Log(last)
    options = {"callbacks": [log], "name": "fit", **options}
    try:
        learn.fit(epochs, lr, **options)
    except KeyboardInterrupt:
        assert last
    return log._seen


def left(learn):
    """Return all that a fit leaves behind: weights, history, and the random numbers to come."""
    weights = {name: value.clone() for name, value in learn.model.state_dict().items()}
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in learn.history]
    return weights, rows, (random.random(), numpy.random.rand(), torch.rand(1).item())


def assert_equal(one, two):
    """Two fits left the same behind, bit for bit."""
    assert one[1:] == two[1:]
    assert list(one[0]) == list(two[0])
    for name in one[0]:
        assert torch.equal(one[0][name], two[0][name]), name


def files(folder):
    """Return the checkpoints in a folder, the oldest first."""
    return sorted(folder.rglob("*.safetensors"))


# Killed -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Run killed.py twice at once: checkpoints between epochs only, and after every batch."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = {}
    for seconds in ("1e9", "-1"):
        folder = tmp_path_factory.mktemp("killed")
        program = [sys.executable, Path(__file__).with_name("killed.py"), folder, seconds, "8"]
        environment["COURSEKIT_CHECKPOINTS"] = str(folder / "first")
        output = (folder / "output").open("w")
        running[seconds] = (
            folder,
            subprocess.Popen(
                list(map(str, program)), env=environment, stdout=output, stderr=subprocess.STDOUT
            ),
        )
    found = {}
    for seconds, (folder, process) in running.items():
        assert process.wait() == 0, (folder / "output").read_text()[-2000:]
        found[seconds] = json.loads((folder / "all.json").read_text()) | {"folder": folder}
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a cut is a child process that kills itself")
@pytest.mark.parametrize("seconds", ["1e9", "-1"], ids=["between epochs", "within epochs"])
def test_a_killed_fit_ends_as_if_it_had_never_been_cut(killed, seconds):
    """Guards against a resume that is nearly right: another order, dropout, average or history."""
    whole, cuts = killed[seconds]["whole"], killed[seconds]["cuts"]
    assert len(cuts) == 9
    assert sum(len(cut["runs"]) > 1 for cut in cuts) >= 8  # the cuts did cut
    for cut in cuts:
        assert cut["finished"]
        assert cut["result"] == whole["result"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a cut is a child process that kills itself")
@pytest.mark.parametrize(("seconds", "again"), [("1e9", 5), ("-1", 1)], ids=["epochs", "batches"])
def test_no_more_is_trained_twice_than_was_cut(killed, seconds, again):
    """Guards against a resume that begins at the first epoch and only looks exact."""
    everything = sorted(tuple(batch) for batch in killed[seconds]["whole"]["runs"][0])
    assert len(everything) == 20
    resumed = 0
    for cut in killed[seconds]["cuts"]:
        runs = [[tuple(batch) for batch in run] for run in cut["runs"]]
        assert sorted({batch for run in runs for batch in run}) == everything
        done = set()
        for run in runs:
            assert len(done & set(run)) <= again
            assert run == sorted(run)
            resumed += bool(done and run)
            done |= set(run)
    assert resumed >= 5


# In the same process: what a fresh kernel finds ---------------------------------------------------


def test_the_same_cells_in_a_fresh_kernel_read_the_fit_back(folder, capsys):
    """Guards against an hour trained again, and against other random numbers in later cells."""
    first = kernel(metrics=[ck.accuracy])
    assert len(fit(first)) == EPOCHS * BATCHES
    once = left(first)
    again = kernel(metrics=[ck.accuracy])
    capsys.readouterr()
    assert fit(again) == []
    lines = capsys.readouterr().out.splitlines()
    assert_equal(left(again), once)
    assert lines[0] == "Read back from a checkpoint: 3 epochs, finished; resume=False trains anew."
    assert [line.split()[0] for line in lines[1:]] == ["epoch", "1", "2", "3"]


def test_a_sequence_of_fits_is_read_back_up_to_the_cut(folder, capsys):
    """Guards against a second fit that does not find itself after a first one was read back."""

    def cells(last=None):
        learn = kernel()
        trained = fit(learn, epochs=1), fit(learn, epochs=2, lr=0.01, last=last)
        return trained, left(learn)

    whole = cells()[1]
    for file in files(folder):
        file.unlink()
    assert len(cells(last=7)[0][1]) == 7
    capsys.readouterr()
    trained, after = cells()
    assert [len(part) for part in trained] == [0, BATCHES]
    assert "1 epoch of 2; going on" in capsys.readouterr().out
    assert_equal(after, whole)


def left_again(learn):
    """Return what is left of a fit whose random numbers others have drawn from since."""
    twin = kernel()
    fit(twin, name=None)
    return left(twin)


def test_a_loader_of_torch_is_resumed_too(folder):
    """Guards against an exact resume for our batches only."""

    def cells(**options):
        x, y = blobs().train.inputs, blobs().train.targets
        train = DataLoader(TensorDataset(x, y), 8, shuffle=True, drop_last=True)
        return kernel(data=ck.Data(train, DataLoader(TensorDataset(x, y), 8)), **options)

    whole = cells()
    fit(whole, name=None)
    once = left(whole)
    fit(cells(), last=8)
    learn = cells()
    assert len(fit(learn)) == 2 * BATCHES
    assert_equal(left(learn), once)


def other_data():
    """Return the blobs with one number changed."""
    data = blobs()
    data.train.inputs[3, 2] += 1e-3
    return data


def test_a_changed_fit_says_what_changed(folder, capsys):
    """Guards against a learner who waits for a resume and is not told why there is none."""
    fit(kernel(), epochs=1, name="head")
    capsys.readouterr()
    fit(kernel(), epochs=1, lr=0.01, name="head")
    assert "'head' starts afresh: optimizer changed" in capsys.readouterr().out
    fit(kernel(data=other_data()), epochs=1, name="head")
    assert "data and optimizer changed" in capsys.readouterr().out
    fit(kernel(), epochs=1, name="tail")
    assert "starts afresh" not in capsys.readouterr().out
    fit(kernel(seed=4), epochs=1, name="tail")
    assert "weights and seed changed since it was kept; ck.seed(42)" in capsys.readouterr().out


def test_resume_false_trains_anew(folder, capsys):
    """Guards against a fit that cannot be repeated on purpose, and files gone without a word."""
    fit(kernel(), resume=False)
    assert "removed" not in capsys.readouterr().out
    assert len(fit(kernel(), resume=False)) == EPOCHS * BATCHES
    assert "'fit' is trained anew; what was kept of it is removed" in capsys.readouterr().out
    assert fit(kernel()) == []


def test_fit_twice_in_one_kernel_trains_on(folder):
    """Guards against the second run of a cell that silently gives back the first."""
    learn = kernel()
    assert len(fit(learn)) == len(fit(learn)) == EPOCHS * BATCHES


def test_without_a_name_nothing_is_written(folder):
    """Guards against files of learners who asked for none, and a result nobody asked to read."""
    assert len(fit(kernel(), name=None)) == len(fit(kernel(), name=None)) == EPOCHS * BATCHES
    assert not folder.exists()


class Enough(ck.Callback):
    """Stop after two epochs."""

    def epoch_done(self, state):
        """Stop."""
        state.stop = "it is enough" if state.epoch == 2 else None


def test_a_stopped_fit_is_read_back(folder, capsys):
    """Guards against a stopped fit that goes on in the next kernel."""
    history = kernel().fit(8, LR, name="fit", callbacks=Enough())
    assert len(history) == 2
    assert kernel().fit(8, LR, name="fit", callbacks=Enough()) == history
    assert "finished" in capsys.readouterr().out


def test_a_finished_fit_keeps_two_small_files(folder):
    """Guards against optimizer states of every fit ever made filling the disk."""
    learn = kernel()
    fit(learn, last=12)
    assert len(files(folder)) == 2
    learn = kernel()
    fit(learn)
    one, two = files(folder)
    assert one.read_bytes() == two.read_bytes(), "one of them may be damaged"
    tensors, _ = checkpoints.read_tensors(one)
    assert not any(name.startswith("optimizer") for name in tensors)
    assert {f"model.{name}" for name in learn.model.state_dict()} <= set(tensors)


def test_frozen_weights_are_not_written(folder):
    """Guards against a copy of a large pretrained body in every checkpoint."""
    model = net()
    learn = ck.Learner(blobs(), model, ck.cross_entropy, groups=[[model[0], model[1]], [model[4]]])
    learn.freeze()
    fit(learn, epochs=1)
    tensors, _ = checkpoints.read_tensors(files(folder)[0])
    assert "model.0.weight" not in tensors
    assert "model.4.weight" in tensors


def test_the_oldest_fits_make_room(folder, monkeypatch):
    """Guards against a disk filled by the checkpoints of last year."""
    for number, name in enumerate(["one", "two", "three"]):
        fit(kernel(), epochs=1, name=name)
        for file in files(folder / "Sequential" / name):
            os.utime(file, (number, number))
    size = sum(file.stat().st_size for file in files(folder / "Sequential" / "one"))
    monkeypatch.setattr(checkpoints, "ROOM", int(2.5 * size))
    fit(kernel(), epochs=1, name="four")
    assert {file.parts[-3] for file in files(folder)} == {"three", "four"}


def test_only_own_files_are_ever_removed(folder, monkeypatch):
    """Guards against a learner's files, or another program's, in a folder that ran full."""
    theirs = folder / "models--org" / "snapshots" / "abc" / "model.safetensors"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"weights" * 100)
    os.utime(theirs, (1, 1))
    fit(kernel(), epochs=1)
    notes = files(folder / "Sequential")[0].parent / "notes.safetensors"
    notes.write_text("of my own")
    monkeypatch.setattr(checkpoints, "ROOM", 0)
    fit(kernel(), epochs=1, resume=False)
    fit(kernel(), epochs=1, name="other")
    assert files(folder / "Sequential" / "fit") == [notes]
    assert theirs.exists()


def test_what_could_not_be_removed_is_older_than_the_new(folder, monkeypatch):
    """Guards against resume=False, a cut, and then the old training read back as finished."""
    fit(kernel())
    monkeypatch.setattr(Path, "unlink", full)
    fit(kernel(), last=12, resume=False)
    monkeypatch.undo()
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(folder))
    assert fit(kernel()) == [(2, batch) for batch in range(1, 6)]


def test_a_checkpoint_of_another_version_is_not_used(folder, capsys):
    """Guards against a KeyError in every fit, for a file that is whole but lacks something."""
    fit(kernel())
    for file in files(folder):
        tensors, facts = checkpoints.read_tensors(file)
        del facts["step"]
        content = checkpoints._to_bytes(tensors, facts)
        file.unlink()
        name = f"{file.stem[:-16]}{cache.digest(content)[:16]}.safetensors"
        file.with_name(name).write_bytes(content)
    assert len(fit(kernel())) == EPOCHS * BATCHES
    assert capsys.readouterr().out.count("is damaged") == 2


def test_names_do_not_lead_out_of_the_folder(folder):
    """Guards against checkpoints where neither the limit nor the doctor finds them."""
    fit(kernel(name=".."), epochs=1, name="../../up")
    assert len(files(folder)) == len(files(folder.parent)) == 2


# Damage -----------------------------------------------------------------------------------------


def spoil(file, how, draw):
    """Cut a file short at a random place, or change one of its bytes."""
    content = bytearray(file.read_bytes())
    place = draw.randrange(len(content))
    if how == "cut":
        del content[place:]
    else:
        content[place] ^= 1 << draw.randrange(8)
    file.write_bytes(content)


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("how", ["cut", "flip"])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_it_used(folder, capsys, how, number):
    """Guards against weights from half a file, or a crash where an older file would do."""
    fit(kernel(), last=12)
    newest = files(folder)[-1]
    spoil(newest, how, random.Random(number))
    capsys.readouterr()
    learn = kernel()
    assert len(fit(learn)) == 2 * BATCHES
    said = capsys.readouterr().out
    assert f"Note: the checkpoint {newest.name} is damaged" in said
    assert "1 epoch of 3; going on" in said
    assert_equal(left(learn), left_again(learn))
    assert newest.with_name(f"{newest.name}.damaged").exists(), "set aside, not removed"


@pytest.mark.parametrize("how", ["cut", "flip"])
def test_a_finished_fit_whose_last_checkpoint_is_damaged_is_not_trained_again(folder, capsys, how):
    """Guards against hours of training lost with the one file that a full disk cut short."""
    first = kernel()
    assert fit(first)
    behind = left(first)
    spoil(files(folder)[-1], how, random.Random(1))
    learn = kernel()
    assert fit(learn) == []
    assert_equal(left(learn), behind)
    said = capsys.readouterr().out
    assert "is damaged" in said
    assert "3 epochs, finished" in said


def test_two_damaged_checkpoints_do_not_push_out_new_ones(folder):
    """Guards against "keep the newest two" keeping two that cannot be read."""
    fit(kernel(), last=12)
    for file in files(folder):
        spoil(file, "cut", random.Random(2))
    fit(kernel(), last=7)
    assert [file.name[:13] for file in files(folder)] == ["000001-epoch1"]
    assert len(fit(kernel())) == 2 * BATCHES


def test_a_pickle_is_never_loaded(folder, tmp_path):
    """Guards against a file that runs code, even where its name and hash are those of a fit."""
    trap, weights = tmp_path / "trap", tmp_path / "weights.safetensors"
    content = f"cos\nmkdir\n(V{trap}\ntR.".encode()  # a pickle that makes a folder when loaded
    weights.write_bytes(content)
    with pytest.raises(CourseError, match="damaged"):
        kernel().load(weights)
    fit(kernel(), last=7)
    (kept,) = files(folder)
    kept.unlink()
    kept.with_name(f"000001-epoch1-{cache.digest(content)[:16]}.safetensors").write_bytes(content)
    assert len(fit(kernel())) == EPOCHS * BATCHES
    assert not trap.exists()


# Trouble with the disk --------------------------------------------------------------------------


def full(*_arguments, **_options):
    """Be a disk without room."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_full_disk_does_not_end_the_training(folder, monkeypatch, capsys, call):
    """Guards against hours lost because what would have saved them could not be written."""
    monkeypatch.setattr(cache.os, call, full)
    learn = kernel()
    assert len(fit(learn)) == EPOCHS * BATCHES
    said = capsys.readouterr().out
    assert said.count("Note: the checkpoint cannot be written (No space left on device)") == 1
    assert not [file for file in folder.rglob("*") if file.is_file()]
    monkeypatch.undo()
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(folder))
    assert_equal(left(learn), left_again(learn))


def test_one_failed_checkpoint_is_not_the_last_one(folder, monkeypatch, capsys):
    """Guards against a moment without room that costs the hours after it, too."""
    writes, real = [], os.fsync

    def full_once(*arguments):
        writes.append(arguments)
        return full() if len(writes) == 1 else real(*arguments)

    monkeypatch.setattr(cache.os, "fsync", full_once)
    fit(kernel(), last=12)
    assert [file.name[:13] for file in files(folder)] == ["000001-epoch2"]
    assert capsys.readouterr().out.count("cannot be written") == 1
    assert fit(kernel()) == [(2, batch) for batch in range(1, 6)]


@pytest.mark.parametrize("moment", ["before", "within", "at the end"])
def test_a_drive_that_dies_does_not_end_the_training(tmp_path, monkeypatch, capsys, moment):
    """Guards against a look at a dead mount, which fails where a missing file would only not be."""
    whole = kernel()
    fit(whole, name=None)
    once = left(whole)
    drive, link = tmp_path / "drive", tmp_path / "link"
    (drive / "kept").mkdir(parents=True)
    link.symlink_to(drive)
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(link / "kept"))
    fit(kernel(), epochs=1, name="mine")

    class Die(ck.Callback):
        def epoch_done(self, state):
            if state.epoch == 2 and moment == "within":
                disks.die(monkeypatch, drive, link)

    if moment == "before":
        disks.die(monkeypatch, drive, link)
    elif moment == "at the end":
        make_room = checkpoints._make_room

        def die_first(*arguments):
            disks.die(monkeypatch, drive, link)
            make_room(*arguments)

        monkeypatch.setattr(checkpoints, "_make_room", die_first)
    learn = kernel()
    fit(learn, callbacks=[Die()], name="mine")
    said = capsys.readouterr().out
    assert_equal(left(learn), once)
    assert said.count(f"cannot be written ({drive} has vanished)") == (moment != "at the end")


def test_a_disk_that_fills_up_later_keeps_what_was_written(folder, monkeypatch, capsys):
    """Guards against the old checkpoint being removed before the new one is whole."""
    fit(kernel(), last=7)
    (kept,) = files(folder)
    monkeypatch.setattr(cache.os, "fsync", full)
    fit(kernel())
    assert files(folder) == [kept]
    assert "No space left" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_does_not_end_the_training(monkeypatch, capsys, tmp_path):
    """Guards against a read-only home, as in a classroom or a container."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(tmp_path / "file" / "here"))
    learn = kernel()
    assert len(fit(learn, name="mine")) == EPOCHS * BATCHES
    assert capsys.readouterr().out.count("training goes on, but can be resumed only from") == 1


def test_a_folder_that_may_not_be_read_does_not_end_the_training(folder, monkeypatch, capsys):
    """Guards against a home that belongs to somebody else."""

    def refuse(*_arguments, **_options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    fit(kernel(), last=7)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(cache.os, "fsync", refuse)
    learn = kernel()
    assert len(fit(learn)) == EPOCHS * BATCHES
    assert "Permission denied" in capsys.readouterr().out


# Parts ------------------------------------------------------------------------------------------


def test_tensors_of_every_kind_survive_the_file(tmp_path):
    """Guards against views, shared memory, odd types and empty shapes that safetensors refuses."""
    whole = torch.arange(12.0).view(3, 4)
    tensors = {
        "turned": whole.t(),
        "row": whole[1],
        "number": torch.tensor(3),
        "empty": torch.zeros(0, 3),
        "half": whole.to(torch.bfloat16),
        "truth": whole > 3,
    }
    checkpoints.write_tensors(tmp_path / "file", tensors, {"epoch": 1, "loss": float("nan")})
    found, facts = checkpoints.read_tensors(tmp_path / "file")
    assert facts["epoch"] == 1
    assert facts["loss"] != facts["loss"]
    assert {name for name in tensors if not torch.equal(tensors[name], found[name])} == set()
    assert {name for name in tensors if tensors[name].dtype != found[name].dtype} == set()
