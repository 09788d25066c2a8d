"""The learner of pictures: it can train its head on features of the frozen body, computed once."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy
import torch

from coursekit.console import CourseError, note, progress
from coursekit.data.batches import Batches, Data
from coursekit.data.cache import cache_file, digest, keep_array, keep_facts, load_array
from coursekit.learners.export import ImageClassifier
from coursekit.learners.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from coursekit.models.pictures import ImageModel


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

    def export(self, file: str | Path) -> Path:
        """Write model, classes and preprocessing to one file, such as "cats.safetensors".

        ``ck.load_model`` reads it on any machine. Raises where the file cannot be written.
        """
        return self.classifier().save(file)
