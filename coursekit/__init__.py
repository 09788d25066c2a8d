"""coursekit: data, learners and pictures for the seven lessons of the course."""

from coursekit.console import CourseError
from coursekit.data.augment import Augment, side_on, top_down
from coursekit.data.batches import Batches, Data
from coursekit.data.cleaning import Corrections, near_duplicates
# fetch joins here
from coursekit.data.images import images, read_picture
from coursekit.doctor import doctor
from coursekit.extension import load as load_ipython_extension
from coursekit.learners.callbacks import (
    Accumulate,
    ActivationStatistics,
    ClipGradients,
    EarlyStop,
    KeepBest,
    LabelSmoothing,
    Mixup,
    capture,
)
from coursekit.learners.history import History
from coursekit.learners.learner import Callback, Learner, Predictions
from coursekit.learners.losses import (
    Loss,
    binary_cross_entropy,
    cross_entropy,
    mean_squared_error,
)
from coursekit.learners.metrics import Metric, accuracy, f_beta, mean_metric
from coursekit.learners.recipes import PictureClassifier, image_learner, load_model
from coursekit.learners.schedules import OneCycle, constant, cosine, one_cycle, restarts
from coursekit.models.pictures import PictureNet, architectures, picture_net
from coursekit.runtime import architecture, by_edition, machine, seed
