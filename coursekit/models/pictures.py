"""Networks for pictures: a pretrained body, average and max pooling, and a new head."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from coursekit.arguments import checked
from coursekit.console import CourseError, choose, reason
from coursekit.data.batches import check_count
from coursekit.models import backbone

BUNDLED = "drawings"  # the small backbone that comes with the course
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean, std of torchvision's weights
# what torchvision's classifiers name the modules that come after the feature maps, or beside them
HEADS = {"avgpool", "flatten", "dropout", "fc", "classifier", "head", "aux1", "aux2", "AuxLogits"}


class Normalize(nn.Module):
    """Shift and scale pictures (B, 3, H, W) in 0..1 to the range that the body was trained on."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Subtract the mean of each color plane and divide by its std."""
        return (x - self.mean).div_(self.std)


class ConcatPool2d(nn.Module):
    """Pool feature maps (B, C, h, w) to (B, 2 C): the mean of each map, then its maximum.

    Of the tokens (B, T, C) of a vision transformer it takes the class token, (B, C).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Reduce maps or tokens to one vector per picture."""
        if maps.dim() == 3:
            return maps[:, 0]
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)


class ImageModel(nn.Module):
    """``normalize`` -> ``body`` -> ``pool`` -> ``head``: pictures (B, 3, H, W) to scores (B, C).

    The body gives feature maps, the pooling one vector per picture, the head one score per class.
    """

    def __init__(
        self, normalize: nn.Module, body: nn.Module, pool: nn.Module, head: nn.Module
    ) -> None:
        super().__init__()
        self.normalize, self.body, self.pool, self.head = normalize, body, pool, head

    def features(self, x: Tensor) -> Tensor:
        """Map pictures (B, 3, H, W) in 0..1 to the vectors (B, F) that the head sees."""
        return self.pool(self.body(self.normalize(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, 3, H, W) in 0..1 to scores (B, classes)."""
        return self.head(self.features(x))

    def layer_groups(self) -> list[list[nn.Module]]:
        """Three groups of modules: early body, late body, head.

        The late body is the shortest run of last layers that holds three quarters of the weights.
        """
        layers = list(self.body.children()) or [self.body]
        sizes = [sum(p.numel() for p in layer.parameters()) for layer in layers]
        cut = len(layers)
        while cut > 1 and sum(sizes[cut:]) < 0.75 * sum(sizes):
            cut -= 1
        return [layers[:cut], layers[cut:], [self.head]]


def image_head(n_features: int, n_classes: int) -> nn.Sequential:
    """Build a head: batch norm, dropout, linear, ReLU, batch norm, dropout, linear."""
    first = [nn.BatchNorm1d(n_features), nn.Dropout(0.25), nn.Linear(n_features, 512)]
    second = [nn.BatchNorm1d(512), nn.Dropout(0.5), nn.Linear(512, n_classes)]
    return nn.Sequential(*first, nn.ReLU(inplace=True), *second)


def architectures() -> list[str]:
    """List the names that ``image_model`` takes: the bundled one and torchvision's classifiers."""
    from torchvision import models

    return [BUNDLED, *models.list_models(module=models)]


@checked
def image_model(
    architecture: str, n_classes: int, *, pretrained: bool = True, size: int = 224
) -> ImageModel:
    """Build an ``ImageModel`` from the body of ``architecture`` and a new head.

    Args:
        architecture: the bundled "drawings", or the name of any torchvision classifier, whose
            weights torchvision downloads on first use or finds in TORCH_HOME.
        n_classes: scores per picture.
        pretrained: False leaves the weights of the body random.
        size: side in pixels of the pictures that the model must be able to take.
    """
    check_count("n_classes", n_classes)
    check_count("size", size)
    if architecture == BUNDLED:
        normalize = Normalize(backbone.MEAN, backbone.STD)
        body: nn.Sequential = backbone.body(pretrained)
    else:
        normalize, body = cut_head(_torchvision_net(architecture, pretrained))
    pool = ConcatPool2d()
    try:
        with torch.no_grad():
            n_features = pool(body.eval()(torch.zeros(1, 3, size, size))).shape[1]
    except RuntimeError as error:
        raise CourseError(
            f"{architecture} cannot take pictures of {size} pixels; make the data with size=224."
        ) from error
    model = ImageModel(normalize, body, pool, image_head(n_features, n_classes))
    return model.to(memory_format=torch.channels_last)


def _torchvision_net(architecture: str, pretrained: bool) -> nn.Module:
    from torchvision import models

    choose("architecture", architecture, architectures())
    if not pretrained:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of how googlenet draws its weights
            return models.get_model(architecture, weights=None)
    try:
        weights = models.get_model_weights(architecture).DEFAULT
        # get_model would run code that is pickled in the file: take it only if it is all tensors
        weights.get_state_dict(check_hash=True, weights_only=True)
        return models.get_model(architecture, weights=weights)
    except Exception as error:  # downloading and reading raise many kinds
        raise CourseError(
            f"The pretrained weights of {architecture} cannot be had ({reason(error)}). Connect to "
            f"the internet once, put the file into {torch.hub.get_dir()}/checkpoints in place of "
            f"a damaged one, or use {BUNDLED!r}."
        ) from error


def cut_head(net: nn.Module) -> tuple[Normalize, nn.Sequential]:
    """Take pooling and head off a torchvision classifier.

    Returns:
        (normalize, body): pictures in 0..1 go through both to feature maps (B, C, h, w), or to
        tokens (B, 1 + h * w, C), the class token first, in a vision transformer.
    """
    mean, std = IMAGENET
    if getattr(net, "transform_input", False):  # googlenet and inception would normalize again
        net.transform_input, mean, std = False, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    kind, layers = type(net).__name__, []
    if kind == "VisionTransformer":
        layers = [Patches(net), *net.encoder.layers, net.encoder.ln]
    else:
        for name, module in net.named_children():
            if name in ("features", "layers", "blocks"):  # their parts are the layers
                layers += module
            elif name not in HEADS:
                layers.append(module)
    if kind == "DenseNet":  # its forward pass calls F.relu
        layers.append(nn.ReLU())
    return Normalize(mean, std), nn.Sequential(*layers)


class Patches(nn.Module):
    """First layer of a vision transformer: a class token and one token per patch of the picture."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.conv_proj, self.class_token = net.conv_proj, net.class_token
        self.positions, self.dropout = net.encoder.pos_embedding, net.encoder.dropout

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, 3, H, W), of the size in pretraining, to tokens (B, 1 + h * w, C)."""
        tokens = self.conv_proj(x).flatten(2).transpose(1, 2)  # (B, h * w, C)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], 1)
        return self.dropout(tokens + self.positions)
