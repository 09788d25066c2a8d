"""The bundled backbone: its file, its shapes, and what it was and was not trained on."""

import re
from pathlib import Path

import pytest
import torch

from coursekit.console import CourseError
from coursekit.models import backbone
from worlds import backbone as training


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_maps_of_any_size(size):
    """A body that is tied to one size of pictures, or weights that half precision spoiled."""
    body = backbone.body().eval()
    with torch.no_grad():
        maps = body(torch.randn(2, 3, size, size))
    assert maps.dtype == torch.float32
    assert maps.shape == (2, body.channels, size // 16, size // 16)
    assert maps.isfinite().all()


def test_file_is_small():
    """A file that makes every install of the course slow."""
    assert backbone.WEIGHTS.stat().st_size <= 2_000_000


def test_untrained_body_differs():
    """A comparison from scratch that secretly starts from trained weights."""
    fresh, trained = backbone.body(pretrained=False), backbone.body()
    assert not torch.allclose(fresh.stem[0].weight, trained.stem[0].weight)


def test_damaged_file_is_one_sentence(tmp_path, monkeypatch):
    """A traceback of the reader where a file was cut short or is gone."""
    cut = tmp_path / "backbone.safetensors"
    cut.write_bytes(backbone.WEIGHTS.read_bytes()[:1000])
    for path in (cut, tmp_path / "gone.safetensors"):
        monkeypatch.setattr(backbone, "WEIGHTS", path)
        with pytest.raises(CourseError, match=path.name):
            backbone.body()


def test_never_trained_on_cats_or_dogs():
    """A backbone that has seen what lesson 1 asks it to tell apart."""
    assert len(training.TRAINED_ON) == 20
    assert not {"cats", "dogs"} & set(training.TRAINED_ON)
    with pytest.raises(ValueError, match="cats"):
        training.draw_one(("cats", "train", 0))


def test_training_draws_the_same_again():
    """A card that promises a run which nobody can repeat."""
    first, again = (training.draw_one(("foxes", "train", 3)) for _ in range(2))
    assert (first == again).all()
    assert first.shape == (72, 72, 3)


def test_card_says_what_matters():
    """A card that was not renewed with the weights."""
    card = Path(backbone.WEIGHTS).with_suffix(".md").read_text(encoding="utf-8")
    assert "python -m worlds.backbone" in card
    assert "MIT" in card
    for kind in training.TRAINED_ON:
        assert kind in card
    assert re.search(r"held-out drawings[^.]*\d\d\.\d %", card)
