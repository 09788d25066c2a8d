"""The history of a training: a list of plain dicts, one an epoch, that everything else reads."""

from __future__ import annotations

from typing import Any


class History(list[dict[str, Any]]):
    """Rows such as {"epoch": 1, "train_loss": 0.52, "valid_loss": 0.41, "seconds": 3.2}."""

    def __repr__(self) -> str:
        if not self:
            return "History of no epoch"
        columns = list(self[0])
        return "\n".join([table_head(columns), *(table_row(columns, row) for row in self)])


def table_head(columns: list[str]) -> str:
    """Format the names of the columns, aligned with ``table_row``."""
    return "  ".join(f"{name.replace('_', ' '):>{_width(name)}}" for name in columns)


def table_row(columns: list[str], row: dict[str, Any]) -> str:
    """Format one epoch as a line of the table."""
    return "  ".join(f"{_cell(name, row.get(name)):>{_width(name)}}" for name in columns)


def _width(name: str) -> int:
    return max(7, len(name))


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "seconds":
        return f"{value:.1f}"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
