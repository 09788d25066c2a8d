"""The history of a training: a list of plain dicts, one an epoch, that everything else reads."""


class History(list):
    """Rows such as {"epoch": 1, "train_loss": 0.52, "valid_loss": 0.41, "seconds": 3.2}."""

    def __init__(self, rows=()):
        super().__init__(rows)
        self._printed = None

    def print_rows(self, columns):
        """Print the head of the table once, and the rows that were not yet printed."""
        if self._printed is None:
            print("  ".join(f"{name.replace('_', ' '):>{_width(name)}}" for name in columns))
            self._printed = 0
        for row in self[self._printed :]:
            print("  ".join(f"{_cell(name, row.get(name)):>{_width(name)}}" for name in columns))
        self._printed = len(self)

    def __repr__(self):
        if not self:
            return "History of no epoch"
        columns = list(self[0])
        head = "  ".join(f"{name.replace('_', ' '):>{_width(name)}}" for name in columns)
        lines = [
            "  ".join(f"{_cell(name, row.get(name)):>{_width(name)}}" for name in columns)
            for row in self
        ]
        return "\n".join([head, *lines])


def _width(name):
    return max(7, len(name))


def _cell(name, value):
    if value is None:
        return "-"
    if name == "seconds":
        return f"{value:.1f}"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
