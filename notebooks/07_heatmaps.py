# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] lang="en"
# # Lesson 7 · A net from scratch, and where it looks
#
# {badges}
#
# By the end of this lesson you will have
#
# * written a convolution by hand, with padding and stride, and computed how far a unit sees;
# * climbed a ladder of networks, from a plain one to a residual one, each timed and measured;
# * written batch normalisation with its running statistics, and the residual block;
# * looked inside a network while it trains, and found units that are dead;
# * drawn *heat maps*: where in the picture is the cat, as far as the network is concerned?
# * tested whether such a map tells the truth, on pictures whose truth is known.
#
# You need lesson 1. Without a graphics card the lesson works on small drawings and takes about three
# minutes of computing. With one (a free Colab GPU will do) it works on CIFAR-10 and on photographs of
# dogs and cats. Reading and thinking take about two hours.
#
# As before: where there is a question, answer it for yourself before you run the cell.

# %%
# {set_up}
# %load_ext coursekit
import coursekit as ck

# %% [markdown] lang="en"
# ## 1 · The whole game, from nothing
#
# In lesson 1 somebody had trained most of the network before us. This time nothing is given: random
# numbers, a few thousand pictures, and ten kinds of things in them. The pictures are tiny, 32 by 32
# dots, as in CIFAR-10, the data set on which many ideas of this lesson were tried first.

# %%
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn

PATH = ck.fetch("cifar10")
mirrored = ck.Augment(rotate=0, zoom=1, light=0)  # flipped left to right, half of the time
data = ck.images(PATH, size=32, valid="test", batch=ck.by_edition(PATH, full=128, sample=32))
data

# %%
places = [int((data.train.targets == k).nonzero()[0]) for k in range(10)]
ck.show_pictures([data.train.inputs[p] for p in places], titles=data.classes, columns=10);
# %% [markdown] lang="en"
# Could you name them all? Here is a network of five layers. Each `Conv2d` moves small windows of
# numbers over the picture, as in section 7 of lesson 1; the last layer adds up what was found, with
# one score for each class. What share of the test pictures will it name rightly after a few epochs?
# Guessing gives one in ten.

# %%
EPOCHS, LR = ck.by_edition(PATH, full=(8, 0.005), sample=(4, 0.005))
ck.seed(1)
net = nn.Sequential(
    nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(48, 96, 3, stride=2, padding=1), nn.ReLU(),
    nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(96, 10),
)  # fmt: skip
learn = ck.Learner(data, net, ck.cross_entropy, metrics=[ck.accuracy])
whole_game = learn.fit(EPOCHS, LR, name="whole game")

# %% [markdown] lang="en"
# That is a network from nothing, in one cell. Is it any good? A baseline that needs no network: shrink
# each picture to 8 by 8 dots and give the 192 numbers to logistic regression.

# %%
from sklearn.linear_model import LogisticRegression


def thumbnails(part, most=3000):
    rows = list(range(0, part.examples, max(1, part.examples // most)))
    pixels = torch.as_tensor(part.inputs[rows]).permute(0, 3, 1, 2).float()
    return F.adaptive_avg_pool2d(pixels, 8).flatten(1).numpy() / 255, part.targets[rows]


simple = LogisticRegression(max_iter=1000, C=0.1).fit(*thumbnails(data.train))
plain = simple.score(*thumbnails(data.valid))
print(f"logistic regression {plain:.3f}, our network {whole_game[-1]['accuracy']:.3f}")

# %% [markdown] lang="en"
# So there is work to do. The rest of the first half of this lesson makes that network better, one
# idea at a time, and every idea is first built by hand.
#
# ## 2 · A convolution by hand
#
# In lesson 1 a kernel of 3 by 3 numbers moved over a grey picture. A layer of a network does the same
# with three additions: the picture has several *channels* (three colours at first), there are several
# kernels, each giving a channel of its own, and two numbers say how the kernel moves:
#
# * *padding*: rows and columns of zeros around the picture, so that the kernel may reach over the edge;
# * *stride*: by how many dots it moves on. With 2, height and width are halved.
#
# A picture of 32 by 32, a kernel of 3, padding 1, stride 2: how large is the result?


# %% tags=["nbval-check-output"]
def size_after(size, kernel, padding, stride):
    return (size + 2 * padding - kernel) // stride + 1


print([size_after(32, 3, padding, stride) for padding in (0, 1) for stride in (1, 2)])


# %% [markdown] lang="en"
# The four results are for no padding with stride 1 and 2, then for padding 1 with the same strides.
# Now the whole layer, loops and all:


# %%
def convolve(x, weight, bias, padding=0, stride=1):
    x = F.pad(x, [padding] * 4)  # (B, C, H, W), zeros on four sides
    kernel = weight.shape[-1]  # weight: (out, C, kernel, kernel)
    rows = range(0, x.shape[2] - kernel + 1, stride)
    columns = range(0, x.shape[3] - kernel + 1, stride)
    result = torch.zeros(len(x), len(weight), len(rows), len(columns))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            window = x[:, None, :, row : row + kernel, column : column + kernel]
            result[:, :, i, j] = (window * weight).sum((2, 3, 4)) + bias
    return result


# %%
x, y = data.valid.first()
x, y = x.cpu().contiguous(), y.cpu()
layer = nn.Conv2d(3, 12, 3)
for padding in (0, 1, 2):
    for stride in (1, 2, 3):
        ours = convolve(x[:4], layer.weight, layer.bias, padding, stride)
        theirs = F.conv2d(x[:4], layer.weight, layer.bias, stride, padding)
        assert torch.allclose(ours, theirs, atol=1e-5)
print("nine ways to move a kernel, all equal to torch's")

# %% [markdown] lang="en"
# **How far does a unit see?** One number behind the first layer was made from 3 by 3 dots. One number
# behind the second was made from 3 by 3 numbers of the first, so from more dots. This is its
# *receptive field*. Each layer adds `kernel - 1` steps, and a step is as many dots long as all the
# strides before it multiplied:


# %% tags=["nbval-check-output"]
def receptive_field(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        field, step = field + (kernel - 1) * step, step * stride
    return field


print([receptive_field([(3, 2)] * depth) for depth in (1, 2, 3, 4)], "with stride 2")
print([receptive_field([(3, 1)] * depth) for depth in (1, 2, 3, 4)], "with stride 1")

# %% [markdown] lang="en"
# Is that true? Ask the network: which dots of the picture move one unit in the middle of the third
# layer? Those whose *gradient* is not zero. We count how many columns they span:

# %%
plain_net = nn.Sequential(*[nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(3)])
dots = torch.rand(1, 3, 64, 64, requires_grad=True)
plain_net(dots)[0, 0, 4, 4].backward()
touched = dots.grad[0].abs().sum(0) > 0  # (64, 64)
print(int(touched.any(0).sum()), "columns by", int(touched.any(1).sum()), "rows")
assert touched.any(0).sum() == receptive_field([(3, 2)] * 3)

# %%
figure, axes = plt.subplots(1, 4, figsize=(9, 2.5), layout="constrained")
for depth, axis in enumerate(axes, 1):
    field = receptive_field([(3, 2)] * depth)
    axis.imshow(data.train.inputs[places[2]])
    corner = 16 - min(field, 32) / 2
    axis.add_patch(plt.Rectangle((corner, corner), field, field, fill=False, ec="#E69F00", lw=3))
    axis.set(title=f"layer {depth}: {field} dots", xlim=(-0.5, 31.5), ylim=(31.5, -0.5))
    axis.axis("off");

# %% [markdown] lang="en"
# With stride 2 four layers see almost the whole picture; with stride 1 four layers see nine dots. A net
# has to see an animal whole before it can tell which one it is, and stride is the cheap way there.
#
# ## 3 · The ladder
#
# Every rung is one idea. All are trained in the same way, for the same number of epochs from the same
# seed, and go into one table. The pictures are mirrored at random in all of them, and each net first
# brings the colours to a mean of about zero:

# %%
data = ck.images(PATH, size=32, valid="test", batch=data.train.size, augment=mirrored)
x, y = data.valid.first()
x, y = x.cpu().contiguous(), y.cpu()
ladder, learners = {}, {}


def climb(label, make, seed=1, lr=LR, epochs=EPOCHS):
    ck.seed(seed)
    net = make()
    learn = ck.Learner(data, net, ck.cross_entropy, metrics=[ck.accuracy], name="ladder")
    layers = ck.summary(net.cpu(), x[:1]).iloc[-1]
    net.to(learn.device)
    history = learn.fit(epochs, lr, name=f"{label} {seed}")
    return learn, {
        "accuracy": history[-1]["accuracy"],
        "seconds": sum(row["seconds"] for row in history),
        "parameters": int(layers.parameters),
        "multiply-adds": int(layers.multiply_adds),
    }


# %% [markdown] lang="en"
# **Rung 1: fully connected.** Take all 3,072 numbers of a picture, and connect each to each of forty
# units. Nothing in such a layer knows which dots are neighbours.


# %%
class Centre(nn.Module):
    def forward(self, x):
        return (x - 0.5) / 0.25


def fully_connected():
    hidden = nn.Linear(3 * 32 * 32, 40)
    return nn.Sequential(Centre(), nn.Flatten(), hidden, nn.ReLU(), nn.Linear(40, 10))


learners["fully connected"], ladder["fully connected"] = climb("fully connected", fully_connected)

# %% [markdown] lang="en"
# **Rung 2: convolutions.** The network of section 1. It has far fewer weights, since the same kernel
# serves everywhere. Will it be better or worse?


# %%
def ending(channels):
    return [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def convolutional():
    layers = [Centre()]
    layers += [nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(48, 96, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, *ending(96))


learners["convolutional"], ladder["convolutional"] = climb("convolutional", convolutional)

# %% [markdown] lang="en"
# The *layer table* says what each layer does to a picture, how many weights it has, and how many
# multiplications it takes. Where are the weights, and where is the work?

# %%
ck.summary(learners["convolutional"].model.cpu(), x[:1])

# %% [markdown] lang="en"
# Most of the weights sit in the last convolution, though it does no more work than the two before it:
# weights do not depend on the size of the maps, and work does.
#
# **Rung 3: refactored.** Nothing new is computed here. The four layers become one block that is used
# four times. It is a rung nevertheless: with blocks, the next ideas are changes of one line.


# %%
class Block(nn.Module):
    def __init__(self, inputs, outputs, stride=2, norm=None):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.norm = norm(outputs) if norm else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.norm(self.conv(x)))


def blocks(widths=(12, 24, 48, 96), norm=None, after=lambda channels: []):
    layers = [Centre()]
    for inputs, outputs in zip((3, *widths), widths, strict=False):
        layers += [Block(inputs, outputs, norm=norm), *after(outputs)]
    return nn.Sequential(*layers, *ending(widths[-1]))


# %%
ck.seed(1)
one = convolutional()
ck.seed(1)
other = blocks()
assert torch.equal(one(x), other(x))
learners["refactored"], ladder["refactored"] = climb("refactored", blocks)

# %% [markdown] lang="en"
# The same seed, the same weights, the same answers, to the last digit.
#
# **Rung 4: batch normalisation.** Behind each convolution, shift and scale each channel so that over
# the batch its mean is 0 and its standard deviation 1; then let the network choose a scale and a shift
# of its own. Training becomes easier, since no layer has to follow the drift of the one before it.
#
# At test time there may be one picture only. So the layer keeps *running statistics*: during training,
# a slow average of the means and variances that it met, and afterwards it uses those. Leaving this out
# is the classic mistake of those who write it themselves.


# %%
class BatchNorm(nn.Module):
    def __init__(self, channels, momentum=0.1, epsilon=1e-5):
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x):
        x = x.float()  # (B, C, H, W): averages need full precision
        mean, variance = self.measure(x) if self.training else (self.mean, self.variance)
        scale = self.scale / (variance + self.epsilon).sqrt()
        return x * scale[:, None, None] + (self.shift - mean * scale)[:, None, None]


# %%
def measure(self, x):
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    count = x.numel() / x.shape[1]  # numbers per channel
    unbiased = variance.detach() * count / (count - 1)
    self.mean.lerp_(mean.detach(), self.momentum)  # a tenth of the way to the new value
    self.variance.lerp_(unbiased, self.momentum)
    return mean, variance


BatchNorm.measure = measure

# %% [markdown] lang="en"
# Equal to torch's? While training, in what it keeps, and afterwards, also for one single picture:

# %%
ours, theirs = BatchNorm(3), nn.BatchNorm2d(3)
for start in range(0, 24, 8):
    assert torch.allclose(ours(x[start : start + 8]), theirs(x[start : start + 8]), atol=1e-5)
assert torch.allclose(ours.mean, theirs.running_mean, atol=1e-5)
assert torch.allclose(ours.variance, theirs.running_var, atol=1e-5)
ours.eval(), theirs.eval()
assert torch.allclose(ours(x[:1]), theirs(x[:1]), atol=1e-5)
print("while training, in what is kept, and for one picture afterwards: equal to torch's")


# %%
def normalised():
    return blocks(norm=BatchNorm)


learners["batch norm"], ladder["batch norm"] = climb("batch norm", normalised)

# %% [markdown] lang="en"
# **Rung 5: deeper.** If four layers are good, sixteen must be better? Behind each block come three more
# that keep the size.

# %%
norm = nn.BatchNorm2d  # torch's from now on: the same numbers, but faster


def deeper():
    return blocks(norm=norm, after=lambda c: [Block(c, c, 1, norm) for _ in range(3)])


learners["deeper"], ladder["deeper"] = climb("deeper", deeper)

# %% [markdown] lang="en"
# Seven times as many weights, several times the work, and what did it bring? In principle the
# deep net can do whatever the shallow one can: the new layers only have to pass on what they get. But
# passing on is hard to learn for a layer that begins with random weights.
#
# **Rung 6: the residual block.** So let passing on be what a layer does when it has learned nothing: add
# its input to its output. The layer then has to learn only what is to be *changed*, the residual. One
# plus sign, no further weight. What will it bring?


# %%
class Residual(Block):
    def __init__(self, channels):
        super().__init__(channels, channels, 1, norm)

    def forward(self, x):
        return x + super().forward(x)


def residual(widths=(12, 24, 48, 96), count=3):
    return blocks(widths, norm, after=lambda c: [Residual(c) for _ in range(count)])


learners["residual"], ladder["residual"] = climb("residual", residual)
assert ladder["residual"]["parameters"] == ladder["deeper"]["parameters"]

# %% [markdown] lang="en"
# **Rung 7: wider**, more channels with fewer blocks. Twice the channels mean four times the work in a
# layer, so we take a little less than twice:


# %%
def wider():
    return residual((20, 40, 80, 160), count=1)


learners["wider"], ladder["wider"] = climb("wider", wider)

# %% [markdown] lang="en"
# **Test-time augmentation**, as in lesson 1: the mirrored picture is shown as well, and the scores are
# averaged. It costs no training.

# %%
learn = learners["wider"]
found = learn.predict(tta=4)
right = (found.scores.argmax(1) == found.targets).float().mean().item()
ladder["wider, averaged (TTA)"] = ladder["wider"] | {"accuracy": right, "seconds": float("nan")}
table = pd.DataFrame(ladder).T
whole = dict.fromkeys(("parameters", "multiply-adds"), "{:,.0f}".format)
print(table.to_string(formatters=whole | {"accuracy": "{:.3f}".format, "seconds": "{:.1f}".format}))

# %%
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
axis.barh(table.index[::-1], table["accuracy"][::-1], color="#0072B2")
axis.axvline(0.1, color="#767676", linestyle="--")
axis.text(0.11, len(table) - 0.45, "guessing", color="#555555", va="center")
axis.set(xlabel="accuracy on the test pictures", xlim=(0, 1));
# %% [markdown] lang="en"
# Read it from the top down. Which step brought most for the least work? And which cost a lot and
# brought little? One run proves little, so here is a cheap rung with three seeds:

# %%
seeds = [ladder["batch norm"]["accuracy"]]
seeds += [climb("batch norm", normalised, seed=seed)[1]["accuracy"] for seed in (2, 3)]
print(f"batch norm: {np.mean(seeds):.3f} ± {np.std(seeds):.3f}")

# %% [markdown] lang="en"
# Differences in the table that are not larger than this spread mean nothing. The step from *deeper* to
# *residual* is one that holds: a test of this course repeats it with three seeds.
#
# Where is the best network wrong?

# %%
ck.results(learn).show_confusion();

# %% [markdown] lang="en"
# ## 4 · Looking inside: which units are alive?
#
# The table says *that* the plain convolutional net learns slowly, not *why*. So let us listen while it
# trains. After each step we note, for every ReLU, the mean of what it gives, the spread, and the share
# of exact zeros. Zeros are what a ReLU makes of negative numbers, so about half is healthy. A unit that
# gives zero for every picture is *dead*: its gradient is zero too, and it will hardly come back.


# %%
def listen(label, make, lr):
    ck.seed(1)
    heard = ck.ActivationStatistics()
    learn = ck.Learner(data, make(), ck.cross_entropy, metrics=[ck.accuracy], name="listen")
    learn.fit(1, lr, schedule=ck.constant, callbacks=[heard], name=label)
    return learn, heard.statistics


runs = {
    "plain": listen("plain", blocks, LR),
    "plain, rate 20 times as high": listen("plain, high rate", blocks, 20 * LR),
    "batch norm, rate 20 times as high": listen("batch norm, high rate", normalised, 20 * LR),
}

# %%
figure, axes = plt.subplots(2, 3, figsize=(9.8, 5), sharex=True, sharey="row", layout="constrained")
for (label, (_, statistics)), column in zip(runs.items(), axes.T, strict=True):
    column[0].set_title(label.replace(", ", ",\n"))
    for (name, values), line in zip(statistics.items(), ("-", "--", "-.", ":"), strict=True):
        column[0].plot(values[:, 1], line, label=f"layer {name.split('.')[0]}")
        column[1].plot(values[:, 2], line)
    column[1].set(xlabel="training step", ylim=(0, 1.02))
axes[0, 0].set_ylabel("spread of the outputs")
axes[0, 0].set_yscale("symlog", linthresh=0.1)
axes[0, 0].set_ylim(bottom=0)
axes[1, 0].set_ylabel("share of zeros")
axes[1, 0].legend(*axes[0, 0].get_legend_handles_labels(), loc="lower right");


# %%
@torch.no_grad()
def dead_units(learn):
    names = [name for name, part in learn.model.named_modules() if isinstance(part, nn.ReLU)]
    with ck.capture(learn.model, names) as outputs:
        learn.model(torch.cat([x for x, _ in data.valid])[:512])
    return {name: (out.amax((0, 2, 3)) <= 0).float().mean().item() for name, out in outputs.items()}


for label, (learn, _) in runs.items():
    shares = ", ".join(f"{share:.0%}" for share in dead_units(learn).values())
    print(f"{label:36} accuracy {learn.history[-1]['accuracy']:.3f}, dead units a layer: {shares}")

# %% [markdown] lang="en"
# In words: on the left is the plain net at a fitting rate. At the first steps the spread falls from layer
# to layer: the deeper the layer, the less reaches it. In the middle, at a rate twenty times as high, whole
# layers die within a few steps, and the net can do no better than guess. On the right, batch norm sets
# the spread of the early layers near one from the first step on, and most of their units stay alive. But
# a rate that is far too high it cannot mend: units of the last layer die here too. What batch norm
# buys is not a better network in principle, but one that is easier to train at a fitting rate.
#
# ## 5 · Three small tricks of residual networks
#
# **Zero-start.** A residual block can begin as exactly nothing: set the scale of its batch norm to zero.
# At the start the deep net then *is* the shallow one, and each block joins in as it learns something:

# %%
ck.seed(1)
block = Residual(12)
nn.init.zeros_(block.norm.weight)
maps = torch.randn(2, 12, 16, 16)
assert torch.equal(block(maps), maps)
print("a block that starts at zero passes on exactly what it gets")


# %% [markdown] lang="en"
# With a dozen layers that changes little; with a hundred it is what makes the first epochs go well.
#
# **Shortcuts of 1 by 1.** `x + f(x)` needs both of one shape. Where a block changes the number of channels
# or halves the size, the shortcut gets a convolution with a kernel of one dot: a small matrix product at
# every place, and nothing else.

# %%
shortcut = nn.Conv2d(12, 24, 1, stride=2, bias=False)
by_hand = torch.einsum("oc,bchw->bohw", shortcut.weight[:, :, 0, 0], maps[:, :, ::2, ::2])
assert torch.allclose(shortcut(maps), by_hand, atol=1e-5)
print(tuple(maps.shape), "becomes", tuple(by_hand.shape))

# %% [markdown] lang="en"
# **Bottleneck.** A 3x3 convolution from 256 channels to 256 is expensive. Cheaper: with a 1x1 down to 64,
# the 3x3 there, and with a 1x1 back up. How many times fewer weights are that?

# %% tags=["nbval-check-output"]
narrow = [(256, 64, 1), (64, 64, 3), (64, 256, 1)]
layers = nn.Sequential(*[nn.Conv2d(i, o, k, padding=k // 2, bias=False) for i, o, k in narrow])
direct = nn.Conv2d(256, 256, 3, padding=1, bias=False)
counts = [ck.summary(part, torch.zeros(1, 256, 8, 8)).iloc[-1] for part in (direct, layers)]
for label, count in zip(("direct", "bottleneck"), counts, strict=True):
    print(f"{label:11} {count.parameters:9,} weights {count.multiply_adds:12,} multiply-adds")

# %% [markdown] lang="en"
# ## 6 · The fast recipe
#
# How far does this go on the real CIFAR-10? People have made a sport of passing 94 % on its test pictures
# in as little time as possible; the record stands below three seconds on one large GPU (arXiv
# 2404.00498). The recipe that they share is a residual or plain convolutional net with batch norm and
#
# * the whole data set as one tensor on the device, so that a batch is one index;
# * every batch mirrored and shifted at once: reflect four dots around, cut 32 by 32 out at random;
# * one cycle of the learning rate, with SGD and a strong weight decay;
# * *label smoothing*: ask for a little less than certainty;
# * half precision and `channels_last`, the order of numbers in memory that convolutions like.
#
# You know every item but the shift. `Batches` and the learner already keep the data on the device and
# use half precision where there is a GPU. The shift in six lines:


# %%
def shifted(x, by=4):
    count, side = len(x), x.shape[-1]
    windows = F.pad(mirrored(x), [by] * 4, mode="reflect").unfold(2, side, 1).unfold(3, side, 1)
    rows, columns = torch.randint(0, 2 * by + 1, (2, count), device=x.device)
    return windows[torch.arange(count, device=x.device), :, rows, columns]


one = torch.as_tensor(np.asarray(data.train.inputs[places[2]]))
ck.seed(1)
ck.show_versions(shifted, one.numpy());


# %%
def fast_net(width):
    def pair(inputs, outputs, residual):
        down = [Block(inputs, outputs, 1, norm), nn.MaxPool2d(2)]
        return down + [Residual(outputs), Residual(outputs)] * residual

    layers = [Centre(), Block(3, width, 1, norm)]
    layers += pair(width, 2 * width, True) + pair(2 * width, 4 * width, False)
    layers += pair(4 * width, 4 * width, True)
    last = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10)]
    return nn.Sequential(*layers, *last).to(memory_format=torch.channels_last)


# %%
width, epochs, fast_lr, decay = ck.by_edition(
    PATH, full=(64, 20, 0.2, 5e-4), sample=(8, 4, 0.05, 5e-4), trial=(8, 1, 0.05, 5e-4)
)
quickly = ck.Data(data.train.subset(range(data.train.examples)), data.valid, classes=data.classes)
quickly.train.augment = shifted
ck.seed(1)
fast = ck.Learner(
    quickly, fast_net(width), ck.cross_entropy, metrics=[ck.accuracy], optimizer="sgd", name="fast"
)
fast.fit(epochs, fast_lr, weight_decay=decay, callbacks=[ck.LabelSmoothing(0.1)], name="fast");
# %% [markdown] lang="en"
# The same program at its full size, for a GPU and for all of CIFAR-10, is `tests/benchmarks/cifar.py`.
# On a few thousand drawings and a processor it is eight times narrower, and what you see above is a
# sketch of the recipe rather than its result.
#
# **What goes wrong.** Three ways to spoil a training from nothing, each run for real. Which number do you
# expect from each?

# %%
for label, lr in {"a hundred times too low": LR / 100, "far too high": 200 * LR}.items():
    _, row = climb(label, normalised, lr=lr, epochs=1)
    print(f"{label:24} accuracy {row['accuracy']:.3f}")


# %%
@torch.no_grad()
def forgetful(net, pictures):
    net.train()  # batch norm measures the batch at hand, as it does without running statistics
    return net(pictures).argmax(1)


import copy

net = copy.deepcopy(learners["wider"].model).cpu()
rows = torch.arange(data.valid.examples).argsort(stable=True)[: 4 * 64]
some = data.valid.subset(rows[data.valid.targets[rows].argsort(stable=True)])
pictures = torch.cat([batch.cpu() for batch, _ in some.in_order()])
guess = torch.cat([forgetful(net, part) for part in pictures.split(32)])
print(f"batch statistics, class by class: {(guess == some.targets).float().mean():.3f}")
guess = net.eval()(pictures).argmax(1)
print(f"running statistics:               {(guess == some.targets).float().mean():.3f}")

# %% [markdown] lang="en"
# The last pair is one network with the same weights. Without running statistics its answer to a picture
# depends on which other pictures happen to be in the batch, and a batch that holds one class only takes
# away what distinguishes this class.
#
# Keep the best one, and use it on one new picture:

# %%
models = PATH.parent.parent / "models"
file = learners["wider"].save(models / "lesson7.safetensors")
again = ck.Learner(data, wider(), ck.cross_entropy, checkpoints=False)
again.load(file)
with torch.no_grad():
    shares = again.model.eval()(x[:1].to(again.device)).softmax(1)[0]
best = {data.classes[k]: f"{shares[k]:.2f}" for k in shares.argsort(descending=True)[:3].tolist()}
print(best, "and it is", data.classes[int(y[0])])

# %% [markdown] lang="en"
# ## 7 · Back to lesson 1: where is the cat?
#
# The network of lesson 1 says "cat". But what in the picture made it say so: the cat, or the cushion? We
# train its head once more. The last step of the body is a stack of small *maps*; pooling takes the
# average of each. This time the head is one single linear layer on these averages:

# %%
PETS = ck.fetch("dogscats")
size = ck.by_edition(PETS, full=224, sample=80)
architecture = ck.architecture(PETS, full="resnet34", sample="drawings")
pets = ck.images(PETS, size=size)


class AverageHead(nn.Module):
    def __init__(self, channels, classes=2):
        super().__init__()
        self.channels, self.linear = channels, nn.Linear(channels, classes)

    def forward(self, pooled):  # (B, 2 * channels): averages, then maxima, as lesson 1 pools
        return self.linear(pooled[:, : self.channels])


# %%
def train_pets(seed):
    ck.seed(seed)
    learn = ck.image_learner(pets, architecture, precompute=True)
    learn.model.head = AverageHead(learn.model.head[0].num_features // 2).to(learn.device)
    learn.groups = learn.model.layer_groups()
    learn.fit(5, lr=0.02, name=f"average head {seed}")
    return learn


learn = train_pets(1)
model = learn.model.eval()

# %% [markdown] lang="en"
# **Hooks.** We need the maps, which are gone by the time the scores come out. A *hook* is a function that
# torch calls when a layer has done its work. This one keeps what the layer gave:


# %%
class Keep:
    def __init__(self, layer):
        self.handle = layer.register_forward_hook(self.keep)

    def keep(self, layer, inputs, output):
        self.output = output

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.handle.remove()  # or it would be called for ever


# %%
cats, dogs = (int((pets.valid.targets == k).nonzero()[3]) for k in (0, 1))
x, y = next(iter(pets.valid.subset([cats, dogs])))
with Keep(model.body) as kept, torch.no_grad():
    scores = model(x)
maps = kept.output  # (2, C, h, w)
print(tuple(maps.shape), "maps,", scores.softmax(1).cpu().numpy().round(3).tolist(), pets.classes)

# %% [markdown] lang="en"
# **The class activation map.** The score of "cat" is a weighted sum of the averages of all maps. Sums may
# be taken in any order: so weight the maps first, at every place, and average afterwards. Before the
# average is taken, we have a picture: how much each place speaks for "cat". That is all there is to
# it (arXiv 1512.04150).

# %%
weights, bias = model.head.linear.weight.detach(), model.head.linear.bias.detach()
cam = torch.einsum("kc,bchw->bkhw", weights, maps)  # (B, classes, h, w)
assert torch.allclose(cam.mean((2, 3)) + bias, scores, atol=1e-4)
print(cam[0, 0].cpu().numpy().round(1))

# %% [markdown] lang="en"
# The average of this little table, plus the bias, is the score of "cat", as the assertion says. Laid over
# the picture, enlarged smoothly, bright where it speaks for the class that is there:

# %%
heat = [cam[k, k].clamp(min=0) for k in (0, 1)]
ck.show_heat([x[0], x[1]], heat, titles=[f"for {name}" for name in pets.classes], height=2.4);

# %% [markdown] lang="en"
# **Grad-CAM.** The map above needs a head of one linear layer, and it exists for the last layer only. For
# any other layer and any head, ask the gradient: how does the score change when a map of this layer
# changes? The mean of that over all places takes the role of the weight (arXiv 1610.02391).


# %%
def grad_cam(model, x, target, layer):
    x = x.clone().requires_grad_(True)  # the body is frozen, so the gradient must start here
    with Keep(model.get_submodule(layer)) as kept:
        scores = model(x)
    (gradient,) = torch.autograd.grad(scores[:, target].sum(), kept.output)
    weights = gradient.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
    return (weights * kept.output).sum(1).relu().detach()  # (B, h, w)


ours = grad_cam(model, x, 0, "body")
places = maps.shape[2] * maps.shape[3]
assert torch.allclose(ours, cam[:, 0].relu() / places, atol=1e-5)
assert torch.allclose(ours, ck.heat_map(model, x, 0, layer="body"), atol=1e-5)
print("in the last layer Grad-CAM is the class activation map, divided by the number of places")

# %% [markdown] lang="en"
# Why divided? The average shares each weight out over all places. The function `ck.heat_map` does the same
# as yours, and the tests of the course hold it against captum, a library made for such maps.
#
# **Both animals in one picture.** The network was never shown such a picture, and it must choose. But the
# map can be asked for each class. Where will "cats" be hot, where "dogs"?

# %%
both = torch.cat([x[0], x[1]], dim=2)[None]  # (1, 3, size, 2 * size)
with torch.no_grad():
    shares = model(both).softmax(1)[0].tolist()
heat = [ck.heat_map(model, both, k, layer="body")[0] for k in (0, 1)]
names = [f"{name} {share:.2f}" for name, share in zip(pets.classes, shares, strict=True)]
ck.show_heat([both[0], both[0]], heat, titles=names, columns=2, height=2.2);
# %%
for name, one in zip(pets.classes, heat, strict=True):
    half = one.shape[1] / 2
    left = one[:, : int(half)].sum() + one[:, int(half)].sum() * (half % 1)
    print(f"{name}: {left / one.sum().clamp(min=1e-9):.0%} of its heat in the left half")

# %% [markdown] lang="en"
# ## 8 · Does the map tell the truth?
#
# Heat maps convince by looking good, which is dangerous. Where we know what is true, we can measure. The
# drawings of the sample come with the outline of the animal. So take all validation pictures that the
# network names rightly, and ask: does the *peak* of the map lie on the animal?
#
# And again a baseline that needs no network: a peak that is always in the middle of the picture. What do you
# expect from it?

# %%
pictures = torch.cat([batch for batch, _ in pets.valid])
truth = PETS / "truth"
outlines = None
if truth.exists():  # nobody has drawn outlines on the photographs
    files = [truth / name.replace(".jpg", ".png") for name in pets.valid.names]
    outlines = [np.asarray(ck.read_picture(file, size=size))[:, :, 0] > 127 for file in files]
    outlines = torch.as_tensor(np.stack(outlines))  # (N, size, size)
    print(f"the animal covers {outlines.float().mean():.0%} of a picture on average")


# %%
def heat_of(model, layer, pooled=True):
    parts = [
        ck.heat_map(model, part, layer=layer, pooled=pooled).cpu() for part in pictures.split(64)
    ]
    return torch.cat(parts)  # (N, h, w), for the class that the network names


def judge(heat, right, outlines):
    large = ck.enlarge(heat, size)
    peak = large.flatten(1).argmax(1)
    hit = outlines.flatten(1).gather(1, peak[:, None])[:, 0]
    inside = (large * outlines).sum((1, 2)) / large.sum((1, 2)).clamp(min=1e-9)
    return hit[right].float().mean().item(), inside[right].mean().item()


# %% [markdown] lang="en"
# Which layers are there to ask? The last one of each size of maps:

# %%
parts = [f"body.{name}" for name, _ in model.body.named_children()]
with ck.capture(model, parts) as given, torch.no_grad():
    found = torch.cat([model(part).cpu() for part in pictures.split(64)])
layers = list({maps.shape[-1]: name for name, maps in given.items()}.values())[-3:]
right = found.argmax(1) == pets.valid.targets
print({name: tuple(given[name].shape[1:]) for name in layers}, f"{right.float().mean():.3f} right")

# %% [markdown] lang="en"
# There is a second way to weight. Grad-CAM takes the mean gradient of a channel and forgets where in the
# map it was. Where many places are left, that loses much: at one place a channel may speak for "cat", at
# another against it. So multiply place by place, `pooled=False` (arXiv 2011.08891). In the last layer
# before an average both are the same thing; why?

# %%
judged = {}
if outlines is not None:
    rows = torch.arange(len(outlines))
    judged["always the middle"] = outlines[right, size // 2, size // 2].float().mean().item(), None
    for layer in layers:
        for pooled, how in ((True, "mean gradient"), (False, "place by place")):
            judged[f"{layer}, {how}"] = judge(heat_of(model, layer, pooled), right, outlines)
pd.DataFrame(judged, index=["peak on the animal", "heat inside"]).T.round(3)

# %% [markdown] lang="en"
# The first line is the surprise: the middle of the picture is nearly always on the animal. So is a map
# worth little unless it beats that. The last layer hardly does: its maps are so coarse that a peak at
# the edge of a cell may fall beside the animal. An earlier layer, weighted place by place, does.
#
# One number from one network is no claim. Three networks, and beside them a network that has learned
# nothing: if its map looked as good, the map would show edges, not reasons (arXiv 1810.03292).

# %%
if outlines is not None:
    finest, peaks = layers[0], []
    for seed in (1, 2, 3):
        net = train_pets(seed).model.eval()
        with torch.no_grad():
            rows = torch.cat([net(part).cpu().argmax(1) for part in pictures.split(64)])
        own = rows == pets.valid.targets
        peaks.append(judge(heat_of(net, finest, pooled=False), own, outlines)[0])
    print(f"peak on the animal: {np.mean(peaks):.3f} ± {np.std(peaks):.3f}, layer {finest}")

# %%
ck.seed(1)
untrained = ck.image_learner(pets, architecture, pretrained=False, checkpoints=False).model.eval()
if outlines is not None:
    everything = torch.ones_like(right)
    peak, inside = judge(heat_of(untrained, layers[0], pooled=False), everything, outlines)
    print(f"a network of random weights: peak {peak:.3f}, heat inside {inside:.3f}")

# %% [markdown] lang="en"
# Look at them, at least a dozen, and not the best ones:

# %%
order = np.random.default_rng(0).permutation(np.flatnonzero(right.numpy()))[:12]
x, y = next(iter(pets.valid.subset(order)))
heat = ck.heat_map(model, x, layer=layers[0], pooled=False)
ck.show_heat(list(x), list(heat), titles=[pets.classes[k] for k in y.tolist()]);

# %% [markdown] lang="en"
# **The deletion test.** Without outlines we can still ask whether what is hot *matters*. Paint over the
# hottest fifth of the picture with its mean colour: how far does the probability fall? Against it, a fifth
# taken at random in patches of the same kind. On which side do you expect the larger fall?


# %%
def without(x, heat, share=0.2):
    large = ck.enlarge(heat, x.shape[-2:]).flatten(1)
    count = round(share * large.shape[1])
    hot = torch.zeros_like(large).scatter(1, large.topk(count).indices, 1.0)
    hot = hot.view(len(x), 1, *x.shape[-2:])
    return x * (1 - hot) + x.mean((2, 3), keepdim=True) * hot


@torch.no_grad()
def probability(model, x, target):
    return model(x).softmax(1).gather(1, target[:, None])[:, 0]


# %%
ck.seed(1)
chosen = np.flatnonzero(right.numpy())[:: max(1, int(right.sum()) // 128)]
x, y = next(iter(ck.Batches(pictures[chosen].cpu(), pets.valid.targets[chosen], size=len(chosen))))
before = probability(model, x, y)
random = torch.rand(len(x), 10, 10, device=x.device)
falls = {"random": (before - probability(model, without(x, random), y)).mean().item()}
for layer in layers:
    heat = ck.heat_map(model, x, layer=layer, pooled=False)
    falls[layer] = (before - probability(model, without(x, heat), y)).mean().item()
print({what: f"{fall:.3f}" for what, fall in falls.items()}, f"of {before.mean():.3f}")

# %%
heat = ck.heat_map(model, x[:6], layer=layers[-1])
painted = [one.cpu() for one in without(x[:6], heat)]
after = probability(model, without(x[:6], heat), y[:6]).tolist()
titles = [f"{a:.2f} to {b:.2f}" for a, b in zip(before[:6].tolist(), after, strict=True)]
ck.show_pictures(painted, titles=titles, columns=6);
# %% [markdown] lang="en"
# Above each picture is the probability before and after. Where it hardly falls, the network has other
# reasons left: a network rarely hangs on one spot.
#
# ## 9 · All layers, all classes
#
# The picture with both animals once more: a row for each class, a column for each layer. Early layers are
# fine and nervous, late ones calm and coarse.

# %%
ck.show_heat_grid(model, both[0], layers, pets.classes);
# %%
ck.show_heat_grid(model, both[0], layers, pets.classes, pooled=False);

# %% [markdown] lang="en"
# ## 10 · Before you go on
#
# **Exercises.** Predict first, then run.
#
# * **7.1** A picture of 96 by 96, a kernel of 5, padding 2, stride 3: what is the side of the result?
# * **7.2** How many layers of kernel 3 and stride 2 does it take until a unit sees at least 100 dots?
# * **7.3** How many weights, bias included, has `nn.Conv2d(48, 96, 3)`? And with `bias=False`?
# * **7.4** Write `batch_norm(x)` for (B, C, H, W) without scale, shift and memory. What does it give for a
#   channel that is 7 everywhere?
# * **7.5** A map has the weights 2 and -1 and two channels, whose values at one place are 3 and 5. What
#   does the class activation map say there? And what after the ReLU?
# * **7.6** For which layers are `pooled=True` and `pooled=False` the same with a linear head on averages?
#   Test it with `torch.allclose` on every layer in `layers`, and give the number of those that agree.
#
# **Do you know it?** Answer first, then open.
#
# <details><summary>Why does a convolution need fewer weights than a fully connected layer?</summary>
# The same small kernel serves at every place; a fully connected layer has its own weight for every dot
# and every unit.</details>
#
# <details><summary>What are the running statistics of batch norm for?</summary>
# So that at test time the answer to one picture does not depend on the others in its batch.</details>
#
# <details><summary>A deeper net trains worse than a shallow one. Is it overfitting?</summary>
# Look at the training loss: if that is worse too, it is not; the deep net is harder to train. A shortcut
# around its layers helps.</details>
#
# <details><summary>A unit is dead. What does that mean, and why does it stay so?</summary>
# Its ReLU gives zero for all pictures. Then its gradient is zero too, and nothing moves its weights.
# </details>
#
# <details><summary>The peaks of a map lie on the animal in 88 of 100 pictures. Is it a good map?</summary>
# Only beside a baseline. If the middle of the picture is on the animal as often, the map has shown
# nothing.</details>
#
# <details><summary>A heat map is hot on the cat. Does the network understand cats?</summary>
# It says that these dots moved the score. Whether for the reason that you have in mind, it does not
# say.</details>
#
# **On your own pictures.** In section 7 put in your own file: `picture = ck.read_picture("mine.jpg",
# size=size)`, then `x = torch.as_tensor(np.asarray(picture)).permute(2, 0, 1)[None] / 255`, and ask for the
# map of each class. Which picture fools the network, and what does the map say about it?
#
# **Sources.** Batch norm: arXiv 1502.03167. Residual networks: 1512.03385 and 1603.05027. Zero-start and
# one-cycle recipes: 1706.02677 and 1708.07120. Fast CIFAR-10: 2404.00498. Label smoothing: 1512.00567.
# Receptive fields: 1701.04128. Class activation maps: 1512.04150. Grad-CAM: 1610.02391. Place by place:
# 2011.08891. Sanity checks for such maps: 1810.03292. Deletion: 1806.07421. CIFAR-10: Krizhevsky, Learning
# Multiple Layers of Features from Tiny Images, 2009. Cats and dogs: Elson, Douceur, Howell and Saul, Asirra,
# CCS 2007.
#
# The text of this lesson is under CC BY 4.0, its code under the MIT licence.
