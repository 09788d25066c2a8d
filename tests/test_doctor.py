"""Tests of the doctor: every trouble is found, and gets one remedy in one line."""

import re
import subprocess
import sys
from collections import namedtuple
from types import SimpleNamespace

import numpy
import pytest
import torch
import torchvision  # noqa: F401 (reads what the fixture replaces, so it comes first)

from coursekit import runtime
from coursekit.data import cache
from coursekit.doctor import GIGABYTE, Finding, Report, doctor
from tests import disks

module = sys.modules["coursekit.doctor"]  # coursekit.doctor itself is the function


@pytest.fixture(autouse=True)
def healthy(tmp_path, monkeypatch):
    """A machine without any trouble, on which each test makes one."""
    runtime.probe.cache_clear()
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(runtime, "host", lambda: "jupyter")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * GIGABYTE // 4096}
    monkeypatch.setattr(module.os, "sysconf", pages.__getitem__, raising=False)
    disk = namedtuple("Usage", "total used free")(900 * GIGABYTE, 0, 500 * GIGABYTE)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: disk)
    monkeypatch.setattr(module.metadata, "requires", lambda _: ["torch>=2.0"])
    return SimpleNamespace(pages=pages)


def only_problem():
    """Return the one finding that has a remedy, its remedy being one line and one sentence."""
    report = doctor()
    (problem,) = report.problems
    text = repr(report)
    assert text.endswith("1 to look at, marked by !")
    assert f"-> {problem.remedy}" in text
    assert text.count("->") == 1
    assert "\n" not in problem.remedy + problem.found
    return problem


def test_a_healthy_machine(tmp_path):
    """A warning about nothing would send learners looking for help."""
    report = doctor()
    assert report.problems == []
    assert repr(report).endswith("All is well.")
    wanted = ["Python", "torch", "GPU", "precision", "memory", "folder", "trainings"]
    assert [finding.what for finding in report] == wanted
    assert "500 GB free; caches take 0 kB of 10.0 GB" in repr(report)
    rows = numpy.zeros(10**6, "uint8")
    cache.keep_array(cache.cache_file("text", "0" * 32), lambda: [rows], rows.shape, "uint8", "x")
    assert "caches take 1.0 MB of 10.0 GB" in repr(doctor())


def test_little_memory(healthy):
    """The kernel would die in the middle of the lesson without a word."""
    healthy.pages["SC_PHYS_PAGES"] = 2 * GIGABYTE // 4096
    problem = only_problem()
    assert problem.found.startswith("2 GB")
    assert "4 GB" in problem.remedy


def test_memory_that_cannot_be_asked_for(monkeypatch):
    """Windows has no sysconf."""
    monkeypatch.delattr(module.os, "sysconf")
    assert doctor().problems == []


def test_a_disk_almost_full(monkeypatch):
    """The download would break off near its end."""
    disk = namedtuple("Usage", "total used free")(0, 0, GIGABYTE)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: disk)
    problem = only_problem()
    assert "1 GB free" in problem.found
    assert "COURSEKIT_HOME" in problem.remedy


def test_a_file_where_the_folder_should_be(tmp_path, monkeypatch):
    """os.access says yes to a file, and to root everywhere."""
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "taken"))
    problem = only_problem()
    assert f"{tmp_path / 'taken'} cannot be written (Not a directory)" in problem.found
    assert "COURSEKIT_HOME" in problem.remedy


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COURSEKIT_DEVICE", "cuda"),
        ("COURSEKIT_DEVICE", "gpu"),
        ("COURSEKIT_HOME", "data"),
        ("COURSEKIT_HOME", "~nosuchuser/x"),
        ("COURSEKIT_CHECKPOINTS", "data"),
    ],
)
def test_a_wrong_setting_is_a_finding(variable, value, monkeypatch):
    """The doctor himself would fall ill of it."""
    monkeypatch.setenv(variable, value)
    problem = only_problem()
    assert value in problem.found
    assert re.match("Set|Unset|choose", problem.remedy)


def test_a_user_without_a_home_folder(monkeypatch):
    """Containers run as a user who has none."""

    def nobody(_=None):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(runtime.Path, "home", nobody)
    monkeypatch.setattr(runtime.Path, "expanduser", nobody)
    monkeypatch.setenv("COURSEKIT_HOME", "")
    assert doctor().problems[0].remedy.startswith("Set COURSEKIT_HOME")


@pytest.mark.parametrize("gone", ["closed", "dead"])
def test_a_drive_that_is_gone(tmp_path, monkeypatch, gone):
    """All would be well, and nothing of the night's training be there in the morning."""
    drive, link = tmp_path / "drive", tmp_path / "link"
    drive.mkdir()
    link.symlink_to(drive)
    monkeypatch.setattr(runtime, "host", lambda: "colab")
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(link / "checkpoints"))
    monkeypatch.setattr(module, "MENUS", {})  # the missing GPU is no matter here
    assert doctor().problems == []
    if gone == "dead":
        disks.die(monkeypatch, drive, link)
    else:
        drive.rmdir()
    problem = only_problem()
    assert f"cannot be written ({drive} has vanished)" in problem.found
    assert "ck.keep_on_drive()" in problem.remedy
    monkeypatch.setattr(runtime, "host", lambda: "jupyter")
    assert "set COURSEKIT_CHECKPOINTS to" in only_problem().remedy


def test_a_dead_drive_as_home(tmp_path, monkeypatch):
    """The doctor himself would end in errno 107."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "drive" / "home"))
    disks.die(monkeypatch, tmp_path / "drive")
    assert "(Transport endpoint is not connected)" in only_problem().found


def test_nothing_is_left_in_the_folder(tmp_path):
    """The trial file would stay, or the folder be made by a mere look."""
    doctor()
    assert list(tmp_path.iterdir()) == [tmp_path / "checkpoints"] or not list(tmp_path.iterdir())


def test_a_gpu_that_fails(monkeypatch):
    """A GPU that torch sees and cannot use looks like one that works."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    why_not = {"cpu": None, "cuda": "no kernel image", "mps": "there is none"}
    monkeypatch.setattr(runtime, "probe", why_not.__getitem__)
    problem = only_problem()
    assert problem.found == "there is one, but it cannot be used: no kernel image"
    assert "another GPU type" in problem.remedy


def test_a_gpu_that_works(monkeypatch):
    """The GPU would be reported missing."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    facts = SimpleNamespace(name="Tesla T4", total_memory=15 * GIGABYTE)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: facts)
    monkeypatch.setattr(runtime, "probe", lambda _: None)
    report = doctor()
    assert report.problems == []
    assert "Tesla T4, 15 GB, computes correctly" in repr(report)
    assert "float16 with scaled gradients" in repr(report)


def test_colab_without_a_gpu(monkeypatch):
    """The one menu entry that a Colab learner needs would not be named."""
    monkeypatch.setattr(runtime, "host", lambda: "colab")
    assert "Runtime > Change runtime type" in only_problem().remedy


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["torch>=99.1"], "(torch>=99.1)"),
        (["nothing-of-this-name>=1.0"], "not installed"),
    ],
)
def test_old_and_missing_packages(wanted, found, monkeypatch):
    """An old version would break in the third lesson with an AttributeError."""
    monkeypatch.setattr(module.metadata, "requires", lambda _: wanted)
    problem = only_problem()
    assert found in problem.found
    assert problem.remedy.startswith("pip install")


@pytest.mark.parametrize("place", ["colab", "kaggle"])
def test_no_package_is_replaced_on_a_host(place, monkeypatch):
    """pip brings another torch, and torchvision and the learner's other notebooks break."""
    monkeypatch.setattr(runtime, "host", lambda: place)
    monkeypatch.setattr(module, "MENUS", {})
    monkeypatch.setitem(sys.modules, "torchvision", None)  # its import fails
    wanted = ["torch>=99.1", "nothing-of-this-name>=1.0"]
    monkeypatch.setattr(module.metadata, "requires", lambda _: wanted)
    problems = doctor().problems
    assert [finding.what for finding in problems] == ["torch", "torch", "nothing-of-this-name"]
    for finding in problems:
        assert "latest" in finding.remedy
        assert "install" not in finding.remedy


def test_versions_are_compared_as_numbers(monkeypatch):
    """2.10 would count as older than 2.9, extras as needed, 3.0rc1 as 3.1."""
    versions = {"one": "2.10.0+cu128", "two": "3.0rc1", "three": "1.0"}
    wanted = ["one>=2.9", "two>=3.0", 'three>=2; extra == "dev"']
    monkeypatch.setattr(module.metadata, "requires", lambda _: wanted)
    monkeypatch.setattr(module.metadata, "version", versions.__getitem__)
    assert doctor().problems == []


def test_a_torchvision_that_does_not_fit(monkeypatch):
    """RuntimeError: operator torchvision::nms does not exist."""
    import builtins

    really = builtins.__import__

    def broken(name, *rest):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return really(name, *rest)

    monkeypatch.setattr(builtins, "__import__", broken)
    problem = only_problem()
    assert "torchvision::nms" in problem.found
    assert "together" in problem.remedy


def test_every_problem_has_its_line():
    """Two problems would share a remedy, or the columns run into each other."""
    report = Report(
        [Finding("a", "well"), Finding("long", "ill", "rest"), Finding("b", "ill", "go")]
    )
    assert repr(report) == (
        "  a     well\n! long  ill\n        -> rest\n! b     ill\n        -> go\n"
        "2 to look at, marked by !"
    )


def test_it_says_that_trainings_are_lost(monkeypatch):
    """A night of training that nobody knew would be gone."""
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", "")
    monkeypatch.setattr(runtime, "host", lambda: "colab")
    assert "lost when this runtime ends" in repr(doctor())
    assert "ck.keep_on_drive() opens it" in repr(doctor())
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", "/content/drive/x")
    assert "lost" not in repr(doctor())


def test_it_prints_no_path_of_this_machine(monkeypatch, tmp_path):
    """A stored notebook would show the maintainer's home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", "")
    assert str(tmp_path) not in repr(doctor())
    assert "kept in ~" in repr(doctor())


def test_the_command_in_a_terminal():
    """The command in the README is gone."""
    command = [sys.executable, "-m", "coursekit"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "torch" in ran.stdout
    assert not ran.stderr
