"""Heat maps: equal to captum's, whatever is frozen, and drawn where they belong."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from PIL import Image
from torch import nn

import coursekit as ck
from coursekit.visuals import explore
from coursekit.visuals.heatmaps import Gradients, overlay
from tests.visuals.explorers import lesson_1 as small
from tests.visuals.explorers.lesson_7 import EXPLORERS
from tests.visuals.figures import refused

torch.manual_seed(0)
net = ck.image_model("drawings", 3, size=64).eval()
x = torch.rand(4, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", ["body.stem", "body.stage4.conv1", "body"])
@pytest.mark.parametrize("target", [0, [2, 1, 0, 2]])
def test_equal_to_captum(layer, target):
    """A gradient of the probability in place of the score, a sum in place of a mean, no ReLU."""
    module = net.get_submodule(layer)
    theirs = LayerGradCam(net, module).attribute(x, target, relu_attributions=True)
    ours = ck.heat_map(net, x, target, layer=layer)
    torch.testing.assert_close(ours, theirs[:, 0].detach(), atol=1e-5, rtol=1e-5)
    beside = Gradients(net, x, ["body.stage2", layer]).heat(target)
    torch.testing.assert_close(beside[layer], ours, msg="one pass serves several layers")
    theirs = LayerGradientXActivation(net, module).attribute(x, target).sum(1).relu()
    ours = ck.heat_map(net, x, target, layer=layer, pooled=False)
    torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=1e-5)


def test_before_a_relu_in_place():
    """A ReLU that overwrites the maps which the gradient belongs to."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    net, x = nn.Sequential(*layers), torch.rand(2, 3, 8, 8)
    conv = net[0](x).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(conv.relu().mean((2, 3))[:, 1].sum(), conv)
    expected = (gradient.mean((2, 3), keepdim=True) * conv).sum(1).relu()
    assert conv.min() < 0
    torch.testing.assert_close(ck.heat_map(net, x, 1, layer="0"), expected.detach())


def test_frozen_body_best_class_and_nothing_left_behind():
    """The head alone is trained in lesson 1: a frozen body has no gradients of its own."""
    own = ck.heat_map(net, x, net(x).argmax(1), layer="body.stage3")
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    net.train()
    before = net.body.stem[1].running_mean.clone()
    try:
        with torch.no_grad():
            frozen = ck.heat_map(net, x, layer="body.stage3")
        assert net.training
        assert torch.equal(before, net.body.stem[1].running_mean)
    finally:
        net.requires_grad_(True).eval()
    assert torch.equal(own, frozen)
    assert not frozen.requires_grad
    assert not any(part._forward_hooks for part in net.modules())


NAMES = ["cats", "dogs", "foxes"]


def grad_cam(names, **settings):
    picture = np.zeros((64, 64, 3), np.uint8)
    return explore.grad_cam(net, names, picture, **{"layers": ["body.stage2"], **settings})


test_bad_input_is_one_sentence = refused(
    (lambda: ck.heat_map(net, x, layer="body.stage9"), "There is no layer 'body.stage9'"),
    (lambda: ck.heat_map(net, x, layer=["body"]), "layer="),
    (lambda: ck.heat_map(net, x, layer="head"), "'head' gives no maps"),
    (lambda: ck.heat_map(net, x, 3, layer="body"), "this network has 3"),
    (lambda: ck.heat_map(net, x, -1, layer="body"), "this network has 3"),
    (lambda: ck.heat_map(net, x, "dogs", layer="body"), "no class 'dogs'"),
    (lambda: ck.heat_map(net, x, 0.5, layer="body"), "no class 0.5"),
    (lambda: ck.heat_map(net, x, [0, 1], layer="body"), "one for each of 4 pictures"),
    (lambda: ck.heat_map(net, x[0], layer="body"), r"x\[None\] makes a batch"),
    (lambda: ck.heat_map(net, x.numpy(), layer="body"), "x=.*a tensor"),
    (lambda: ck.heat_map("net", x, layer="body"), "model='net'"),
    (lambda: ck.enlarge(x[0, 0], 8), r"maps \(B, h, w\)"),
    (lambda: ck.enlarge(x[0], 0), "size is 0"),
    (lambda: ck.show_heat(x, None), "maps=None"),
    (lambda: ck.show_heat([x[0]], [[1, 2]]), r"has shape \(2,\)"),
    (lambda: ck.show_heat_grid(net, x[0], [], NAMES), "no layer to look at"),
    (lambda: grad_cam(["cats", "dogs"]), "2 class names for 3 scores"),
    (lambda: grad_cam(NAMES, layers=["body.stage9"]), "no layer 'body.stage9'"),
    (lambda: grad_cam(NAMES, target="wolves"), "'wolves'; choose one of 'cats', 'dogs'"),
    (lambda: grad_cam(NAMES, layers=["head"]), "'head' gives no maps"),
    (lambda: explore.classify(x, x), "no classifier of pictures"),
    (
        lambda: explore.classify(small.classifier(), small.picture(), layer="boddy"),
        "no layer .boddy",
    ),
    (lambda: ck.show_heat_grid(net, x[0], "body", ["a"]), "1 class name for 3 scores"),
)


def test_overlay_is_bright_where_the_map_is():
    """Rows and columns swapped, or a map laid on upside down."""
    heat = torch.zeros(4, 8)
    heat[0, 7] = 5.0
    shown = overlay(np.full((40, 80, 3), 60, np.uint8), heat)
    assert shown.shape == (40, 80, 3)
    assert shown.dtype == np.uint8
    row, column = np.unravel_index(shown[:, :, 0].argmax(), shown.shape[:2])
    assert row < 10
    assert column >= 70
    assert (shown[20:, :40] == 60).all()
    cold = overlay(np.full((40, 80, 3), 60, np.uint8), torch.zeros(4, 8))
    assert (cold == 60).all()


def test_drawings_and_their_sentences(capsys):
    """A grid with a panel too few, or a figure without words."""
    layers = ["body.stage2", "body.stage4"]
    grid = ck.show_heat_grid(net, x[0], layers, ("cats", "dogs", "owls"))
    assert grid.shape == (3, 2)
    assert "The network says" in capsys.readouterr().out
    maps = ck.heat_map(net, x, layer="body")
    axes = ck.show_heat(list(x), list(maps), titles=list("abcd"), columns=3)
    assert [axis.get_title() for axis in axes] == list("abcd")
    assert capsys.readouterr().out.startswith("4 heat maps: half of the heat")
    with pytest.raises(ck.CourseError, match="4 pictures and 1 heat map"):
        ck.show_heat(list(x), [maps[0]])


# Explorers ------------------------------------------------------------------------------------


def test_a_picture_of_ones_own_is_looked_at():
    """An upload that is shown, while the map and the answer stay those of the picture before."""
    explorer = EXPLORERS["grad_cam"][0]().set(target="dogs")
    before = explorer.caption
    explorer.set(file=small.png())
    assert explorer.caption != before
    assert explorer.set(file=None).caption == before
    with pytest.raises(ck.CourseError, match="cannot be read as a picture"):
        explorer.set(file=b"no picture")
    assert explorer.settings["file"] is None


def test_an_upload_is_classified_like_the_file():
    """Another crop, size or scale for pictures that come through the widget."""
    known = small.classifier()
    explorer = explore.classify(known, small.picture())
    explorer.widget()
    explorer._moved("file", {"a.png": {"metadata": {}, "content": small.png(1)}})
    chances = known(Image.fromarray(small.picture(1)))
    best, chance = next(iter(chances.items()))
    assert f"The network says {best} ({chance:.1%})" in explorer.caption
    before = explorer.view.picture.value
    for content in (b"", b"no picture", small.png()[:60]):
        explorer._moved("file", ({"name": "a.pdf", "content": content},))
        assert "cannot be read as a picture" in explorer.view.caption.value
        assert explorer.view.picture.value == before


def test_the_heat_map_is_that_of_the_class_asked_for(monkeypatch):
    """A list of classes that changes the title only; a dropout layer that stays switched off."""
    known = small.classifier()
    known.model.train()
    explorer = explore.classify(known, small.picture())
    laid = []
    for target, number in (("cats", 0), ("dogs", 1)):
        explorer.set(target=target)
        x = known.pixels(Image.fromarray(small.picture()))
        heat = ck.heat_map(known.model, x, number, layer="body")[0]
        laid.append(explorer.axes[1].images[0].get_array())
        assert (laid[-1] == overlay(x[0], heat)).all()
    assert (laid[0] != laid[1]).any()
    assert all(module.training for module in known.model.modules())


def test_a_network_without_maps_still_says_its_probabilities():
    """A transformer, and an error in place of two bars."""
    explorer = explore.classify(small.classifier(), small.picture(), layer="head")
    explorer.redraw()
    assert "The network says" in explorer.caption
    assert "no maps" in explorer.axes[1].get_title()
    assert len(explorer.axes[2].patches) == 2


def test_enlarged_maps_keep_their_place():
    """A peak that moves by half a cell when the map is enlarged."""
    maps = torch.zeros(1, 5, 5)
    maps[0, 1, 3] = 1
    large = ck.enlarge(maps, 80)
    assert large.shape == (1, 80, 80)
    row, column = divmod(int(large.flatten().argmax()), 80)
    assert 16 <= row < 32
    assert 48 <= column < 64
