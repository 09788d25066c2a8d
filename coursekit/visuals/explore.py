"""The explorers, ``ck.explore.name(...)``: pictures that follow what you move.

Each shows itself as the last line of a cell. Where no widget can run it leaves a picture and a
caption; its arguments then take the place of the controls.
"""

from coursekit.visuals.curves import sweep as sweep
from coursekit.visuals.embeddings import embedding_map as embedding_map
from coursekit.visuals.embeddings import recommend as recommend
from coursekit.visuals.heatmaps import classify as classify
from coursekit.visuals.heatmaps import grad_cam as grad_cam
from coursekit.visuals.ideas import descent as descent
from coursekit.visuals.ideas import kernel as kernel
from coursekit.visuals.ideas import relus as relus
from coursekit.visuals.layers import batch_norm as batch_norm
from coursekit.visuals.layers import layers as layers
from coursekit.visuals.layers import receptive_field as receptive_field
from coursekit.visuals.pictures import augmentation as augmentation
from coursekit.visuals.results import cleaner as cleaner
from coursekit.visuals.results import threshold as threshold
from coursekit.visuals.tables import partial_dependence as partial_dependence
from coursekit.visuals.tables import what_if as what_if
from coursekit.visuals.text import generate as generate
from coursekit.visuals.text import hidden_unit as hidden_unit
from coursekit.visuals.text import review as review
