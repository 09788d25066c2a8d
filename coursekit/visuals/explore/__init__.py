"""The explorers, ``ck.explore.name(...)``: pictures that follow what you move.

Each shows itself as the last line of a cell. Where no widget can run it leaves a picture and a
sentence; its arguments then take the place of the controls.
"""

from coursekit.visuals.explore.ideas import descent, kernel, relus

__all__ = [
    "descent",
    "kernel",
    "relus",
]
