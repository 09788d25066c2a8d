"""Trained models in one file: everything that a prediction needs, and nothing of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import nn

from coursekit import runtime
from coursekit.console import CourseError
from coursekit.data.images import to_floats
from coursekit.data.picture import RESIZES, read_picture
from coursekit.learners.checkpoints import fill, read_tensors, write_tensors
from coursekit.models.pictures import image_model

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

    @torch.no_grad()
    def __call__(self, picture: Any) -> dict[str, float]:
        """Classify one picture: {class: probability}, most probable first."""
        scores = self.model.eval()(self.pixels(picture))[0].float()
        probabilities = (scores.sigmoid() if self.multi_label else scores.softmax(0)).tolist()
        pairs = zip(self.classes, probabilities, strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    def save(self, file: str | Path) -> Path:
        """Write everything to one safetensors file, for ``ck.load_model``; returns its path."""
        names = ("size", "resize", "multi_label", "architecture")
        facts = {"kind": "pictures", "classes": list(self.classes)}
        facts |= {name: getattr(self, name) for name in names}
        return write_tensors(file, self.model.state_dict(), facts)

    def __repr__(self) -> str:
        return f"ImageClassifier({', '.join(self.classes)}; {self.size} px)"


def load_model(file: str | Path) -> ImageClassifier:
    """Load what ``learn.export`` wrote, on any machine, without the data it was trained on.

    Raises:
        CourseError: the file is missing, damaged, or no exported model.
    """
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
