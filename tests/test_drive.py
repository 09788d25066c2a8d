"""Work kept in Google Drive, a folder here: what comes back, what vanishes, what is said."""

import os
import shutil
import sys
from types import ModuleType

import pytest
import torch

import coursekit as ck
from coursekit import drive
from coursekit.data.batches import Data
from tests import disks


@pytest.fixture
def google(tmp_path, monkeypatch):
    """Return the Drive behind the mount: it stays when the runtime goes."""
    cloud, mount = tmp_path / "cloud", tmp_path / "content" / "drive"
    cloud.mkdir()
    colab = ModuleType("google.colab")
    colab.drive = ModuleType("google.colab.drive")

    def open_it(place, force_remount=False):
        mount.mkdir(parents=True, exist_ok=True)
        (mount / "MyDrive").symlink_to(cloud)

    colab.drive.mount = open_it
    colab.drive.flush_and_unmount = lambda: (mount / "MyDrive").unlink()
    monkeypatch.setitem(sys.modules, "google", ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setattr(drive, "MOUNT", mount)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", "")
    return colab.drive


def _fit(epochs=3, **options):
    """Train something tiny; return (history without seconds, learner)."""
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    batches = [(x[i : i + 16], (x[i : i + 16, 0] > 0).long()) for i in range(0, 64, 16)]
    learn = ck.Learner(Data(batches, batches), torch.nn.Linear(4, 2), ck.cross_entropy)
    history = learn.fit(epochs, lr=0.1, **{"name": "fit", **options})
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def _new_runtime(tmp_path):
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
    shutil.rmtree(tmp_path / "content", ignore_errors=True)
    os.environ["COURSEKIT_CHECKPOINTS"] = ""


def test_a_new_runtime_goes_on(google, tmp_path, capsys):
    """Twelve hours of training that are gone in the morning."""
    rows = _fit(name="before")
    kept = drive.keep_on_drive()
    assert _fit() == rows
    kept.finish()
    said = capsys.readouterr().out
    assert "may see and change all files of your Drive" in said
    assert "Everything is in coursekit of your Drive" in said
    _new_runtime(tmp_path)
    drive.keep_on_drive()
    assert _fit() == _fit(name="before") == rows
    said = capsys.readouterr().out
    assert ": 2 trainings" in said
    assert said.count("Read back from a checkpoint: 3 epochs, finished") == 2


def test_nothing_in_drive_is_written_over(google, tmp_path, capsys):
    """What was done in this runtime would take the place of what was done in all before."""
    for folder, text in (("home", "here"), ("cloud/coursekit", "kept")):
        file = tmp_path / folder / "checkpoints" / "progress.json"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    drive.keep_on_drive()
    assert file.read_text() == "kept"
    assert "progress.json is not copied" in capsys.readouterr().out


def test_a_file_where_the_link_should_be(google, tmp_path):
    """A learner's own file would be removed for the link to Drive."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "drive").write_text("my own")
    with pytest.raises(ck.CourseError, match="in the way"):
        drive.keep_on_drive()
    assert (tmp_path / "home" / "drive").read_text() == "my own"


@pytest.mark.parametrize("folder", ["", "/", "/tmp", "..", "a/../..", ".", None, 5])
def test_what_is_no_folder_in_drive(google, folder):
    """keep_on_drive("") would use the learner's own folder data."""
    with pytest.raises(ck.CourseError, match="folder"):
        drive.keep_on_drive(folder)


def test_drive_vanishes_while_training(google, tmp_path, capsys):
    """The fit dies, or files at the place of Drive keep it from ever coming back."""
    rows = _fit(name="uncut", resume=False)
    drive.keep_on_drive()

    class Vanish(ck.Callback):
        def epoch_done(self, state):
            if state.epoch == 2:
                google.flush_and_unmount()

    assert _fit(callbacks=[Vanish()]) == rows
    said = capsys.readouterr().out
    assert (
        f"cannot be written ({tmp_path / 'content/drive/MyDrive/coursekit'} has vanished)" in said
    )
    assert not list((tmp_path / "content" / "drive").iterdir())
    drive.keep_on_drive()
    assert _fit() == rows


def test_a_drive_that_died_is_opened_again(google, tmp_path, monkeypatch, capsys):
    """A mount that is there and answers nothing: every cell of the lesson ends in errno 107."""
    rows = _fit(name="uncut", resume=False)
    kept = drive.keep_on_drive()
    mount, real, forced = tmp_path / "content" / "drive", google.mount, []

    def open_again(place, force_remount=False):
        forced.append(force_remount)
        monkeypatch.undo()
        (mount / "MyDrive").unlink()
        google.mount = real
        real(place)

    class Die(ck.Callback):
        def epoch_done(self, state):
            if state.epoch == 2:
                disks.die(monkeypatch, mount, tmp_path / "home" / "drive")

    with monkeypatch.context() as monkeypatch:  # it is undone where Drive is opened again
        assert _fit(callbacks=[Die()]) == rows
        assert "coursekit has vanished): training goes on" in capsys.readouterr().out
        with pytest.raises(ck.CourseError, match="not there any more"):
            kept.finish()
        google.mount = open_again
        drive.keep_on_drive()
    assert forced == [True]
    assert ": 2 trainings" in capsys.readouterr().out, "what was kept before is there"


def test_refusals_are_one_sentence(google, tmp_path, monkeypatch):
    """Twenty lines of Google's code where one sentence would do."""
    (tmp_path / "content" / "drive").mkdir(parents=True)
    (tmp_path / "content" / "drive" / "own").write_text("")
    with pytest.raises(ck.CourseError, match="before Drive was there"):
        drive.keep_on_drive()
    shutil.rmtree(tmp_path / "content")

    def refuse(*_, **__):
        raise ValueError("mount failed: the user said no")

    monkeypatch.setattr(google, "mount", refuse)
    with pytest.raises(ck.CourseError, match=r"mount failed: the user said no"):
        drive.keep_on_drive()
    monkeypatch.delenv("COLAB_RELEASE_TAG")
    with pytest.raises(ck.CourseError, match="in Colab only"):
        drive.keep_on_drive()
