"""Networks for pictures: a pretrained body, two poolings joined, and a new head."""

import warnings

import torch
import torch.nn.functional as F
from torch import nn

from coursekit.console import CourseError, nearest, reason

BUNDLED = "drawings"  # the small backbone that comes with the course
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision uses them


class Normalize(nn.Module):
    """Shift and scale (B, 3, H, W) pictures in 0..1 to the range that the body was trained on."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x):
        """Return (x - mean) / std per colour plane."""
        return (x - self.mean) / self.std


class ConcatPool2d(nn.Module):
    """Pool (B, C, h, w) maps to (B, 2C): the average of each map, then its largest value."""

    def forward(self, maps):
        """Return averages and maxima side by side; (B, C) passes unchanged."""
        if maps.dim() == 2:
            return maps
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)


class ImageModel(nn.Module):
    """``normalize`` -> ``body`` -> ``pool`` -> ``head``: pictures (B, 3, H, W) to scores (B, C).

    The body gives feature maps, the pooling one vector a picture, the head one score a class.
    """

    def __init__(self, normalize, body, pool, head):
        super().__init__()
        self.normalize, self.body, self.pool, self.head = normalize, body, pool, head

    def features(self, x):
        """Return what the head sees: one vector a picture."""
        return self.pool(self.body(self.normalize(x)))

    def forward(self, x):
        """Return the scores (B, classes) of pictures (B, 3, H, W) in 0..1."""
        return self.head(self.features(x))

    def layer_groups(self):
        """Return three lists of modules: early body, late body, head.

        The late body is the shortest run of last layers that holds three quarters of the weights.
        """
        layers = list(self.body.children()) or [self.body]
        weights = [sum(p.numel() for p in layer.parameters()) for layer in layers]
        cut = len(layers)
        while cut > 1 and sum(weights[cut:]) < 0.75 * sum(weights):
            cut -= 1
        return [layers[:cut], layers[cut:], [self.head]]


def head(inputs, classes, *, hidden=512):
    """Return a head: batch norm, dropout, ``hidden`` units, ReLU, batch norm, dropout, scores.

    Args:
        inputs: numbers a picture that the pooling gives.
        classes: how many scores come out.
    """
    return nn.Sequential(
        nn.BatchNorm1d(inputs),
        nn.Dropout(0.25),
        nn.Linear(inputs, hidden),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(hidden),
        nn.Dropout(0.5),
        nn.Linear(hidden, classes),
    )


def architectures():
    """Return the names that ``image_model`` takes: the bundled one, and torchvision's."""
    from torchvision import models

    # the top-level builders of torchvision are its classifiers
    return [BUNDLED, *models.list_models(module=models)]


def image_model(architecture, classes, *, pretrained=True, size=224):
    """Build an ``ImageModel`` from the body of ``architecture`` and a new head.

    Args:
        architecture: the bundled "drawings", or the name of any torchvision classifier; its weights
            are downloaded by torchvision on first use, or found in TORCH_HOME.
        classes: how many classes the head tells apart.
        pretrained: False starts the body from random weights.
        size: side of the pictures that it is for, in pixels.

    Raises:
        CourseError: the name is unknown, the weights cannot be had, or the size does not fit.
    """
    if architecture == BUNDLED:
        from coursekit.models import backbone

        normalize, body = Normalize(backbone.MEAN, backbone.STD), backbone.body(pretrained)
    else:
        normalize, body = cut(_torchvision_net(architecture, pretrained))
    pool = ConcatPool2d()
    try:
        with torch.no_grad():
            width = pool(body.eval()(torch.zeros(1, 3, size, size))).shape[1]
    except RuntimeError as error:
        raise CourseError(
            f"{architecture} cannot take pictures of {size} pixels; make the data with size=224."
        ) from error
    net = ImageModel(normalize, body, pool, head(width, classes))
    return net.to(memory_format=torch.channels_last)


def _torchvision_net(architecture, pretrained):
    from torchvision import models

    known = architectures()
    if architecture not in known:
        raise CourseError(
            f"There is no architecture {architecture!r}; ck.architectures() lists all of them."
            + nearest(architecture, known)
        )
    if not pretrained:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of how googlenet draws its weights
            return models.get_model(architecture, weights=None)
    try:
        return models.get_model(architecture, weights="DEFAULT")
    except Exception as error:  # downloading and reading raise many kinds
        raise CourseError(
            f"The pretrained weights of {architecture} cannot be had ({reason(error)}); connect to "
            f"the internet once, put the file into {torch.hub.get_dir()}/checkpoints in place of "
            f"a damaged one, or name {BUNDLED!r}."
        ) from error


def cut(net):
    """Take the head off a torchvision classifier.

    Returns:
        (normalize, body): the body, a Sequential, maps normalized pictures to (B, C, h, w) maps,
        or to (B, C) where the net has no maps (a transformer that works on a list of patches).
    """
    normalize = Normalize(_MEAN, _STD)
    if getattr(net, "transform_input", False):  # googlenet and inception rescale inside otherwise
        net.transform_input = False
        normalize = Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    kind = type(net).__name__
    if kind == "VisionTransformer":
        encoder = net.encoder
        return normalize, nn.Sequential(Patches(net), *encoder.layers, encoder.ln, ClassToken())
    if kind == "SwinTransformer":
        return normalize, nn.Sequential(*net.features, net.norm, net.permute)
    if kind == "MaxVit":
        return normalize, nn.Sequential(net.stem, *net.blocks)
    if kind == "DenseNet":
        return normalize, nn.Sequential(*net.features, nn.ReLU())
    if kind == "MNASNet":
        return normalize, net.layers
    if hasattr(net, "features"):
        return normalize, net.features
    # ResNet, RegNet, ShuffleNet, GoogLeNet, Inception: what comes before the pooling, in order
    skipped = ("aux1", "aux2", "AuxLogits")
    layers = []
    for name, layer in net.named_children():
        if name in ("avgpool", "fc"):
            break
        if name not in skipped:
            layers.append(layer)
    return normalize, nn.Sequential(*layers)


class Patches(nn.Module):
    """The entrance of a vision transformer: pictures to a class token and one token a patch.

    For pictures of another size than the net was trained on, the learned positions are resized.
    """

    def __init__(self, net):
        super().__init__()
        self.conv_proj, self.class_token = net.conv_proj, net.class_token
        self.positions, self.dropout = net.encoder.pos_embedding, net.encoder.dropout

    def forward(self, x):
        """Return tokens (B, 1 + h * w, C) of pictures (B, 3, H, W)."""
        maps = self.conv_proj(x)  # (B, C, h, w)
        tokens = maps.flatten(2).transpose(1, 2)  # (B, h * w, C)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], 1)
        return self.dropout(tokens + self._positions_for(maps))

    def _positions_for(self, maps):
        count, (height, width) = self.positions.shape[1] - 1, maps.shape[2:]
        if height * width == count:
            return self.positions
        first, grid = self.positions[:, :1], self.positions[:, 1:]
        side = round(count**0.5)
        grid = grid.transpose(1, 2).unflatten(2, (side, side))  # (1, C, side, side)
        grid = F.interpolate(grid, (height, width), mode="bicubic", align_corners=True)
        return torch.cat([first, grid.flatten(2).transpose(1, 2)], 1)


class ClassToken(nn.Module):
    """The exit of a vision transformer: tokens (B, T, C) to the class token (B, C)."""

    def forward(self, tokens):
        """Return the first token of each picture."""
        return tokens[:, 0]
