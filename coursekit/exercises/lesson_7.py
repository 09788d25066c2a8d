"""The exercises of lesson 7."""
# fmt: off

import torch
from torch import tensor

from coursekit.exercises.checking import exercise


@exercise("7.1", mistakes={
    "One is missing: the kernel stands at its first place before it moves at all.": 24,
    "A place is whole or not there at all: round down.": 25.5,
    "Down, not up: where the kernel reaches over the edge, it does not stand.": 26,
    "The padding is missing: four zeros on either side.": 21,
    "The padding is on both sides, so it counts twice.": 23,
    "That is stride 1. With stride 2 only every second place is taken.": 50,
})
def side():
    """A picture of 50 by 50, a kernel of 9, padding 4, stride 2: what is the side of the result?
    Work it out before you ask a function.

    - Section 2 has the formula. Padding adds zeros on both sides.
    - How many pixels may the kernel's left edge still move to the right? Divide that by the stride,
      rounded down.
    - (50 + 8 - 9) // 2 moves, and the place where it began.
    """
    return (50 + 2 * 4 - 9) // 2 + 1


@exercise("7.2", cases=[
    (3, 3, 2), (15, 3, 2), (16, 3, 2), (100, 3, 2), (9, 3, 1), (21, 5, 1), (40, 5, 3), (1, 3, 2),
], mistakes={
    "As many pixels as asked for are enough.": lambda p, k, s: layers_needed(p + 1, k, s),
    "One layer too few: the last one counts.": lambda p, k, s: layers_needed(p, k, s) - 1,
    "One layer too many.": lambda p, k, s: layers_needed(p, k, s) + 1,
    "The stride is missing: steps grow.": lambda p, k, s: layers_needed(p, k, 1),
    "Each layer adds kernel - 1 steps.": lambda p, k, s: layers_needed(p, k + 1, s),
})
def layers_needed(pixels, kernel, stride):
    """Write `layers_needed(pixels, kernel, stride)`: how many layers, all of this kernel and
    stride, until a unit sees at least so many pixels along a side?

    - Begin with `field, step = 1, 1` as `receptive_field` does; go on `while field < pixels`.
    - A layer adds `(kernel - 1) * step` to the field; then the step is `stride` times as long.
    - Count the rounds of the loop and return that count.
    """
    field, step, count = 1, 1, 0
    while field < pixels:
        field, step = field + (kernel - 1) * step, step * stride
        count += 1
    return count


@exercise("7.3", mistakes={
    "The bias is missing: one number for each of the channels that come out.": 96 * 48 * 9,
    "The bias has one number for each channel that comes out, not that goes in.": 96 * 48 * 9 + 48,
    "Each kernel reaches through all 48 channels that go in.": 96 * 9 + 96,
    "A kernel of 3 is 3 by 3: nine numbers for each pair of channels.": 96 * 48 * 3 + 96,
    "There are 96 kernels, and each of them reaches through all 48 channels.": 48 * 9 + 96,
})
def weights():
    """How many weights, bias included, has `nn.Conv2d(48, 96, 3)`?

    - Each of the 96 channels that come out has a kernel of its own. How many numbers are in it?
    - A kernel reaches through all 48 channels: 48 * 3 * 3 numbers.
    - 96 kernels, and 96 numbers of bias. The layer table of section 3 has this very layer.
    """
    return 96 * 48 * 3 * 3 + 96


def _over(x, dims, correction=0):
    variance = x.var(dims, correction=correction, keepdim=True)
    return (x - x.mean(dims, keepdim=True)) / (variance + 0.00001).sqrt()


_NOISE = torch.randn(4, 3, 3, 5, generator=torch.Generator().manual_seed(0)) + 2
_CHANNELS = _NOISE * tensor([1.0, 5.0, 0.1])[:, None, None]


@exercise("7.4", tolerance=1e-4, cases=[
    (_CHANNELS,),
], edges=[(torch.full((2, 3, 2, 2), 7.0),)], mistakes={
    "That is each picture by itself; take the whole batch.": lambda x: _over(x, (2, 3)),
    "All channels together; measure each by itself.": lambda x: _over(x, (0, 1, 2, 3)),
    "Keep the channels (1) apart, put the pictures (0) together.": lambda x: _over(x, (1, 2, 3)),
    "A channel is measured over all its places, too.": lambda x: _over(x, 0),
    "You divide by the variance; the standard deviation is its square root.":
        lambda x:
            _over(x, (0, 2, 3)) / (x.var((0, 2, 3), correction=0, keepdim=True) + 0.00001).sqrt(),
    "The mean is not taken away yet.":
        lambda x: x / (x.var((0, 2, 3), correction=0, keepdim=True) + 0.00001).sqrt(),
    "That divides by n - 1; batch norm by n: correction=0.": lambda x: _over(x, (0, 2, 3), 1),
    "A channel that is 7 everywhere gives 0 divided by 0; add 0.00001 to the variance.":
        lambda x:
            (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), correction=0, keepdim=True),
})
def normalize(x):
    """Write `normalize(x)`, batch norm without scale, shift and memory: x is (B, C, H, W), and each
    channel shall have mean 0 and standard deviation 1. Add 0.00001 to the variance, as torch does.
    What does it give for a channel that is 7 everywhere?

    - Over which of the four dimensions is a channel measured? Over all but its own.
    - `x.mean((0, 2, 3), keepdim=True)`, and the variance in the same way with `correction=0`.
    - Take the mean away, then divide by the square root of the variance plus 0.00001.
    """
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = x.var((0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (variance + 0.00001).sqrt()


@exercise("7.5", cases=[
    (tensor([[[3.0, 0.0]], [[5.0, 1.0]]]), tensor([2.0, -1.0])),
    (torch.arange(12.0).view(3, 2, 2) - 4, tensor([0.5, -2.0, 1.0])),
], mistakes={
    "Make what is negative zero at the end.": lambda m, w: (w[:, None, None] * m).sum(0),
    "The ReLU is too early: add up first.": lambda m, w: (w[:, None, None] * m).relu().sum(0),
    "Only the sum goes through the ReLU, not the maps.": lambda m, w: class_map(m.relu(), w),
    "That is the mean; the score is a sum.": lambda m, w: class_map(m, w) / len(w),
    "A channel with a negative weight stays in the sum.": lambda m, w: class_map(m, w.relu()),
    "The weights of the class are missing.": lambda m, w: class_map(m, w**0),
    "Weights are taken as they are, without softmax.": lambda m, w: class_map(m, w.softmax(0)),
})
def class_map(maps, weights):
    """Write `class_map(maps, weights)`, the class activation map as it is drawn: maps is (C, h, w),
    weights (C,), the result (h, w), and what speaks against the class is 0.

    - Section 7 does it for a whole batch and all classes at once, with `torch.einsum`.
    - `weights[:, None, None]` can be multiplied with the maps.
    - Add up over the channels, `.sum(0)`, then `.relu()`: in this order.
    """
    return (weights[:, None, None] * maps).sum(0).relu()


@exercise("7.6", cases=[
    (tensor([[4.0, 1.0], [3.0, 2.0]]), tensor([[True, False], [False, True]])),
    (tensor([[0.0, 9.0], [1.0, 0.0]]), tensor([[True, True], [True, False]])),
    (tensor([[0.0, 2.0], [0.0, 0.0]]), tensor([[True, False], [True, True]])),
], edges=[(torch.zeros(2, 2), tensor([[True, False], [False, False]]))], mistakes={
    "A map without heat gives 0 / 0; say 0.": lambda h, o: (h * o).sum() / h.sum(),
    "That is the share outside of the animal.": lambda h, o: inside(h, ~o),
    "That is a mean; divide by all the heat of the picture.": lambda h, o: h[o].mean(),
    "That is how much the animal covers; take the heat.": lambda h, o: o.float().mean(),
    "How warm each place is has to count.": lambda h, o: inside((h > 0).float(), o),
    "That is the heat on the animal; as a share of what?": lambda h, o: h[o].sum(),
})
def inside(heat, outline):
    """Write `inside(heat, outline)`: which share of the heat lies on the animal? Both are (h, w),
    the outline is True on the animal. For a map without any heat say 0.

    - `judge` in section 8 does it for many pictures at once.
    - `heat * outline` keeps what lies on the animal. Sums, not means.
    - Divide by `heat.sum()`, but only where that is not 0.
    """
    total = heat.sum()
    return (heat * outline).sum() / total if total > 0 else 0.0
