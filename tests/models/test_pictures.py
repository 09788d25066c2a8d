"""Tests of the picture networks: every family of torchvision is cut where its body ends."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from coursekit import CourseError
from coursekit.models.pictures import (
    BUNDLED,
    ConcatPool2d,
    ImageModel,
    architectures,
    cut_head,
    image_head,
    image_model,
)

SMALL = {  # one small member of every family -> (class of the net, side of its pictures)
    "resnet18": ("ResNet", 64),
    "resnext50_32x4d": ("ResNet", 64),
    "regnet_x_400mf": ("RegNet", 64),
    "shufflenet_v2_x0_5": ("ShuffleNetV2", 64),
    "mobilenet_v2": ("MobileNetV2", 64),
    "mobilenet_v3_small": ("MobileNetV3", 64),
    "mnasnet0_5": ("MNASNet", 64),
    "squeezenet1_1": ("SqueezeNet", 64),
    "alexnet": ("AlexNet", 64),
    "vgg11": ("VGG", 32),
    "densenet121": ("DenseNet", 64),
    "efficientnet_b0": ("EfficientNet", 64),
    "convnext_tiny": ("ConvNeXt", 64),
    "googlenet": ("GoogLeNet", 64),
    "inception_v3": ("Inception3", 96),
    "swin_t": ("SwinTransformer", 64),
    "swin_v2_t": ("SwinTransformer", 64),
    "vit_b_32": ("VisionTransformer", 224),
    "maxvit_t": ("MaxVit", 224),
}

LAST = ("classifier", "fc", "head")


def tail_of(net):
    """What torchvision's net does after its body: feature maps or tokens -> scores."""
    kind = type(net).__name__
    if kind == "VisionTransformer":
        return lambda tokens: net.heads(tokens[:, 0])
    if kind == "MaxVit":
        return net.classifier
    if kind == "SqueezeNet":
        return lambda maps: net.classifier(maps).flatten(1)
    if kind == "ConvNeXt":
        return lambda maps: net.classifier(net.avgpool(maps))
    last = next(part for name, part in reversed(list(net.named_children())) if name in LAST)
    pool = getattr(net, "avgpool", nn.AdaptiveAvgPool2d(1))
    return lambda maps: last(pool(maps).flatten(1))


def bare(name):
    """Return torchvision's net of that name, with random weights but batch norms that matter."""
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    net = models.get_model(name, weights=None, **options).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.8, 1.2)
        elif isinstance(layer, nn.Linear) and not layer.weight.any():  # torchvision's ViT
            nn.init.normal_(layer.weight)
    return net


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_the_body_ends_where_the_head_begins(name):
    """A layer too many or too few: a ReLU after DenseNet, a norm after Swin, an auxiliary exit."""
    kind, side = SMALL[name]
    net = bare(name)
    assert type(net).__name__ == kind
    x = torch.randn(2, 3, side, side)
    wanted, tail = net(x), tail_of(net)
    _, body = cut_head(net)
    found = tail(body.eval()(x))
    assert torch.allclose(found, wanted, atol=1e-5, rtol=1e-4)
    assert wanted.std() > 0

    layers = ImageModel(nn.Identity(), body, ConcatPool2d(), image_head(4, 2)).layer_groups()
    groups = [[p for layer in group for p in layer.parameters()] for group in layers]
    kept = {id(p) for p in body.parameters()}
    assert len(groups) == 3
    assert all(groups)
    assert len({id(p) for group in groups for p in group}) == sum(map(len, groups))
    assert {id(p) for group in groups[:2] for p in group} == kept
    late = sum(p.numel() for p in groups[1])
    assert late >= 0.75 * sum(p.numel() for p in body.parameters())


def test_every_architecture_belongs_to_a_family_that_was_cut():
    """A new family of torchvision would be cut by guesswork."""
    names = architectures()
    assert names[0] == BUNDLED
    assert len(names) == len(set(names)) > 80
    families = {models.get_model_builder(name).__module__ for name in names[1:]}
    tested = {models.get_model_builder(name).__module__ for name in SMALL}
    assert families == tested


@pytest.mark.parametrize(
    ("name", "side"),
    [("resnet18", 64), ("resnet18", 224), ("mobilenet_v3_small", 50), ("squeezenet1_1", 32)],
)
@torch.no_grad()
def test_scores_are_one_a_class(name, side):
    """The width of the head would not be that of the pooled features."""
    net = image_model(name, 5, pretrained=False, size=side).eval()
    scores = net(torch.rand(2, 3, side, side))
    assert scores.shape == (2, 5)
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize(
    ("name", "size"), [("maxvit_t", 64), ("vit_b_32", 64), ("inception_v3", 48)]
)
def test_sizes_that_a_family_cannot_take(name, size):
    """A shape error from deep inside would meet the learner in the first batch."""
    with pytest.raises(CourseError, match=f"{name} .* {size} pixels"):
        image_model(name, 2, pretrained=False, size=size)


@torch.no_grad()
def test_inception_is_fed_the_range_that_it_was_trained_on():
    """googlenet and inception rescale inside; cut off from that, they would see other colours."""
    net = bare("googlenet")
    net.transform_input = True
    raw = torch.rand(1, 3, 64, 64)
    mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
    std = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    wanted, tail = net((raw - mean) / std), tail_of(net)
    normalize, body = cut_head(net)
    assert torch.allclose(tail(body(normalize(raw))), wanted, atol=1e-5)


@torch.no_grad()
def test_averages_and_maxima_stand_side_by_side():
    """The two poolings would be added, or run over the wrong axes."""
    maps = torch.randn(2, 3, 4, 5)
    pooled = ConcatPool2d()(maps)
    wanted = torch.cat([maps.flatten(2).mean(2), maps.flatten(2).amax(2)], 1)
    assert torch.allclose(pooled, wanted)
    tokens = torch.randn(2, 7, 3)
    assert torch.equal(ConcatPool2d()(tokens), tokens[:, 0])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ResNet43", 2), r"'ResNet43'.*Did you mean 'resnet"),
        ((nn.Linear(2, 2), 2), "architecture=Linear"),
        ((BUNDLED, "2"), "n_classes='2'"),
        ((BUNDLED, 0), "n_classes=0"),
    ],
)
def test_what_makes_no_model(arguments, sentence):
    """ValueError: Unknown model; a network of one's own where a name is due."""
    with pytest.raises(CourseError, match=sentence):
        image_model(*arguments)


def test_drawing_random_weights_warns_of_nothing(recwarn):
    """torchvision warns of how googlenet will draw its weights some day: red text for a learner."""
    image_model("googlenet", 2, pretrained=False, size=64)
    assert not recwarn.list


# Weight files ----------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Return where torchvision looks for the weights of squeezenet1_1."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    file.parent.mkdir(parents=True)
    return file


def test_whole_weights_are_read(weights):
    """The test below would pass for a reason of its own."""
    net = models.squeezenet1_1(weights=None)
    torch.save(net.state_dict(), weights)
    found = image_model("squeezenet1_1", 2, size=64)
    assert torch.equal(found.body[0].weight, net.features[0].weight)


class Planted:
    """An object whose unpickling runs a command."""

    def __init__(self, file):
        self.command = f"touch {file}"

    def __reduce__(self):
        return os.system, (self.command,)


def write_fault(fault, weights):
    """Put something else than a whole file of weights where torchvision looks for it."""
    if fault == "cut":
        weights.write_bytes(weights.read_bytes()[:100_000])
    elif fault == "text":
        weights.write_text("<html>404. Not found.</html>")
    elif fault == "other net":
        torch.save({"weight": torch.zeros(3)}, weights)
    elif fault == "code":
        torch.save({"weight": Planted(weights.with_name("planted"))}, weights)
    else:
        weights.unlink()
        weights.mkdir()


@pytest.mark.parametrize("fault", ["cut", "text", "other net", "code", "folder"])
def test_damaged_weights(weights, fault):
    """A page of pickle errors in every later session, or code in a pickle that is run."""
    torch.save(models.squeezenet1_1(weights=None).state_dict(), weights)
    write_fault(fault, weights)
    with pytest.raises(CourseError, match=f"squeezenet1_1.*{weights.parent}"):
        image_model("squeezenet1_1", 2, size=64)
    assert not weights.with_name("planted").exists()


def test_no_network(weights, monkeypatch):
    """URLError, with a traceback through urllib."""

    def offline(*_, **__):
        raise OSError(None, None, "<urlopen error [Errno -2] Name or service not known>")

    monkeypatch.setattr(torch.hub, "urlopen", offline)
    with pytest.raises(CourseError, match=f"squeezenet1_1 .*{BUNDLED!r}"):
        image_model("squeezenet1_1", 2, size=64)


@pytest.mark.real
def test_real_weights(real_data, weights):
    """The stand-in for the download would not be what torchvision expects."""
    there = Path(real_data).parent / "weights" / "squeezenet1_0-imagenet.pth"
    if not there.exists():
        pytest.skip("there are no ImageNet weights beside the real data")
    shutil.copy(there, weights.with_name("squeezenet1_0-b66bff10.pth"))
    assert image_model("squeezenet1_0", 2, size=64).body[0].weight.abs().mean() > 0.01
