"""One file that holds a trained model with its classes and preprocessing."""

import json
import subprocess
import sys

import pytest
import torch

import coursekit as ck
from coursekit import CourseError
from coursekit.learners.checkpoints import read_tensors, write_tensors


@pytest.fixture(scope="module")
def exported(picture_folder, tmp_path_factory):
    """Return (learner, file) of a short training."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSEKIT_HOME", str(home))
        data = ck.images(picture_folder, size=32, batch_size=8, resize="squish")
        learn = ck.image_learner(data, "drawings", precompute=True)
        learn.fit(1, 0.01)
        return learn, learn.export(home / "colors.safetensors")


ASK = """
import json, sys
import coursekit as ck
ask = ck.load_model(sys.argv[1])
print(json.dumps([ask(file) for file in sys.argv[2:]]))
"""


def test_an_export_predicts_the_same_in_a_fresh_process(exported, picture_folder, tmp_path):
    """The export would need the data, the pretrained weights, or what was in memory."""
    learn, file = exported
    files = [str(picture_folder / name) for name in learn.data.valid.filenames[::4]]
    command = [sys.executable, "-W", "error::FutureWarning", "-c", ASK, str(file), *files]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    rows = learn.predict().probabilities[::4].tolist()
    assert max(rows)[0] - min(rows)[0] > 0.01
    for answer, row in zip(json.loads(run.stdout), rows, strict=True):
        assert [answer[label] for label in learn.data.classes] == pytest.approx(row, abs=1e-5)
        assert list(answer.values()) == sorted(answer.values(), reverse=True)


def test_several_labels_get_a_probability_each(picture_folder, tmp_path):
    """Softmax would make the labels compete."""
    labels = {f"train/blue/{2 * n}.png": ("a b", "b", "a")[n % 3] for n in range(12)}
    data = ck.images(picture_folder, labels=labels, multi_label=True, size=32)
    learn = ck.image_learner(data, "drawings")
    assert learn.loss is ck.binary_cross_entropy
    assert "f2" in learn.evaluate()
    with torch.no_grad():
        learn.model.head[-1].bias += 5
    file = picture_folder / "valid" / "red" / "1.png"
    answer = ck.load_model(learn.export(tmp_path / "labels.safetensors"))(file)
    assert answer == pytest.approx(learn.classifier()(file), abs=1e-6)
    assert answer.keys() == {"a", "b"}
    assert min(answer.values()) > 0.5


@pytest.mark.parametrize("fault", ["cut", "missing", "weights"])
def test_a_file_that_is_no_export(exported, tmp_path, fault):
    """A stack of errors from a parser, or a model with half of its weights."""
    learn, file = exported
    bad = tmp_path / "bad.safetensors"
    if fault == "weights":
        learn.save(bad)
    elif fault == "cut":
        bad.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CourseError, match=r"bad\.safetensors"):
        ck.load_model(bad)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["a", "b", "c"]},
        {"architecture": "resnet18"},
        {"resize": "stretch"},
        {"size": 10**6},
        {"kind": "sounds"},
        {"weights": torch.nan},
        None,
    ],
    ids=str,
)
def test_an_export_of_another_version(exported, tmp_path, change):
    """Weights loaded in part, answers of NaN, or a size that fills the memory."""
    tensors, facts = read_tensors(exported[1])
    if change and "weights" in change:
        tensors["head.6.bias"][0] = change["weights"]
    file = tmp_path / "other.safetensors"
    write_tensors(file, tensors, [1] if change is None else facts | change)
    with pytest.raises(CourseError, match=r"other\.safetensors"):
        ck.load_model(file)


def test_an_export_that_cannot_be_written(exported, tmp_path):
    """The trained model would be lost with a NotADirectoryError."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(CourseError, match=r"taken"):
        exported[0].export(tmp_path / "taken" / "colors.safetensors")
