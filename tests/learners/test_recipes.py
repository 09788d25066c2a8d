"""Tests of ``image_learner``: stored features, freezing, prediction, export."""

import errno
import json
import subprocess
import sys

import numpy
import pytest
import torch
from PIL import Image
from torchvision import models

import coursekit as ck
from coursekit import runtime
from coursekit.learners import recipes
from coursekit.learners.losses import binary_cross_entropy, cross_entropy
from tests.sentences import refuses

ARCHITECTURE = "shufflenet_v2_x0_5"  # small, with batch norms and without dropout in its body
SIZE = 32


@pytest.fixture(scope="module", autouse=True)
def _weights(tmp_path_factory):
    """Put weights where torchvision looks for them: nothing can be downloaded here."""
    folder = tmp_path_factory.mktemp("torch-home")
    file = folder / "hub" / "checkpoints" / "shufflenetv2_x0.5-f707e7126e.pth"
    file.parent.mkdir(parents=True)
    torch.manual_seed(0)
    net = models.get_model(ARCHITECTURE, weights=None).train()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # take the statistics over: features differ by the picture then
    with torch.no_grad():
        net(torch.randn(64, 3, SIZE, SIZE))
    torch.save(net.state_dict(), file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(folder))
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write pictures of two kinds: 24 + 10 of noise that is reddish or bluish."""
    root = tmp_path_factory.mktemp("pictures")
    for part, count in (("train", 24), ("valid", 10)):
        for number in range(count):
            kind = ("blue", "red")[number % 2]
            file = root / part / kind / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            colour = [(0.6, 0.8, 1), (1, 0.8, 0.6)][number % 2]
            noise = numpy.random.default_rng([number, count]).integers(0, 256, (SIZE, SIZE, 3))
            Image.fromarray((noise * colour).astype(numpy.uint8)).save(file)
    return root


def pictures(folder, **options):
    return ck.images(folder, **{"size": SIZE, "batch_size": 8, **options})


def a_learner(data, **options):
    """Return a learner whose weights are the same in every call."""
    runtime.seed(1)
    return ck.image_learner(data, ARCHITECTURE, **options)


def trained(data, epochs=2, **options):
    learn = a_learner(data, **options)
    runtime.seed(2)
    learn.fit(epochs, 0.01, resume=False)
    return learn


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def count_body_runs(monkeypatch):
    """Return a list that grows by one whenever the body is run over a part of the data."""
    runs, really = [], recipes.ImageLearner._run_body

    def counted(self, batches):
        runs.append(batches.num_examples)
        return really(self, batches)

    monkeypatch.setattr(recipes.ImageLearner, "_run_body", counted)
    return runs


# What a recipe chooses -------------------------------------------------------------------------


def test_one_label_a_picture(folder):
    """The loss or the metric of the other kind would be taken."""
    learn = a_learner(pictures(folder))
    assert learn.loss is cross_entropy
    assert [metric.name for metric in learn.metrics] == ["accuracy"]
    assert not any(p.requires_grad for p in learn.model.body.parameters())
    assert all(p.requires_grad for p in learn.model.head.parameters())


def test_several_labels_a_picture(folder):
    """Softmax would make the labels compete."""
    labels = {f"train/blue/{2 * n}.png": ("a b", "b", "a")[n % 3] for n in range(12)}
    learn = a_learner(pictures(folder, labels=labels, multi_label=True), precompute=True)
    assert learn.loss is binary_cross_entropy
    assert [metric.name for metric in learn.metrics] == ["f2"]
    (row,) = learn.fit(1, 0.01)
    assert 0 <= row["f2"] <= 1
    assert learn.predict().probabilities.shape == (2, 2)


def test_random_weights_train_as_a_whole(folder, capsys):
    """A frozen body of random weights learns nothing."""
    learn = a_learner(pictures(folder), pretrained=False, precompute=True)
    assert all(p.requires_grad for p in learn.model.parameters())
    assert learn.precompute is False
    assert "needs pretrained=True" in capsys.readouterr().out


def test_an_unknown_architecture(folder):
    """ValueError: Unknown model."""
    with refuses("'resnet43'", "Did you mean 'resnet"):
        ck.image_learner(pictures(folder), "resnet43")


def test_a_misspelt_keyword(folder):
    """**kwargs would swallow it, and the features be computed every epoch."""
    with pytest.raises(TypeError, match="precomputed"):
        ck.image_learner(pictures(folder), ARCHITECTURE, precomputed=True)


def test_pictures_too_small_for_the_body(folder):
    """A RuntimeError out of a pooling would meet the learner in the first batch."""
    with refuses("alexnet cannot take pictures of 32 pixels", "size=224"):
        ck.image_learner(pictures(folder), "alexnet", pretrained=False)


# Stored features -------------------------------------------------------------------------------


def test_precompute_ends_in_the_weights_of_running_the_body(folder):
    """Features of other pictures, in another order, or from a body in training mode."""
    data = pictures(folder)
    fast, slow = trained(data, precompute=True), trained(data)
    for one, other in zip(fast.history, slow.history, strict=True):
        for name in ("train_loss", "valid_loss", "accuracy"):
            assert one[name] == pytest.approx(other[name], abs=1e-4)
    quick, plain = weights(fast.model.head), weights(slow.model.head)
    moved = weights(a_learner(data).model.head)
    for name in quick:
        assert torch.allclose(quick[name].float(), plain[name].float(), atol=1e-4), name
    assert not same(quick, moved)
    assert same(weights(fast.model.body), weights(slow.model.body))


def test_a_frozen_body_keeps_its_batch_statistics(folder):
    """Batch norms in training mode would drift away from what the frozen weights expect."""
    data = pictures(folder, augment=ck.side_on)
    before = weights(a_learner(data).model.body)
    assert any("running_mean" in name for name in before)
    after = weights(trained(data, epochs=1).model.body)
    assert same(before, after)


def test_features_are_computed_once_and_kept(folder, monkeypatch):
    """Every fit, or every new kernel, would wait for the body again."""
    runs = count_body_runs(monkeypatch)
    data = pictures(folder)
    first = trained(data, precompute=True)
    first.fit(1, 0.01)
    first.find_lr(steps=3)
    first.predict()
    assert runs == [24, 10]
    second = trained(pictures(folder), precompute=True)
    assert runs == [24, 10]
    assert second.model.head is not first.model.head


def test_features_of_other_weights_are_not_taken(folder, monkeypatch):
    """A body that trained on would be joined to the features of the old one."""
    runs = count_body_runs(monkeypatch)
    learn = trained(pictures(folder), precompute=True)
    stale = learn.evaluate()["loss"]
    with torch.no_grad():
        next(learn.model.body.parameters()).mul_(1.5)
    fresh = learn.evaluate()["loss"]
    assert len(runs) == 4
    assert fresh != stale
    learn.precompute = False
    assert learn.evaluate()["loss"] == pytest.approx(fresh, abs=1e-4)


def test_features_of_other_data_are_not_taken(folder, monkeypatch):
    """set_data would go on with the features of the old pictures."""
    runs = count_body_runs(monkeypatch)
    learn = trained(pictures(folder), precompute=True)
    learn.set_data(pictures(folder, size=48))
    learn.fit(1, 0.01)
    assert len(runs) == 4
    assert learn.predict().scores.shape == (10, 2)


def test_damaged_features_are_made_again(folder, tmp_path):
    """A file cut short would end every later fit with an error that the learner cannot mend."""
    wanted = trained(pictures(folder), precompute=True).evaluate()
    (one, two) = sorted((tmp_path / "home" / "cache" / "features").iterdir())
    one.write_bytes(one.read_bytes()[:-10])
    two.write_bytes(b"")
    assert trained(pictures(folder), precompute=True).evaluate() == wanted


def test_features_stay_in_memory_on_a_full_disk(folder, monkeypatch, capsys):
    """A full disk would end the lesson."""
    wanted = trained(pictures(folder), precompute=True).evaluate()
    capsys.readouterr()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("COURSEKIT_HOME", str(runtime.home() / "other"))
    monkeypatch.setattr(recipes, "write_tensors", full)
    assert trained(pictures(folder), precompute=True).evaluate() == wanted
    said = capsys.readouterr().out
    assert said.count("features stay in memory") == 2
    assert "No space left on device" in said


def test_augmentation_rests_with_a_note(folder, capsys):
    """The learner would believe that her pictures are augmented."""
    learn = trained(pictures(folder, augment=ck.side_on), epochs=1, precompute=True)
    assert "augmentation rests" in capsys.readouterr().out
    plain = trained(pictures(folder), epochs=1, precompute=True)
    assert learn.history[0]["train_loss"] == plain.history[0]["train_loss"]


def test_unfreezing_ends_precompute_with_a_note(folder, capsys):
    """The body would be thawed and never trained."""
    learn = trained(pictures(folder), epochs=1, precompute=True)
    learn.freeze()
    assert learn.precompute
    capsys.readouterr()
    learn.unfreeze()
    assert learn.precompute is False
    assert "the body trains now" in capsys.readouterr().out
    before = weights(learn.model.body)
    learn.fit(1, [1e-3, 1e-3, 1e-2])
    assert not same(before, weights(learn.model.body))


def test_the_rate_of_the_head_is_the_last_of_the_list(folder):
    """With only the head in training, the first rate of the list would be its rate."""
    data = pictures(folder)
    one, other = a_learner(data, precompute=True), a_learner(data, precompute=True)
    for learn, lr in ((one, 0.01), (other, [1.0, 0.1, 0.01])):
        runtime.seed(2)
        learn.fit(1, lr, resume=False)
    assert same(weights(one.model.head), weights(other.model.head))


# Prediction ------------------------------------------------------------------------------------


@pytest.mark.parametrize("precompute", [True, False])
def test_predictions_stand_in_order(folder, precompute):
    """Scores and names of pictures would not belong together."""
    data = pictures(folder)
    learn = trained(data, epochs=1, precompute=precompute)
    found = learn.predict()
    assert found.targets.tolist() == data.valid.targets.tolist()
    assert found.probabilities.std(0).min() > 0.01
    ask = learn.classifier()
    for name, row in zip(data.valid.filenames, found.probabilities, strict=True):
        single = ask(folder / name)
        wanted = [single[label] for label in data.classes]
        assert row.tolist() == pytest.approx(wanted, abs=1e-4)
    shuffled = learn.predict(data.train)
    assert shuffled.targets.tolist() == data.train.targets.tolist()


def test_pictures_without_labels_are_predicted(folder, tmp_path):
    """Test pictures have no targets to be moved to the device."""
    data = pictures(folder, test="valid/red")
    found = trained(data, epochs=1, precompute=True).predict(data.test)
    assert found.targets is None
    assert found.probabilities.shape == (5, 2)


def test_augmented_versions_are_averaged(folder):
    """Probabilities instead of their logarithms, or only the augmented ones, would be averaged."""
    data = pictures(folder, augment=ck.side_on)
    learn = trained(data, epochs=1, precompute=True)
    runtime.seed(9)
    found = learn.predict(tta=3)
    runtime.seed(9)
    rounds = [data.valid.sequential()] + 3 * [data.valid.sequential(augment=ck.side_on)]
    with torch.no_grad():
        learn.model.eval()
        logs = [torch.cat([learn.model(x).log_softmax(1) for x, _ in part]) for part in rounds]
    averaged = torch.stack(logs).mean(0).log_softmax(1)
    assert torch.allclose(found.log_probabilities, averaged, atol=1e-5)
    assert found.targets.tolist() == data.valid.targets.tolist()
    assert (logs[1] - logs[0]).abs().max() > 0.01


def test_tta_without_an_augmentation(folder):
    """The same picture would be scored four times."""
    with refuses("tta= needs an augmentation", "augment=ck.side_on"):
        a_learner(pictures(folder)).predict(tta=3)


# Export ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(folder, tmp_path_factory):
    """Return (learner, file) of a short training."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSEKIT_HOME", str(home))
        learn = trained(pictures(folder, resize="squish"), epochs=1, precompute=True)
        return learn, learn.export(home / "colours.safetensors")


ASK = """
import json, sys
import coursekit as ck
ask = ck.load_model(sys.argv[1])
print(json.dumps([ask(file) for file in sys.argv[2:]]))
"""


def test_an_export_predicts_the_same_in_a_fresh_process(exported, folder, tmp_path, monkeypatch):
    """The export would need the data, the pretrained weights, or what was in memory."""
    learn, file = exported
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing"))
    names = learn.data.valid.filenames[::4]
    files = [str(folder / name) for name in names]
    command = [sys.executable, "-W", "error::FutureWarning", "-c", ASK, str(file), *files]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    rows = learn.predict().probabilities[::4].tolist()
    assert max(rows)[0] - min(rows)[0] > 0.01
    for answer, row in zip(json.loads(run.stdout), rows, strict=True):
        assert [answer[label] for label in learn.data.classes] == pytest.approx(row, abs=1e-5)
        assert list(answer.values()) == sorted(answer.values(), reverse=True)


def test_paths_and_pictures_are_classified_alike(exported, folder):
    """A PIL.Image would be resized in another way than the file that it came from."""
    ask = ck.load_model(exported[1])
    file = folder / "valid" / "red" / "1.png"
    with Image.open(file) as picture:
        assert ask(picture) == ask(file) == ask(str(file))
    assert sum(ask(file).values()) == pytest.approx(1, abs=1e-6)
    assert repr(ask) == "ImageClassifier(blue, red; 32 px)"
    assert ask(Image.new("LA", (5, 300))).keys() == {"blue", "red"}


def test_pictures_that_cannot_be_classified(exported, tmp_path):
    """A decoder's error would reach a learner who typed a wrong name."""
    ask = ck.load_model(exported[1])
    with refuses("no picture nothing.jpg", "check the path"):
        ask("nothing.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    with refuses("text.jpg cannot be read as a picture"):
        ask(tmp_path / "text.jpg")
    with refuses(f"{tmp_path} cannot be read"):
        ask(tmp_path)
    with refuses("(2, 3, 4, 4)"):
        ask(numpy.zeros((2, 3, 4, 4)))


@pytest.mark.parametrize("fault", ["cut", "empty", "text", "zeros"])
def test_a_damaged_export(exported, tmp_path, fault):
    """A stack of errors from a parser, or a model with half of its weights."""
    content = exported[1].read_bytes()
    bad = {"cut": content[:-1000], "empty": b"", "text": b"<html>404</html>", "zeros": bytes(64)}
    (tmp_path / "bad.safetensors").write_bytes(bad[fault])
    with refuses("bad.safetensors is damaged", "write it again"):
        ck.load_model(tmp_path / "bad.safetensors")


def test_files_that_are_no_export(exported, tmp_path):
    """Saved weights have no classes: KeyError."""
    learn, _ = exported
    with refuses("no file", "check its name"):
        ck.load_model(tmp_path / "nothing.safetensors")
    with refuses("weights.safetensors is no exported model", "learn.export"):
        ck.load_model(learn.save(tmp_path / "weights.safetensors"))


@pytest.mark.parametrize("change", [{"classes": ["a", "b", "c"]}, {"architecture": "resnet18"}])
def test_an_export_of_another_version(exported, tmp_path, change):
    """Weights that do not fit would be reported one by one, or be loaded in part."""
    learn, _ = exported
    facts = {"kind": "pictures", "architecture": ARCHITECTURE, "classes": ["blue", "red"]}
    facts |= {"size": 32, "resize": "crop", "multi_label": False, **change}
    file = recipes.save_weights(learn.model, tmp_path / "other.safetensors", facts)
    with refuses("other.safetensors was exported by another version", "export it again"):
        ck.load_model(file)


def test_an_export_that_cannot_be_written(exported, tmp_path):
    """The trained model would be lost with a NotADirectoryError."""
    (tmp_path / "taken").write_text("a file")
    with refuses("cannot be written", "another folder"):
        exported[0].export(tmp_path / "taken" / "colours.safetensors")
