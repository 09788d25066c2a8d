"""Archives that can be made again, and tables."""

import re
import tomllib
from pathlib import Path

from worlds.__main__ import SAMPLES, WORLDS, main
from worlds.files import on_all_processors, write_table

ROOT = Path(__file__).parents[2]


def test_all_archives_are_carried_and_small():
    """A world that was not packed, or a package that takes minutes to install."""
    archives = {path.name: path.stat().st_size for path in SAMPLES.iterdir()}
    assert set(archives) == {f"{name}.tar.xz" for name in WORLDS}
    assert sum(archives.values()) <= 20_000_000
    data = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    assert "data/samples/*.tar.xz" in data["package-data"]["coursekit"]


def test_a_world_is_built_and_packed_by_name(tmp_path, capsys):
    """``python -m worlds aclImdb`` that packs nothing, or another archive than the one carried."""
    main(["aclImdb"], tmp_path)
    archive = tmp_path / "aclImdb.tar.xz"
    assert re.search(r"aclImdb: 5,502 files, 0\.\d+ MB", capsys.readouterr().out)
    assert archive.read_bytes() == (SAMPLES / "aclImdb.tar.xz").read_bytes()


def test_work_on_all_processors_stays_in_order():
    """Pictures that get the name of another one, as some process was faster."""
    assert list(on_all_processors(abs, range(-500, 0), "counting")) == list(range(500, 0, -1))


def test_tables(tmp_path):
    """Twelve digits of a number of which four are meant, or line ends of the system."""
    write_table(tmp_path / "new" / "x.csv", ["a", "b"], [(1, 0.123456), ("2,", 3)], end="\r\n")
    assert (tmp_path / "new" / "x.csv").read_bytes() == b'a,b\r\n1,0.1235\r\n"2,",3\r\n'
