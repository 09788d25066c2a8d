"""The explorers of lesson 1."""

import io
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy
import torch
from PIL import Image

import coursekit as ck
from coursekit.learners.pictures import ImageClassifier
from coursekit.visuals import explore

CLASSES = ("cats", "dogs")


def picture(seed=0, side=48):
    """Return a picture of coloured noise, uint8 (side, side, 3)."""
    return numpy.random.default_rng(seed).integers(0, 256, (side, side, 3), numpy.uint8)


def png(seed=1):
    """Return a picture as the bytes of a PNG file."""
    written = io.BytesIO()
    Image.fromarray(picture(seed)).save(written, "PNG")
    return written.getvalue()


def net():
    """Return a small picture network with random weights, always the same."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = ck.image_model("drawings", 2, pretrained=False, size=48).eval()
    torch.set_rng_state(state)
    return model


def classifier():
    """Return a classifier of cats and dogs that knows nothing."""
    return ImageClassifier(net(), CLASSES, size=48, multi_label=False)


def batches():
    """Return two mini-batches of noise."""
    x = torch.rand(12, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    return [(x[:6], None), (x[6:], None)]


def swept():
    """Return a sweep: flat, falling, climbing."""
    decades = numpy.linspace(-6, 1, 100)
    smoothed = 0.7 - 0.5 * numpy.exp(-((decades + 1) ** 2)) + numpy.maximum(0, decades) ** 2
    return SimpleNamespace(
        rates=(10**decades).tolist(),
        losses=(smoothed + 0.02 * numpy.sin(40 * decades)).tolist(),
        smoothed=smoothed.tolist(),
        suggestion=0.01,
        reason="a tenth of the rate at the lowest point",
    )


def results(count=6):
    """Return results of some pictures, every second one wrong."""
    truth = torch.arange(count) % 2
    scores = torch.tensor([[2.0, 0.0], [1.0, 0.0]]).repeat(count, 1)[:count]
    losses = torch.nn.functional.cross_entropy(scores, truth, reduction="none")
    said = SimpleNamespace(targets=truth, probabilities=scores.softmax(1), losses=losses)
    names = [f"valid/{CLASSES[klass]}/{row}.png" for row, klass in enumerate(truth.tolist())]
    return results_of(said, CLASSES, [picture(row) for row in range(count)], names)


def results_of(said, classes, pictures=None, names=None):
    """Return results of a learner that predicts ``said`` for these pictures."""
    inputs = None if pictures is None else numpy.stack(pictures)
    data = SimpleNamespace(valid=SimpleNamespace(inputs=inputs, filenames=names), classes=classes)
    return ck.Results(SimpleNamespace(data=data, predict=lambda batches: said))


def cleaner():
    """Return a cleaner of these results that writes to a folder of its own."""
    file = Path(tempfile.mkdtemp()) / "corrections.csv"
    return explore.cleaner(results(), ck.Corrections(file, classes=CLASSES))


def descend(gradient, w, rate, steps, momentum=0.0):
    """Walk as a learner of lesson 1 does."""
    points, step = [w], 0.0
    for _ in range(steps):
        step = momentum * step - rate * gradient(w)
        w = w + step
        points.append(w)
    return points


def convolve(grey, kernel):
    """Convolve as torch does."""
    grey, kernel = (torch.as_tensor(numpy.array(one, float)) for one in (grey, kernel))
    return torch.nn.functional.conv2d(grey[None, None], kernel[None, None])[0, 0].numpy()


def follow(curve, x, bends):
    """Follow a curve as a learner of lesson 1 does."""
    knots = numpy.linspace(x[0], x[-1], bends + 1)
    slopes = numpy.diff(curve(knots)) / numpy.diff(knots)
    changes = numpy.diff(slopes, prepend=0)
    pieces = changes[:, None] * numpy.maximum(0, x - knots[:-1, None])
    return pieces, curve(knots[0]) + pieces.sum(0)


EXPLORERS = {
    "classify": (
        lambda: explore.classify(classifier(), picture()),
        [{"target": "cats"}, {"target": "dogs"}],
    ),
    "cleaner": (cleaner, [{"label": "dogs"}, {"label": "cats"}]),
    "descent": (
        lambda: explore.descent(descend),
        [{"rate": 1.1}, {"momentum": 0.5}, {"landscape": "a long bowl"}, {"start": 1.0}],
    ),
    "kernel": (lambda: explore.kernel(picture(side=24), convolve), [{"b2": 3.0}, {"a1": 0.0}]),
    "layers": (
        lambda: explore.layers(net(), batches()),
        [{"rank": 3}, {"stage": "body.stage2"}],
    ),
    "relus": (lambda: explore.relus(follow), [{"bends": 9}, {"curve": "step"}]),
    "sweep": (lambda: explore.sweep(swept()), [{"rate": 0.5}, {"rate": 1e-4}]),
}
