"""The learner of pictures: stored features, freezing, prediction."""

import pytest
import torch

import coursekit as ck
from coursekit import CourseError, runtime
from coursekit.learners.pictures import ImageLearner


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))


@pytest.fixture
def pictures(picture_folder):
    """Return a function that reads the pictures anew."""
    return lambda **options: ck.images(picture_folder, **{"size": 32, "batch_size": 8, **options})


def a_learner(data, **options):
    """Return a learner whose weights are the same in every call."""
    runtime.seed(1)
    return ck.image_learner(data, "drawings", **options)


def trained(data, epochs=2, **options):
    learn = a_learner(data, **options)
    runtime.seed(2)
    learn.fit(epochs, 0.01)
    return learn


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(weights_1, weights_2):
    return all(torch.equal(weights_1[name], weights_2[name]) for name in weights_1)


@pytest.fixture
def body_runs(monkeypatch):
    """Return a list that grows by the number of pictures whenever the body runs over a part."""
    runs, run_body = [], ImageLearner._run_body

    def counted(self, batches):
        runs.append(batches.num_examples)
        return run_body(self, batches)

    monkeypatch.setattr(ImageLearner, "_run_body", counted)
    return runs


# Stored features -------------------------------------------------------------------------------


def test_precompute_ends_in_the_weights_of_running_the_body(pictures):
    """Features of other pictures, in another order, or from a body in training mode."""
    fast, slow = trained(pictures(), precompute=True), trained(pictures())
    for row, expected in zip(fast.history, slow.history, strict=True):
        for name in ("train_loss", "valid_loss", "accuracy"):
            assert row[name] == pytest.approx(expected[name], abs=1e-4)
    head = weights(fast.model.head)
    for name, value in weights(slow.model.head).items():
        torch.testing.assert_close(head[name], value, atol=1e-4, rtol=0)
    assert not same(head, weights(a_learner(pictures()).model.head))
    assert same(weights(fast.model.body), weights(slow.model.body))


def test_features_are_computed_once_and_kept(pictures, body_runs):
    """Every fit, or every new kernel, would wait for the body again."""
    learn = trained(pictures(), precompute=True)
    learn.fit(1, 0.01)
    learn.find_lr(steps=3)
    learn.predict()
    trained(pictures(), precompute=True)
    assert body_runs == [24, 10]


def test_features_of_other_weights_are_not_taken(pictures, body_runs):
    """A body that was changed would be joined to the features of the old one."""
    learn = trained(pictures(), precompute=True)
    stale = learn.evaluate()["loss"]
    next(learn.model.body.parameters()).data.mul_(1.5)  # torch counts no version of this
    fresh = learn.evaluate()["loss"]
    assert body_runs == [24, 10, 24, 10]
    assert fresh != stale
    learn.precompute = False
    assert learn.evaluate()["loss"] == pytest.approx(fresh, abs=1e-4)


def test_features_of_other_data_are_not_taken(pictures, body_runs):
    """set_data would go on with the features of the old pictures."""
    learn = trained(pictures(), precompute=True)
    learn.set_data(pictures(size=48))
    learn.fit(1, 0.01)
    assert body_runs == [24, 10, 24, 10]
    assert learn.predict().scores.shape == (10, 2)


def test_features_stay_in_memory_where_nothing_can_be_written(pictures, tmp_path, body_runs):
    """A full disk would end the lesson, or the body run for every fit."""
    data = pictures()
    (tmp_path / "home" / "cache" / "features").write_text("a file in place of the folder")
    learn = trained(data, precompute=True)
    assert learn.evaluate() == trained(data).evaluate()
    assert body_runs == [24, 10]


def test_augmentation_rests_with_a_note(pictures, capsys):
    """The learner would believe that her pictures are augmented."""
    learn = trained(pictures(augment=ck.side_on), epochs=1, precompute=True)
    assert "augmentation rests" in capsys.readouterr().out
    plain = trained(pictures(), epochs=1, precompute=True)
    assert learn.history[0]["train_loss"] == plain.history[0]["train_loss"]


def test_unfreezing_ends_precompute_with_a_note(pictures, capsys):
    """The body would be thawed and never trained."""
    learn = trained(pictures(), epochs=1, precompute=True)
    learn.freeze()
    assert learn.precompute
    capsys.readouterr()
    learn.unfreeze()
    assert learn.precompute is False
    assert "Note:" in capsys.readouterr().out
    before = weights(learn.model.body)
    learn.fit(1, [1e-3, 1e-3, 1e-2])
    assert not same(before, weights(learn.model.body))


def test_the_rate_of_the_head_is_the_last_of_the_list(pictures):
    """With only the head in training, the first rate of the list would be its rate."""
    learners = [a_learner(pictures(), precompute=True) for _ in range(2)]
    for learn, lr in zip(learners, (0.01, [1.0, 0.1, 0.01]), strict=True):
        runtime.seed(2)
        learn.fit(1, lr)
    assert same(*(weights(learn.model.head) for learn in learners))


def test_what_has_no_features_or_preprocessing_is_refused(pictures, tmp_path):
    """An AttributeError from the middle of a fit, or an export that no one can load."""
    data = pictures()
    with pytest.raises(CourseError, match=r"ck.images"):
        ck.image_learner(ck.Data(data.train, data.valid, classes=data.classes), "drawings")
    with pytest.raises(CourseError, match=r"list"):
        trained(data.replace(train=list(data.train)), precompute=True)
    learn = a_learner(data)
    learn.set_data(ck.Data(data.train, data.valid, classes=data.classes))
    with pytest.raises(CourseError, match=r"ck.images"):
        learn.export(tmp_path / "model.safetensors")


# Prediction ------------------------------------------------------------------------------------


@pytest.mark.parametrize("precompute", [True, False])
def test_predictions_stand_in_order(pictures, picture_folder, precompute):
    """Scores and names of pictures would not belong together."""
    data = pictures()
    learn = trained(data, epochs=1, precompute=precompute)
    found, classifier = learn.predict(), learn.classifier()
    assert found.targets.tolist() == data.valid.targets.tolist()
    assert found.probabilities.std(0).min() > 0.01
    for name, row in zip(data.valid.filenames, found.probabilities, strict=True):
        answer = classifier(picture_folder / name)
        assert row.tolist() == pytest.approx([answer[label] for label in data.classes], abs=1e-4)
    assert learn.predict(data.train).targets.tolist() == data.train.targets.tolist()


def test_augmented_views_are_averaged(pictures):
    """Probabilities instead of their logarithms, or only the augmented ones, would be averaged."""
    data = pictures(augment=ck.side_on)
    learn = trained(data, epochs=1, precompute=True)
    runtime.seed(9)
    found = learn.predict(tta=3)
    runtime.seed(9)
    rounds = [data.valid.sequential()] + 3 * [data.valid.sequential(augment=ck.side_on)]
    with torch.no_grad():
        learn.model.eval()
        logs = [torch.cat([learn.model(x).log_softmax(1) for x, _ in part]) for part in rounds]
    averaged = torch.stack(logs).mean(0).log_softmax(1)
    torch.testing.assert_close(found.log_probabilities, averaged, atol=1e-5, rtol=0)
    assert found.targets.tolist() == data.valid.targets.tolist()
    assert (logs[1] - logs[0]).abs().max() > 0.01
