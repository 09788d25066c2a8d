"""coursekit: data, learners and pictures for the seven lessons of the course."""

from coursekit.console import CourseError
from coursekit.data.augment import Augment, side_on, top_down
from coursekit.data.batches import Batches, Data
from coursekit.data.cleaning import Corrections, near_duplicates
from coursekit.data.fetch import fetch
from coursekit.data.images import images, read_picture
from coursekit.data.ratings import ratings
from coursekit.data.tables import Table, date_parts, elapsed, table
from coursekit.data.text import Vocabulary, language, text
from coursekit.doctor import doctor
from coursekit.drive import keep_on_drive
from coursekit.exercises.checking import check, hint, solution
from coursekit.exercises.quiz import quiz
from coursekit.exercises.record import progress
from coursekit.extension import load as load_ipython_extension
from coursekit.learners.callbacks import (
    Accumulate,
    ActivationStatistics,
    CarryState,
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
from coursekit.learners.metrics import (
    Metric,
    accuracy,
    f_beta,
    mean_metric,
    perplexity,
    rmse,
    rmspe,
)
from coursekit.learners.recipes import (
    ActivityPenalty,
    PictureClassifier,
    image_learner,
    language_learner,
    load_model,
    ratings_learner,
    table_learner,
    text_learner,
)
from coursekit.learners.schedules import OneCycle, constant, cosine, one_cycle, restarts
from coursekit.models.pictures import PictureNet, architectures, picture_net
from coursekit.models.summary import summary
from coursekit.models.tables import TableNet, embedding_width
from coursekit.models.text import (
    AWDLSTM,
    LanguageModel,
    TextClassifier,
    TextTransformer,
    concat_pool,
)
from coursekit.runtime import architecture, by_edition, machine, seed
from coursekit.visuals import explore
from coursekit.visuals.curves import show_histories, show_history, show_schedules, show_sweep
from coursekit.visuals.embeddings import most_similar, principal_components, show_map
from coursekit.visuals.heatmaps import enlarge, heat_map, overlay, show_heat, show_heat_grid
from coursekit.visuals.ideas import show_descent, show_kernel, show_kernel_step, show_relus
from coursekit.visuals.layers import show_filters, show_layers
from coursekit.visuals.letters import show_letters
from coursekit.visuals.pictures import (
    show_batch,
    show_corner,
    show_pictures,
    show_planes,
    show_versions,
)
from coursekit.visuals.results import Results, results
from coursekit.visuals.tables import show_effect, what_if
from coursekit.visuals.text import show_tokens

__all__ = [
    "AWDLSTM",
    "Accumulate",
    "ActivationStatistics",
    "ActivityPenalty",
    "Augment",
    "Batches",
    "Callback",
    "CarryState",
    "ClipGradients",
    "Corrections",
    "CourseError",
    "Data",
    "EarlyStop",
    "History",
    "KeepBest",
    "LabelSmoothing",
    "LanguageModel",
    "Learner",
    "Loss",
    "Metric",
    "Mixup",
    "OneCycle",
    "PictureClassifier",
    "PictureNet",
    "Predictions",
    "Results",
    "Table",
    "TableNet",
    "TextClassifier",
    "TextTransformer",
    "Vocabulary",
    "accuracy",
    "architecture",
    "architectures",
    "binary_cross_entropy",
    "by_edition",
    "capture",
    "check",
    "concat_pool",
    "constant",
    "cosine",
    "cross_entropy",
    "date_parts",
    "doctor",
    "elapsed",
    "embedding_width",
    "enlarge",
    "explore",
    "f_beta",
    "fetch",
    "heat_map",
    "hint",
    "image_learner",
    "images",
    "keep_on_drive",
    "language",
    "language_learner",
    "load_ipython_extension",
    "load_model",
    "machine",
    "mean_metric",
    "mean_squared_error",
    "most_similar",
    "near_duplicates",
    "one_cycle",
    "overlay",
    "perplexity",
    "picture_net",
    "principal_components",
    "progress",
    "quiz",
    "ratings",
    "ratings_learner",
    "read_picture",
    "restarts",
    "results",
    "rmse",
    "rmspe",
    "seed",
    "show_batch",
    "show_corner",
    "show_descent",
    "show_effect",
    "show_filters",
    "show_heat",
    "show_heat_grid",
    "show_histories",
    "show_history",
    "show_kernel",
    "show_kernel_step",
    "show_layers",
    "show_letters",
    "show_map",
    "show_pictures",
    "show_planes",
    "show_relus",
    "show_schedules",
    "show_sweep",
    "show_tokens",
    "show_versions",
    "side_on",
    "solution",
    "summary",
    "table",
    "table_learner",
    "text",
    "text_learner",
    "top_down",
    "what_if",
]
