"""How many lines each room of the package has, and may have: ``python -m tests.budgets``."""

import ast
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Lines of all kinds, docstrings included. Rooms may trade lines here; the sums stay.
BUDGET = {
    "top": 500,
    "data": 2_100,
    "models": 700,
    "learners": 1_700,
    "visuals": 2_500,
    "exercises": 1_500,
}
TESTS = 12_000
# What a room has at most today, until it is within its budget.
CEILING = {
    "top": 852,
    "data": 3_295,
    "models": 781,
    "learners": 2_626,
    "visuals": 3_638,
    "exercises": 1_528,
    "tests": 16_780,
}


def lines(file):
    """Return the number of lines of a file."""
    return len(file.read_text("utf-8").splitlines())


def rooms():
    """Return {room: lines} of the package, modules beside the rooms as "top", and of the tests."""
    found = dict.fromkeys(BUDGET, 0) | {"tests": 0}
    for file in (ROOT / "coursekit").rglob("*.py"):
        room, *inner = file.relative_to(ROOT / "coursekit").parts
        found[room if inner else "top"] += lines(file)
    found["tests"] = sum(map(lines, (ROOT / "tests").rglob("*.py")))
    return found


def functions():
    """Return (median, 90th percentile) of the lines of the package's functions."""
    lengths = [
        node.end_lineno - node.lineno + 1
        for file in (ROOT / "coursekit").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return statistics.median(lengths), statistics.quantiles(lengths, n=10)[-1]


def table():
    """Return the rooms, their lines and their budgets as text."""
    found, limits = rooms(), BUDGET | {"tests": TESTS}
    rows = [(room, found[room], limits[room]) for room in BUDGET]
    package = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    rows += [("package", *package), ("tests", found["tests"], TESTS)]
    median, long = functions()
    shown = [f"{room:<10} {count:>7,} of {limit:>7,} lines" for room, count, limit in rows]
    return "\n".join(
        [*shown, f"functions  median {median:.0f}, nine of ten within {long:.0f} lines"]
    )


if __name__ == "__main__":
    print(table())
