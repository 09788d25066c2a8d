"""The explorers, ``ck.explore.name(...)``: pictures that follow what you move.

Each shows itself as the last line of a cell. Where no widget can run it leaves a picture and a
sentence; its arguments then take the place of the controls.
"""

from coursekit.visuals.explore.classifier import layers
from coursekit.visuals.explore.films import recommend
from coursekit.visuals.explore.heat import batch_norm, receptive_field
from coursekit.visuals.explore.maps import embedding_map, nearest
from coursekit.visuals.explore.rates import sweep
from coursekit.visuals.explore.reviews import next_words, review
from coursekit.visuals.explore.tables import partial_dependence, what_if
from coursekit.visuals.explore.thresholds import threshold
from coursekit.visuals.explore.writing import generate, hidden_unit
from coursekit.visuals.heatmaps import classify, grad_cam
from coursekit.visuals.ideas import descent, kernel, relus
from coursekit.visuals.pictures import augmentation
from coursekit.visuals.results import cleaner

__all__ = [
    "augmentation",
    "batch_norm",
    "classify",
    "cleaner",
    "descent",
    "embedding_map",
    "generate",
    "grad_cam",
    "hidden_unit",
    "kernel",
    "layers",
    "nearest",
    "next_words",
    "partial_dependence",
    "receptive_field",
    "recommend",
    "relus",
    "review",
    "sweep",
    "threshold",
    "what_if",
]
