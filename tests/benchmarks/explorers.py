"""How long a moved control takes to show its picture: ``python -m tests.benchmarks.explorers``.

Every explorer with the small model that the tests move it with; what a learner's own model takes
comes on top.
"""

import statistics
import time

from tests.visuals.explorers import explorers

ROUNDS = 5


def main():
    """Print the median and the longest time of a move, in milliseconds."""
    for name, (make, moves) in sorted(explorers().items()):
        explorer = make()
        explorer.widget()
        start = {key: explorer.widgets[key].value for move in moves for key in move}
        taken = []
        for move in [*moves, start] * ROUNDS:
            for key, value in move.items():
                if explorer.widgets[key].value != value and not isinstance(value, tuple | dict):
                    began = time.perf_counter()
                    explorer.widgets[key].value = value
                    taken.append(1000 * (time.perf_counter() - began))
        if taken:
            print(f"{name:16} {statistics.median(taken):6.0f} {max(taken):6.0f} ms")


if __name__ == "__main__":
    main()
