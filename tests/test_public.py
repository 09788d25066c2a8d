"""Odd values for one argument of everything public: a right result, or one sentence.

``CALLS`` holds a small valid call of each name. ``make fuzz EXAMPLES=500`` tries so many values for
each of them.
"""

import contextlib
import inspect
import math
import os
import traceback
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy
import pandas
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import coursekit as ck
from coursekit.visuals import explore
from tests.data.pictures import drawn, save
from tests.visuals.explorers import (
    lesson_1,
    lesson_2,
    lesson_3,
    lesson_4,
    lesson_5,
    lesson_6,
    lesson_7,
)

EXAMPLES = int(os.environ.get("COURSEKIT_EXAMPLES") or 4)  # for each name
TEXTS = [f"the film was {word} and the end was {word} too" for word in ("good", "bad", "long")] * 4
COURSE, TESTS = Path(ck.__file__).parent, Path(__file__).parent
NAMES = list("abcdefghijkl")
HIGHEST = 2**31  # an epoch count above it is refused by nobody, and never ends

# Kept for learners who write code of their own; each is covered by tests beside it.
NOT_CALLED = {"Callback", "CourseError", "History", "load_ipython_extension", "explore", "doctor"}
NOT_CALLED |= {"architectures", "machine", "progress"}  # take nothing
NOT_CALLED |= {"keep_on_drive"}  # in Colab only


def learner(w, **options):
    """Make a learner of two classes."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    given = {"data": w.data, "model": net, "loss": ck.cross_entropy, "metrics": [ck.accuracy]}
    return ck.Learner(**(given | options))


@pytest.fixture(scope="module")
def w(tmp_path_factory):
    """Files in a folder, and tiny data and learners of every kind."""
    folder = tmp_path_factory.mktemp("public")
    for number in range(12):
        name = f"{('cats', 'dogs')[number % 2]}/{number}.png"
        save(drawn(16, 16, seed=number), folder / "pictures" / name)
    (folder / "corrections.csv").write_text("file,label\ncats/0.png,dogs\ndogs/1.png,\n")
    rng = numpy.random.default_rng(0)
    w = SimpleNamespace(folder=folder, frame=lesson_3.shops(40), pictures=folder / "pictures")
    w.stars = pandas.DataFrame(
        {
            "userId": rng.integers(0, 6, 60),
            "title": rng.choice(list("abcdef"), 60),
            "rating": rng.integers(1, 6, 60),
        }
    )
    w.labels = pandas.DataFrame({"file": [f"{n}.png" for n in range(12)], "label": ["a", "b"] * 6})
    w.images = ck.images(w.pictures, size=16, batch_size=4, augment=ck.side_on)
    how = {"categories": ["Store", "Kind"], "continuous": ["Promo", "Rain"], "batch_size": 16}
    w.table = ck.table(w.frame, "Sales", valid=0.3, log_target=True, **how)
    w.ratings = ck.ratings(w.stars, batch_size=16)
    w.language = ck.language(TEXTS, batch_size=2, seq_len=4)
    w.text = ck.text(TEXTS, labels=["a", "b"] * 6, batch_size=4, vocabulary=w.language)
    w.x, w.y, w.scores = torch.rand(12, 4), torch.arange(12) % 2, torch.randn(12, 2)
    part = ck.Batches(w.x, w.y, batch_size=4)
    w.data, w.net = ck.Data(part, part, None, ("a", "b")), lesson_1.net()
    w.picture_learner = ck.image_learner(w.images, "drawings", pretrained=False)
    w.table_learner = ck.table_learner(w.table, hidden_sizes=(4,))
    w.exported = w.picture_learner.export(folder / "model.safetensors")
    w.saved = learner(w).save(folder / "weights.safetensors")
    w.rgb, w.vectors, w.history = lesson_1.picture(side=16), rng.normal(size=(12, 4)), None
    w.history = learner(w).fit(2, 0.01)
    return w


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Let what is written under an odd name lie where it is swept."""
    monkeypatch.chdir(tmp_path)


def one_batch(make):
    """Call a reader and read a mini-batch."""
    return lambda **how: make(**how).train.one_batch()


def trained(make):
    """Make a learner and train it for an epoch."""
    return lambda **how: make(**how).fit(1, 0.01)


def redrawn(make):
    """Make an explorer and draw it."""
    return lambda **how: make(**how).redraw()


def during(w, make):
    """Train with a callback of a kind."""
    return lambda **how: learner(w).fit(2, 0.01, callbacks=make(**how))


def of(thing, **how):
    """A valid call: what is called, and its arguments by name."""
    return thing, how


def hooked(model, names):
    """Record outputs of some layers."""
    with ck.hook_outputs(model, names):
        return model(torch.rand(2, 3, 16, 16))


RNG = numpy.random.default_rng(0)
CALLS = {
    # data
    "Augment": lambda w: of(lambda **how: ck.Augment(**how)(torch.rand(2, 3, 16, 16)), flip=True, dihedral=True, rotate=10.0, zoom=1.1, brightness_contrast=0.1),
    "side_on": lambda w: of(ck.side_on, x=torch.rand(2, 3, 16, 16)),
    "top_down": lambda w: of(ck.top_down, x=torch.rand(2, 3, 16, 16)),
    "Batches": lambda w: of(lambda **how: list(ck.Batches(**how)), inputs=w.x, targets=w.y, batch_size=4, shuffle=False, transform=None, augment=None, filenames=None, cache_key=None),
    "Batches.subset": lambda w: of(lambda rows: list(w.data.train.subset(rows)), rows=[0, 1, 2]),
    "Data": lambda w: of(lambda **how: ck.Learner(ck.Data(**how), nn.Linear(4, 2), ck.cross_entropy).fit(1, 0.1), train=w.data.train, valid=w.data.valid, test=None, classes=("a", "b")),
    "Corrections": lambda w: of(ck.Corrections, file=w.folder / "corrections.csv", classes=["cats"]),
    "Corrections.relabel": lambda w: of(ck.Corrections(w.folder / "new.csv", classes=["cats"]).relabel, name="cats/0.png", label="cats"),
    "near_duplicates": lambda w: of(ck.near_duplicates, pictures=w.images.train.inputs, threshold=0.9, limit=3),
    "fetch": lambda w: of(ck.fetch, name="dogscats", edition="sample"),
    "images": lambda w: of(one_batch(ck.images), path=w.pictures, size=16, valid=0.25, resize="crop", batch_size=4, augment=ck.side_on, corrections=w.folder / "corrections.csv", seed=0, test=None),
    "images, labels": lambda w: of(one_batch(ck.images), path=w.pictures, labels=w.labels, size=16, multi_label=True, valid=0.25),
    "read_picture": lambda w: of(ck.read_picture, picture=w.rgb, size=8, resize="squish"),
    "ratings": lambda w: of(one_batch(ck.ratings), frame=w.stars, user="userId", item="title", rating="rating", valid=0.2, seed=0, batch_size=8),
    "table": lambda w: of(one_batch(ck.table), frame=w.frame, target="Sales", valid=0.3, categories=["Store", "Kind"], continuous=["Rain"], log_target=True, test=w.frame, batch_size=8, seed=0),
    "TableData": lambda w: of(w.table.encode, frame=w.frame),
    "date_parts": lambda w: of(ck.date_parts, dates=w.frame["Date"]),
    "elapsed": lambda w: of(ck.elapsed, frame=w.frame, events=["Promo"], by="Store", time="Date", cap=9),
    "Vocabulary": lambda w: of(lambda **how: ck.Vocabulary(**how).encode("the film"), tokens="words", itos=w.text.vocabulary.itos, pairs=None),
    "Vocabulary.learn": lambda w: of(ck.Vocabulary.learn, texts=TEXTS, tokens="subwords", max_size=300, min_freq=2),
    "Vocabulary.encode": lambda w: of(w.text.vocabulary.encode, text="the film"),
    "language": lambda w: of(one_batch(ck.language), source=TEXTS, tokens="characters", batch_size=2, seq_len=4, valid=0.3, vocabulary=None, backward=False, seed=0),
    "text": lambda w: of(one_batch(ck.text), source=TEXTS, labels=["a", "b"] * 6, tokens="words", batch_size=4, valid=0.3, vocabulary=w.language, max_length=5, backward=False, seed=0),
    # learners
    "Learner": lambda w: of(trained(ck.Learner), data=w.data, model=nn.Linear(4, 2), loss=ck.cross_entropy, metrics=[ck.accuracy], optimizer="adamw", callbacks=[], groups=None, name="own"),
    "Learner.fit": lambda w: of(learner(w).fit, epochs=1, lr=0.01, schedule=ck.cosine, weight_decay=0.1, callbacks=[], name="fit", resume=False),
    "Learner.find_lr": lambda w: of(learner(w).find_lr, lowest=1e-4, highest=1.0, steps=5, weight_decay=0.01),
    "Learner.evaluate": lambda w: of(learner(w).evaluate, batches=w.data.valid),
    "Learner.predict": lambda w: of(w.picture_learner.predict, batches=w.images.valid, tta=1),
    "Learner.freeze_to": lambda w: of(learner(w).freeze_to, group=0),
    "Learner.set_data": lambda w: of(learner(w).set_data, data=w.data),
    "Learner.save": lambda w: of(learner(w).save, file=w.folder / "saved"),
    "Learner.load": lambda w: of(learner(w).load, file=w.saved),
    "Learner.export": lambda w: of(w.picture_learner.export, file=w.folder / "exported"),
    "load_model": lambda w: of(ck.load_model, file=w.exported),
    "load_model()": lambda w: of(ck.load_model(w.exported), picture=w.rgb),
    "Predictions": lambda w: of(lambda **how: ck.Predictions(**how).losses, scores=w.scores, targets=w.y, loss=ck.cross_entropy),
    "cross_entropy": lambda w: of(ck.cross_entropy, scores=w.scores, targets=w.y),
    "binary_cross_entropy": lambda w: of(ck.binary_cross_entropy, scores=w.scores, targets=torch.ones(12, 2)),
    "mean_squared_error": lambda w: of(ck.mean_squared_error, scores=w.x, targets=w.x),
    "accuracy": lambda w: of(ck.accuracy, scores=w.scores, targets=w.y),
    "perplexity": lambda w: of(ck.perplexity, scores=w.scores, targets=w.y),
    "rmse": lambda w: of(ck.rmse, scores=w.x, targets=w.x),
    "rmspe": lambda w: of(ck.rmspe, scores=w.x, targets=w.x),
    "f_beta": lambda w: of(lambda **how: ck.f_beta(**how)(w.scores, torch.ones(12, 2)), beta=2, threshold=0.5),
    "Metric": lambda w: of(lambda **how: trained(ck.Learner)(data=w.data, model=nn.Linear(4, 2), loss=ck.cross_entropy, metrics=ck.Metric(**how)), name="own", update=lambda scores, y: torch.stack([scores.sum(), scores.sum()]), compute=lambda sums: sums[0], higher_is_better=True),
    "ClipGradients": lambda w: of(during(w, ck.ClipGradients), max_norm=1.0),
    "KeepBestWeights": lambda w: of(during(w, ck.KeepBestWeights), monitor="accuracy"),
    "LabelSmoothing": lambda w: of(during(w, ck.LabelSmoothing), epsilon=0.1),
    "Mixup": lambda w: of(during(w, ck.Mixup), classes=2, alpha=0.4),
    "ActivationStatistics": lambda w: of(during(w, ck.ActivationStatistics), names=["0"]),
    "hook_outputs": lambda w: of(hooked, model=w.net, names=["body"]),
    "CosineRestarts": lambda w: of(lambda **how: ck.CosineRestarts(**how)(0.5), cycles=2, t_mult=2),
    "one_cycle": lambda w: of(ck.one_cycle, progress=0.5),
    "cosine": lambda w: of(ck.cosine, progress=0.5),
    "constant": lambda w: of(ck.constant, progress=0.5),
    "image_learner": lambda w: of(ck.image_learner, data=w.images, architecture="drawings", pretrained=True, precompute=True, metrics=[], optimizer="sgd", callbacks=[], groups=None, name="p"),
    "language_learner": lambda w: of(trained(ck.language_learner), data=w.language, model=None, embedding_dim=4, hidden_size=4, n_layers=1, dropout=0.1, clip=0.3, callbacks=[]),
    "ratings_learner": lambda w: of(trained(ck.ratings_learner), data=w.ratings, n_factors=2, y_range=(0.5, 5.5)),
    "table_learner": lambda w: of(trained(ck.table_learner), data=w.table, hidden_sizes=(4,), dropout=0.1, embedding_dropout=0.1, embedding_dims=[2, 2], y_range=(0, 10), metrics=[ck.rmspe]),
    "text_learner": lambda w: of(trained(ck.text_learner), data=w.text, encoder="lstm", dropout=0.1, sizes={"embedding_dim": 4, "hidden_size": 4, "n_layers": 1}),
    # models and the machine
    "image_model": lambda w: of(ck.image_model, architecture="drawings", n_classes=2, pretrained=False, size=32),
    "summary": lambda w: of(ck.summary, model=w.net, x=torch.rand(2, 3, 16, 16)),
    "embedding_dim": lambda w: of(ck.embedding_dim, cardinality=5),
    "concat_pool": lambda w: of(ck.concat_pool, vectors=torch.rand(2, 3, 4), lengths=torch.tensor([1, 3])),
    "by_edition": lambda w: of(ck.by_edition, path=w.pictures, full=1, sample=2, quick=3),
    "seed": lambda w: of(ck.seed, number=3),
    # exercises
    "check": lambda w: of(ck.check, number="1.1", answer=0.5),
    "hint": lambda w: of(ck.hint, number="1.1"),
    "solution": lambda w: of(ck.solution, number="1.1"),
    "quiz": lambda w: of(ck.quiz, lesson=1),
    # figures
    "enlarge": lambda w: of(ck.enlarge, maps=torch.rand(2, 4, 4), size=8),
    "heat_map": lambda w: of(ck.heat_map, model=w.net, x=torch.rand(2, 3, 16, 16), target=0, layer="body", pooled=True),
    "most_similar": lambda w: of(ck.most_similar, vectors=w.vectors, names=NAMES, name="a", count=3),
    "principal_components": lambda w: of(ck.principal_components, vectors=w.vectors, count=2),
    "predict_with": lambda w: of(ck.predict_with, learn=w.table_learner, frame=w.frame, column="Rain", values=[1, 2]),
    "Results": lambda w: of(ck.Results, learn=w.picture_learner, batches=w.images.valid),
    "Results.show_groups": lambda w: of(lesson_1.results().show_groups, count=2),
    "Results.show_top_losses": lambda w: of(lesson_1.results().show_top_losses, n=2),
    "show_augmentations": lambda w: of(ck.show_augmentations, augment=ck.side_on, picture=w.rgb),
    "show_batch": lambda w: of(ck.show_batch, batches=w.images.train, classes=("a", "b"), count=2),
    "show_corner": lambda w: of(ck.show_corner, picture=w.rgb),
    "show_descent": lambda w: of(ck.show_descent, function=lambda x: x**2, paths={"a": [1.0, 0.5]}),
    "show_heat": lambda w: of(ck.show_heat, pictures=[w.rgb], maps=[torch.rand(4, 4)], titles=["a"], columns=2, height=1.6),
    "show_heat_grid": lambda w: of(ck.show_heat_grid, model=w.net, picture=torch.rand(3, 16, 16), layers=["body"], classes=["a", "b"], pooled=True),
    "show_histories": lambda w: of(ck.show_histories, histories={"a": w.history}, value="accuracy"),
    "show_history": lambda w: of(ck.show_history, history=w.history),
    "show_kernel": lambda w: of(ck.show_kernel, picture=w.rgb, kernel=RNG.random((3, 3)), result=RNG.random((14, 14))),
    "show_kernel_step": lambda w: of(ck.show_kernel_step, picture=w.rgb, kernel=RNG.random((3, 3)), row=1, column=1),
    "show_layers": lambda w: of(ck.show_layers, model=w.net, batches=w.images.valid, channels=1),
    "show_partial_dependence": lambda w: of(ck.show_partial_dependence, predicted=RNG.random((3, 4)), values=[1, 2, 3], name="Rain", ticks=None, groups=None),
    "show_pictures": lambda w: of(ck.show_pictures, pictures=[w.rgb, w.rgb], titles=["a", "b"], columns=2, height=2.0),
    "show_planes": lambda w: of(ck.show_planes, picture=w.rgb),
    "show_relus": lambda w: of(ck.show_relus, x=[0, 1, 2], pieces=[[0, 1, 2]], total=[0, 1, 2], target=[0, 1, 3]),
    "show_schedules": lambda w: of(ck.show_schedules, schedules={"a": ck.cosine}, epochs=2, lr=0.1),
    "show_sweep": lambda w: of(ck.show_sweep, swept=lesson_1.swept(), rate=0.1),
    "show_text": lambda w: of(ck.show_text, pieces=["a", "b"], values=[0.5, -0.5], title="t"),
    # explorers
    "explore.augmentation": lambda w: of(redrawn(explore.augmentation), picture=w.rgb, augment=ck.side_on, draw=1),
    "explore.batch_norm": lambda w: of(redrawn(explore.batch_norm), norm=nn.BatchNorm2d, x=torch.rand(16, 3, 8, 8), y=torch.arange(16) % 4, on=True, depth=2, scale=0.5, lr=0.1),
    "explore.classify": lambda w: of(redrawn(explore.classify), learn=w.picture_learner, picture=w.rgb, layer="body"),
    "explore.cleaner": lambda w: of(redrawn(explore.cleaner), results=lesson_1.results(), corrections=ck.Corrections(w.folder / "c.csv", classes=("cats", "dogs"))),
    "explore.descent": lambda w: of(redrawn(explore.descent), descend=lesson_1.descend, landscape="a curve", rate=0.3, momentum=0.1, start=1.0),
    "explore.embedding_map": lambda w: of(redrawn(explore.embedding_map), vectors=w.vectors, names=NAMES, counts=[1] * 12, labels=3, find="a"),
    "explore.generate": lambda w: of(redrawn(explore.generate), model=lesson_6.scores, vocabulary=lesson_6.VOCABULARY, filtered=lesson_6.filtered, text="ab", temperature=1.0, top_k=0, nucleus=1.0, count=3),
    "explore.grad_cam": lambda w: of(redrawn(explore.grad_cam), model=w.net, classes=["a", "b"], picture=w.rgb, layers=["body"], layer="body", target="a", pooled=True),
    "explore.hidden_unit": lambda w: of(redrawn(explore.hidden_unit), text=lesson_6.TEXT, states=lesson_6.states()[0], unit=0, place=1, length=20, correlations={"in quotes": [1.0, 0.1]}),
    "explore.kernel": lambda w: of(redrawn(explore.kernel), picture=w.rgb, convolve=lesson_1.convolve, values=RNG.random((3, 3))),
    "explore.layers": lambda w: of(redrawn(explore.layers), model=w.net, batches=w.images.valid, stage=None, rank=1),
    "explore.partial_dependence": lambda w: of(redrawn(explore.partial_dependence), learn=w.table_learner, frame=w.frame, columns=["Rain"], column="Rain", by="nothing", words=None),
    "explore.receptive_field": lambda w: of(redrawn(explore.receptive_field), function=lesson_7.field, picture=w.rgb.repeat(3, 0).repeat(3, 1), kernel=3, stride=2, dilation=1, depth=2, pooling=True),
    "explore.recommend": lambda w: of(redrawn(explore.recommend), expected=lesson_5.expected, titles=lesson_5.NAMES, counts=None, films=lesson_5.NAMES[:5], stars=(5.0, 1, 4, 2, 3)),
    "explore.relus": lambda w: of(redrawn(explore.relus), follow=lesson_1.follow, curve="sine", bends=4),
    "explore.review": lambda w: of(redrawn(explore.review), judge=lesson_4.judge, text="The plot was superb.", beside="The cast."),
    "explore.sweep": lambda w: of(redrawn(explore.sweep), swept=lesson_1.swept(), rate=0.01),
    "explore.threshold": lambda w: of(redrawn(explore.threshold), predictions=lesson_2._predictions(), classes=lesson_2.CLASSES, score=lesson_2.f2, threshold=0.5),
    "explore.what_if": lambda w: of(redrawn(explore.what_if), learn=w.table_learner, frame=w.frame, columns=["Rain"], row=0, names=("Store",), words=None),
}  # fmt: skip

ODD = [
    None, "", "x", "a\0b", "\ud800", "$a_{", "a\nb\r", "w" * 5000, -1, 0, 0.0, 1.5, math.nan, math.inf,
    1e308, -(2**70), 1j, True, False, b"\xff\xd8\xff", [], [None], [[1, "a"], [2]], (), {}, {1: None},
    {"a": "b"}, {1, 2}, [math.nan], ["a", "b"], range(3), object(), int, Path("missing/x.csv"), Path(),
    numpy.int64(2), numpy.float32(0.5), numpy.bool_(True), numpy.str_("x"), numpy.zeros((0, 3)),
    numpy.array(3), numpy.array([1, "a", None], object), numpy.array(["a", "b"]),
    numpy.array([True, False] * 6), numpy.ones((2, 3), complex), numpy.ones((1, 2, 1, 2, 1)),
    numpy.array(["2020-01-01"], "M8[D]"), numpy.full((12, 4), numpy.nan), numpy.ones((12, 4), ">i4"),
    pandas.NaT, pandas.NA, pandas.Series([1, None, "a"]), pandas.DataFrame({"a": [1, 2]}),
    pandas.DataFrame(), pandas.DataFrame([[1, "a"], [2, None]]), torch.tensor(1.0), torch.zeros(0, 4),
    torch.arange(12), torch.full((12,), -1), torch.ones(12, 4).bool(), torch.ones(2, 3) * 1j,
    torch.ones(1, 2, 1, 2, 1), torch.full((12, 4), math.nan), torch.ones(2, 3, 16, 16).half(),
    torch.ones(12, 4, requires_grad=True), torch.eye(4).to_sparse(), nn.Linear(3, 3), nn.Linear,
    SimpleNamespace(), lambda *_, **__: None,
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.integers(-(2**70), HIGHEST).filter(lambda number: not 100 < number < 2**62),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.one_of(st.integers(-9, 9), st.text(max_size=3), st.none()), max_size=4),
)


def test_everything_public_is_tried():
    """A new function whose wrong arguments nobody looked at."""
    named = {call.partition(",")[0].partition(".")[0] for call in CALLS if "explore." not in call}
    public = {name for name in vars(ck) if not name.startswith("_")}
    public -= {name for name in public if inspect.ismodule(getattr(ck, name))}
    assert public - NOT_CALLED <= named
    explorers = {name for name in vars(explore) if not name.startswith("_")}
    assert {f"explore.{name}" for name in explorers} <= CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
@settings(
    derandomize=True,
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_an_odd_argument_is_one_sentence(name, w, data):
    """A traceback of torch, pandas, NumPy or Pillow, or a hang."""
    function, arguments = CALLS[name](w)
    odd = data.draw(st.sampled_from(sorted(arguments)), "argument")
    try:
        with contextlib.suppress(ck.CourseError):
            function(**arguments | {odd: data.draw(VALUES, "value")})
    except Exception as error:
        if not within_the_learners_function(error):
            raise
    finally:
        plt.close("all")


def within_the_learners_function(error):
    """Whether it was raised in a function that was handed in, whose traceback helps her."""
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    course = [number for number, file in enumerate(files) if COURSE in file.parents]
    return bool(course) and any(TESTS in file.parents for file in files[course[0] :])


@pytest.mark.parametrize("name", CALLS)
def test_the_call_itself_is_right(name, w):
    """Odd values for a call that fails anyhow find nothing."""
    function, arguments = CALLS[name](w)
    function(**arguments)
    plt.close("all")
