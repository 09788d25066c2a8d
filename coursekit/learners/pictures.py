"""The learner of pictures, whose frozen body needs to run but once, and its models in one file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy
import torch
from torch import nn

from coursekit import runtime
from coursekit.arguments import checked
from coursekit.console import CourseError, note, progress
from coursekit.data.batches import Batches, Data
from coursekit.data.cache import cache_file, digest, keep_array, keep_facts, load_array
from coursekit.data.images import to_floats
from coursekit.data.picture import RESIZES, read_picture
from coursekit.learners.checkpoints import fill, read_tensors, write_tensors
from coursekit.learners.learner import Learner
from coursekit.models.pictures import ImageModel, image_model


class ImageLearner(Learner):
    """A ``Learner`` of an ``ImageModel`` whose body, while frozen, needs to run only once.

    Args:
        data, model, loss, options: as for ``Learner``.
        architecture: name of the body.
        precompute: whether fits work on stored features of the frozen body; may be set to False
            later, as unfreezing the body does.
    """

    model: ImageModel
    _one_item = "For one picture call learn.classifier()(picture)."

    def __init__(
        self,
        data: Data,
        model: ImageModel,
        loss: Callable,
        *,
        architecture: str,
        precompute: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(data, model, loss, **options)
        self.architecture, self.precompute = architecture, precompute
        self._hashed: tuple[list, str] = [], ""
        self._features: WeakKeyDictionary[Batches, tuple[str, Batches]] = WeakKeyDictionary()

    @checked
    def freeze_to(self, group: int) -> None:
        """Train the layer groups from number ``group`` on; a body that trains ends precompute."""
        super().freeze_to(group)
        if self.precompute and any(p.requires_grad for p in self.model.body.parameters()):
            self.precompute = False
            note("the body trains now, so its features are computed afresh for every batch.")

    def model_and_data(self) -> tuple[nn.Module, Data]:
        """Head and stored features with precompute, else the whole model and the pictures."""
        model, data = super().model_and_data()
        if not self.precompute:
            return model, data
        body = self._hash_body()
        train, valid = (self._stored(part, body) for part in (data.train, data.valid))
        return self.model.head, Data(train, valid, classes=data.classes)

    def _model_and_batches(self, batches: Any) -> tuple[nn.Module, Any]:
        """The validation part has stored features, also where it is named."""
        return super()._model_and_batches(None if batches is self.data.valid else batches)

    def _hash_body(self) -> str:
        """Hash the weights of the body, again only where one of them was written or moved."""
        weights = self.model.body.state_dict()
        seen = [(w._version, w.data_ptr(), w.sum().item()) for w in weights.values()]
        if self._hashed[0] != seen:
            self._hashed = seen, digest(weights, str(self.precision.dtype))
        return self._hashed[1]

    def _stored(self, batches: Batches, body: str) -> Batches:
        """Features of all pictures of a part; ``body`` is the hash of the weights they are of."""
        if not isinstance(batches, Batches):
            raise CourseError(
                f"precompute=True works on ck.Batches, not on a {type(batches).__name__}; make the "
                "data by ck.images, or leave precompute out."
            )
        if self._features.get(batches, ("", None))[0] != body:
            if batches.augment is not None:
                note("augmentation rests while precompute is on; set learn.precompute = False.")
            self._features[batches] = body, self._featurize(batches, body)
        return self._features[batches][1]

    def _featurize(self, batches: Batches, body: str) -> Batches:
        """Run the body once over all pictures, or find what it gave on disk."""
        plain, file = batches.sequential(), None
        with contextlib.suppress(TypeError):  # a transform that cannot be compared: keep nothing
            file = cache_file("features", digest(body, plain.fingerprint()))
        kept = load_array(file) if file else None
        features = kept[0] if kept else self._run_body(plain)
        if file and not kept:
            keep_array(file, lambda: [features], features.shape, features.dtype, "The features")
            keep_facts(file, {})
        return Batches(
            features,
            batches.targets,
            batch_size=batches.batch_size,
            shuffle=batches.shuffle,
            filenames=batches.filenames,
            cache_key=file.stem if file else None,
        )

    @torch.no_grad()
    def _run_body(self, batches: Batches) -> numpy.ndarray:
        self.model.eval()
        features = []
        for x, _ in progress(batches, total=len(batches), label="features", unit=" batches"):
            with self._autocast():
                features.append(self.model.features(x).float())  # (B, F)
        return torch.cat(features).cpu().numpy()

    def classifier(self) -> ImageClassifier:
        """The trained model with its classes and preprocessing, to be called with a picture."""
        data = self.data
        preprocessing = data.size, data.resize, data.multi_label
        return ImageClassifier(self.model, tuple(data.classes), *preprocessing, self.architecture)

    @checked
    def export(self, file: str | Path) -> Path:
        """Write model, classes and preprocessing to one file, such as "cats.safetensors".

        ``ck.load_model`` reads it on any machine. Raises where the file cannot be written.
        """
        return self.classifier().save(file)


# Exported models ------------------------------------------------------------------------------

LARGEST = 4096  # pixels: a number in a file from somewhere must not fill the memory


@dataclass
class ImageClassifier:
    """A trained model of pictures with its classes and preprocessing; call it with a picture.

    Attributes:
        model: pictures (B, 3, size, size) in 0..1 -> scores (B, classes).
        classes: their names, in the order of the scores.
        size, resize, multi_label: as of ``ck.images``.
        architecture: name of the body.
    """

    model: nn.Module
    classes: tuple[str, ...]
    size: int
    resize: str = "crop"
    multi_label: bool = False
    architecture: str | None = None

    def pixels(self, picture: Any) -> torch.Tensor:
        """Read a picture as the model takes it, (1, 3, size, size) in 0..1.

        It may be whatever ``ck.read_picture`` takes: a path, bytes, a ``PIL.Image`` or an array.
        """
        square = numpy.array(read_picture(picture, size=self.size, resize=self.resize))  # (H, W, 3)
        where = next(self.model.parameters()).device
        return to_floats(torch.from_numpy(square)[None].to(where))

    @checked
    @torch.no_grad()
    def __call__(self, picture: Any) -> dict[str, float]:
        """Classify one picture: {class: probability}, most probable first."""
        scores = self.model.eval()(self.pixels(picture))[0].float()
        probabilities = (scores.sigmoid() if self.multi_label else scores.softmax(0)).tolist()
        pairs = zip(self.classes, probabilities, strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    @checked
    def save(self, file: str | Path) -> Path:
        """Write everything to one safetensors file, for ``ck.load_model``; returns its path."""
        names = ("size", "resize", "multi_label", "architecture")
        facts = {"kind": "pictures", "classes": list(self.classes)}
        facts |= {name: getattr(self, name) for name in names}
        return write_tensors(file, self.model.state_dict(), facts)

    def __repr__(self) -> str:
        return f"ImageClassifier({', '.join(self.classes)}; {self.size} px)"


@checked
def load_model(file: str | Path) -> ImageClassifier:
    """Load what ``learn.export`` wrote, on any machine, without the data it was trained on."""
    tensors, facts = read_tensors(file)
    if not isinstance(facts, dict) or facts.get("kind") != "pictures":
        raise CourseError(f"{file} is no exported model; write one by learn.export(...).")
    try:
        classes, size, resize = facts["classes"], facts["size"], facts["resize"]
        named = resize in RESIZES and all(isinstance(name, str) for name in classes)
        if not (named and 0 < size <= LARGEST):
            raise ValueError("no classes, size and way of resizing")
        model = image_model(facts["architecture"], len(classes), pretrained=False)
        fill(model, tensors, file)
        model, several = model.to(runtime.device()).eval(), bool(facts["multi_label"])
        return ImageClassifier(model, tuple(classes), size, resize, several, facts["architecture"])
    except (KeyError, TypeError, ValueError, RuntimeError, CourseError) as error:
        raise CourseError(
            f"{file} cannot be used ({error}). It was exported by another version of the course, "
            "or changed since; export it again."
        ) from error
