"""The data sets of ``catalogue.toml``."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Source:
    """One published file; ``catalogue.toml`` says what the fields mean."""

    url: str
    bytes: int | None = None
    sum: str = ""
    inside: str = ""
    moves: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The machine that serves it."""
        return urlsplit(self.url).netloc

    @property
    def name(self) -> str:
        """The name of the published file."""
        return Path(urlsplit(self.url).path).name

    @property
    def checked(self) -> str:
        """What a copy is checked against, in words."""
        if not self.sum:
            return "checked by size only" if self.bytes else "no published sum to check it against"
        kind = self.sum.partition(":")[0]
        return f"checked by {'size and by ' if ' ' in kind else ''}{kind}"


@dataclass(frozen=True)
class DataSet:
    """A data set: terms, layout, and the sources in the order in which they are tried."""

    name: str
    license: str
    layout: dict[str, int]
    sources: tuple[Source, ...]
    sample: str
    sample_license: str = "MIT, as the course"

    def lacking(self, folder: Path, enough: int | None = None) -> str:
        """What ``folder`` lacks of the layout, or nothing; ``enough`` replaces the counts."""
        for pattern, least in self.layout.items():
            least = enough or least
            found = sum(1 for _ in islice(folder.glob(pattern), least))
            if found < least:
                return f"{pattern} ({found} found, at least {least} expected)"
        return ""


@functools.cache
def catalogue() -> dict[str, DataSet]:
    """The data sets of ``catalogue.toml`` by name; each address of a file is a source."""
    rows = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    for row in rows.values():
        row["sources"] = tuple(
            Source(url=url, **file) for file in row["sources"] for url in file.pop("urls")
        )
    return {name: DataSet(name=name, **row) for name, row in rows.items()}
