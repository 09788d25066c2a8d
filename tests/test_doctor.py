"""Tests of the doctor: every trouble is found, and gets one remedy in one line."""

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
from coursekit.doctor import GIGABYTE, doctor
from tests import disks

module = sys.modules["coursekit.doctor"]  # coursekit.doctor itself is the function


def packages(*wanted):
    return lambda monkeypatch: monkeypatch.setattr(module.metadata, "requires", lambda _: wanted)


def memory(gigabytes):
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gigabytes * GIGABYTE // 4096}
    return lambda monkeypatch: monkeypatch.setattr(
        module.os, "sysconf", pages.__getitem__, raising=False
    )


def disk(gigabytes):
    usage = namedtuple("Usage", "total used free")(900 * GIGABYTE, 0, gigabytes * GIGABYTE)
    return lambda monkeypatch: monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)


@pytest.fixture(autouse=True)
def healthy(tmp_path, monkeypatch):
    """A machine without any trouble, on which each test makes one."""
    runtime.probe.cache_clear()
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(runtime, "host", lambda: "jupyter")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for well in (memory(16), disk(500), packages("torch>=2.0")):
        well(monkeypatch)


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


def setting(variable, value):
    return lambda monkeypatch: monkeypatch.setenv(variable, value)


def failing_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    why_not = {"cpu": None, "cuda": "no kernel image", "mps": "there is none"}
    monkeypatch.setattr(runtime, "probe", why_not.__getitem__)


def colab(monkeypatch):
    monkeypatch.setattr(runtime, "host", lambda: "colab")


def broken_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)


@pytest.mark.parametrize(
    ("trouble", "found", "remedy"),
    [
        (memory(2), "2 GB", "4 GB"),
        (disk(1), "1 GB free", "COURSEKIT_HOME"),
        (setting("COURSEKIT_HOME", __file__), "written (Not a directory)", "COURSEKIT_HOME"),
        (setting("COURSEKIT_HOME", "data"), "'data', another folder", "Set it to"),
        (setting("COURSEKIT_CHECKPOINTS", "data"), "'data', another folder", "Set it to"),
        (setting("COURSEKIT_DEVICE", "cuda"), "asks for cuda", "Unset it"),
        (setting("COURSEKIT_DEVICE", "gpu"), "'gpu'", "choose one of 'cpu'"),
        (failing_gpu, "it cannot be used: no kernel image", "another GPU type"),
        (colab, "there is none", "Runtime > Change runtime type"),
        (packages("torch>=99.1"), "(torch>=99.1)", "pip install"),
        (packages("nothing-of-this-name>=1.0"), "not installed", "pip install"),
        (broken_torchvision, "torchvision fails to import", "together"),
    ],
)
def test_every_trouble_is_found_and_has_a_remedy(monkeypatch, trouble, found, remedy):
    """A kernel that dies without a word; a doctor who falls ill himself of a wrong setting."""
    trouble(monkeypatch)
    problem = only_problem()
    assert found in problem.found
    assert remedy in problem.remedy


def test_memory_that_cannot_be_asked_for(monkeypatch):
    """Windows has no sysconf."""
    monkeypatch.delattr(module.os, "sysconf")
    assert doctor().problems == []


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


def test_nothing_is_left_in_the_folder(tmp_path):
    """The trial file would stay, or the folder be made by a mere look."""
    doctor()
    assert list(tmp_path.iterdir()) == [tmp_path / "checkpoints"] or not list(tmp_path.iterdir())


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


def test_it_says_that_trainings_are_lost(monkeypatch):
    """A night of training that nobody knew would be gone."""
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", "")
    monkeypatch.setattr(runtime, "host", lambda: "colab")
    assert "lost when this runtime ends" in repr(doctor())
    assert "ck.keep_on_drive() opens it" in repr(doctor())
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", "/content/drive/x")
    assert "lost" not in repr(doctor())


def test_the_command_in_a_terminal():
    """The command in the README is gone."""
    command = [sys.executable, "-m", "coursekit"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "torch" in ran.stdout
    assert not ran.stderr
