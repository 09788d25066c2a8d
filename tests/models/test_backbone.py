"""The bundled backbone: its file, its shapes, and what it was and was not trained on."""

import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from coursekit.console import CourseError
from coursekit.models import backbone
from worlds import backbone as training


@pytest.fixture(scope="module")
def body():
    return backbone.body().eval()


def test_file_is_small():
    """A file that makes every install of the course slow."""
    assert backbone.WEIGHTS.stat().st_size <= 2_000_000


def test_file_fits_the_module():
    """Weights of an older module, which would be loaded in part or not at all."""
    with safe_open(backbone.WEIGHTS, "pt") as file:
        stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    state = backbone.SmallResNet().state_dict()
    assert stored == {name: tuple(value.shape) for name, value in state.items()}


def test_weights_are_float32_and_sound(body):
    """Half-precision weights left as they are stored, or numbers that half precision lost."""
    for name, value in body.state_dict().items():
        if value.is_floating_point():
            assert value.dtype == torch.float32, name
            assert value.isfinite().all(), name
        if name.endswith("running_var"):
            assert value.min() > 0, name


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_maps_of_any_size(body, size):
    """A body that is tied to one size of pictures."""
    with torch.no_grad():
        maps = body(torch.randn(2, 3, size, size))
    assert maps.shape == (2, body.channels, size // 16, size // 16)
    assert maps.isfinite().all()


def test_stages_have_names(body):
    """Layers that lesson 1 cannot point at, freeze or draw one by one."""
    assert isinstance(body, nn.Sequential)
    names = [name for name, _ in body.named_children()]
    assert names == ["stem", "stage1", "stage2", "stage3", "stage4"]


def test_untrained_body_differs():
    """A comparison from scratch that secretly starts from trained weights."""
    torch.manual_seed(0)
    fresh, trained = backbone.body(pretrained=False), backbone.body()
    assert not torch.allclose(fresh.stem[0].weight, trained.stem[0].weight)
    assert not any(name in vars(backbone) for name in ("net", "model"))


def test_damaged_file_is_one_sentence(tmp_path, monkeypatch):
    """A traceback of the reader where a file was cut short or is gone."""
    cut = tmp_path / "backbone.safetensors"
    cut.write_bytes(backbone.WEIGHTS.read_bytes()[:1000])
    for path in (cut, tmp_path / "gone.safetensors"):
        monkeypatch.setattr(backbone, "WEIGHTS", path)
        with pytest.raises(CourseError, match=r"cannot be read .* install coursekit again\."):
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
