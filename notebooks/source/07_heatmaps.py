# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
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

# %% [markdown]
# ## 1 · The whole game, from nothing
#
# In lesson 1 somebody had trained most of the network before us. This time nothing is given: random
# numbers, some thousands of pictures, and ten kinds of things in them. The pictures are tiny, 32 by 32
# dots, as in CIFAR-10, the data set on which many ideas of this lesson were tried first.

# %%
import copy

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn

import coursekit as ck
from coursekit.visuals.style import COLORS, use_style

# %%
PATH = ck.fetch("cifar10")
mirrored = ck.Augment(rotate=0, zoom=1, brightness_contrast=0)  # left to right, half of the time
data = ck.images(PATH, size=32, valid="test", batch_size=ck.by_edition(PATH, full=128, sample=32))
data

# %%
places = [int((data.train.targets == k).nonzero()[0]) for k in range(10)]
ck.show_pictures([data.train.inputs[p] for p in places], titles=data.classes, columns=10);
# %% [markdown]
# Could you name them all? Here is a network of five layers. Each `Conv2d` moves small windows of
# numbers over the picture, as in section 7 of lesson 1; the last layer adds up what was found, with
# one score for each class. What share of the test pictures will it name rightly after a few epochs?
# Guessing gives one in ten.

# %%
ck.seed(1)
net = nn.Sequential(
    nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(24, 48, 3, stride=2, padding=1), nn.ReLU(),
    nn.Conv2d(48, 96, 3, stride=2, padding=1), nn.ReLU(),
    nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(96, 10),
)  # fmt: skip
learn = ck.Learner(data, net, ck.cross_entropy, metrics=[ck.accuracy])
sweep = learn.find_lr(lowest=1e-4, highest=1, steps=300)
ck.show_sweep(sweep);

# %% [markdown]
# The sweep of lesson 1, with more mini-batches, for a network from nothing is slow to get off the ground.
# Where is the loss lowest, and where is it back to where it began? The suggestion, a tenth of the rate at the lowest
# point, is the careful choice. We have few epochs, so we go nearer to the edge, and keep the same rate for
# every network that follows, so that they can be compared:

# %%
EPOCHS, LR = ck.by_edition(PATH, full=8, sample=4), 0.005
whole_game = learn.fit(EPOCHS, LR, name="whole game")

# %%
ck.show_history(whole_game);

# %% [markdown]
# Both losses fall together, and in the last epoch they still do. So nothing is learned by heart yet, and
# more epochs would help. We stop here all the same, and ask what a better *network* does with the same few.

# %% [markdown]
# That is a network from nothing. Is it any good? A baseline that needs no network: shrink
# each picture to 8 by 8 dots and give the 192 numbers to logistic regression.

# %%
from sklearn.linear_model import LogisticRegression


def thumbnails(part, most=3000):
    rows = list(range(0, part.num_examples, max(1, part.num_examples // most)))
    pixels = torch.as_tensor(part.inputs[rows]).permute(0, 3, 1, 2).float()
    return F.adaptive_avg_pool2d(pixels, 8).flatten(1).numpy() / 255, part.targets[rows]


simple = LogisticRegression(max_iter=1000, C=0.1).fit(*thumbnails(data.train))
plain = simple.score(*thumbnails(data.valid))
print(f"logistic regression {plain:.3f}, our network {whole_game[-1]['accuracy']:.3f}")

# %% [markdown]
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


# %% [markdown]
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
x, y = data.valid.one_batch()
x, y = x.cpu().contiguous(), y.cpu()
layer = nn.Conv2d(3, 12, 3)
for padding in (0, 1, 2):
    for stride in (1, 2, 3):
        ours = convolve(x[:4], layer.weight, layer.bias, padding, stride)
        theirs = F.conv2d(x[:4], layer.weight, layer.bias, stride, padding)
        assert torch.allclose(ours, theirs, atol=1e-5)
print("nine ways to move a kernel, all equal to torch's")

# %% [markdown]
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

# %% [markdown]
# Is that true? Ask the network: which dots of the picture move one unit in the middle of the third
# layer? Those whose *gradient* (how fast the unit's number changes with the dot) is not zero. We count how
# many columns they span:

# %%
plain_net = nn.Sequential(*[nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(3)])
pixels = torch.rand(1, 3, 64, 64, requires_grad=True)
plain_net(pixels)[0, 0, 4, 4].backward()
touched = pixels.grad[0].abs().sum(0) > 0  # (64, 64)
print(int(touched.any(0).sum()), "columns by", int(touched.any(1).sum()), "rows")
assert touched.any(0).sum() == receptive_field([(3, 2)] * 3)

# %% [markdown]
# **Play with it.** How wide does a unit see with four layers of stride 1? With two of stride 3? What does a
# *dilation* do, which leaves gaps between the numbers of a kernel, and a *pooling* behind each layer, which
# makes one number out of each 2 by 2? Guess first, then move the controls. On the right is one row of dots, and how the unit is made of them. (Without
# sliders: change the numbers in the call and run the cell again.)

# %%
picture = data.train.inputs[places[2]]
ck.explore.receptive_field(receptive_field, picture, kernel=3, stride=2, depth=4)

# %% [markdown]
# With stride 2 four layers see almost the whole picture; with stride 1 four layers see nine dots. Small
# pieces of an animal say something already; how they stand to each other is seen only by a unit that sees
# them all, and stride is the cheap way there. The explorer counts by the function that you have just
# held against the measured gradient.
#
# ## 3 · The ladder
#
# Every rung is one idea. All are trained in the same way, for the same number of epochs from the same
# seed, and go into one table. The pictures are mirrored at random in all of them, and each net first
# brings the colours to a mean of about zero:

# %%
data = ck.images(PATH, size=32, valid="test", batch_size=data.train.batch_size, augment=mirrored)
x, y = data.valid.one_batch()
x, y = x.cpu().contiguous(), y.cpu()
ladder = {  # 1,930 weights: 193 for each class; nobody timed them
    "guessing": {"accuracy": 1 / len(data.classes), "seconds": float("nan")},
    "logistic regression": {"accuracy": plain, "seconds": float("nan"), "parameters": 1930},
}
learners = {}


# %%
def climb(label, make, seed=1, lr=LR, epochs=EPOCHS):
    ck.seed(seed)
    net = make()
    learn = ck.Learner(data, net, ck.cross_entropy, metrics=[ck.accuracy], name="ladder")
    layers = ck.summary(net.cpu(), x[:1]).iloc[-1]
    net.to(learn.device)
    history = learn.fit(epochs, lr, name=f"{label} {seed}")
    return learn, {
        "accuracy": history[-1]["accuracy"],
        "seconds": epochs * min(row["seconds"] for row in history),  # the least disturbed epoch
        "parameters": int(layers.parameters),
        "multiply-adds": int(layers.multiply_adds),
    }


# %% [markdown]
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

# %% [markdown]
# **Rung 2: convolutions.** The network of section 1. It has less than half as many weights, since the
# same kernel serves everywhere. Will it be better or worse?


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

# %% [markdown]
# The *layer table* says what each layer does to a picture, how many weights it has, and how many
# multiplications it takes. Where are the weights, and where is the work?

# %%
ck.summary(learners["convolutional"].model.cpu(), x[:1])

# %% [markdown]
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


# %%
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

# %% [markdown]
# The same seed, the same weights, the same answers, to the last digit.
#
# **Rung 4: batch normalisation.** Behind each convolution, shift and scale each channel so that over
# the batch its mean is 0 and its standard deviation 1; then let the network choose a scale and a shift
# of its own. Training becomes easier. *Why* is not settled: its inventors thought that no layer has to
# follow the drift of the one before it any more; later measurements speak against that, and for a smoother
# loss (arXiv 1805.11604). *That* it helps, the table will show.
#
# At test time there may be one picture only. So the layer keeps *running statistics*: during training,
# a slow average of the means and variances that it met, and afterwards it uses those. Leaving this out
# is the classic mistake of those who write it themselves.


# %%
class Statistics(nn.Module):
    def __init__(self, channels, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def measure(self, x):
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        count = x.numel() / x.shape[1]  # numbers per channel
        unbiased = variance.detach() * count / (count - 1)
        self.mean.lerp_(mean.detach(), self.momentum)  # a tenth of the way to the new value
        self.variance.lerp_(unbiased, self.momentum)
        return mean, variance


# %%
class BatchNorm(Statistics):
    def __init__(self, channels, epsilon=1e-5):
        super().__init__(channels)
        self.epsilon = epsilon
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        x = x.float()  # (B, C, H, W): averages need full precision
        mean, variance = self.measure(x) if self.training else (self.mean, self.variance)
        scale = self.scale / (variance + self.epsilon).sqrt()
        return x * scale[:, None, None] + (self.shift - mean * scale)[:, None, None]


# %% [markdown]
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

# %% [markdown]
# **Play with it.** A net of eight small layers, once without batch norm and once with it. Its first weights
# are half as large as they should be. What becomes of the numbers from layer to layer, and can the net
# learn anything? Switch batch norm on. Then make the weights twice as large as they should be (scale 2),
# the net deeper, the rate higher. (Without sliders: `on=True`, `scale=2.0` and so on in the call.)

# %%
rows = np.linspace(0, data.train.num_examples - 1, 128).astype(int)
some = torch.as_tensor(np.asarray(data.train.inputs[rows])).permute(0, 3, 1, 2) / 255
ck.explore.batch_norm(BatchNorm, some, data.train.targets[rows], on=False, depth=8, scale=0.5)

# %% [markdown]
# Without batch norm the scale of the first weights decides everything: too small, and the later layers say
# the same of every picture; too large, and the numbers grow beyond all bounds. With it, the scale hardly
# matters. Now in our own net:


# %%
def normalised():
    return blocks(norm=BatchNorm)


learners["batch norm"], ladder["batch norm"] = climb("batch norm", normalised)

# %% [markdown]
# **Rung 5: deeper.** If four layers are good, sixteen must be better? Behind each block come three more
# that keep the size.

# %%
norm = nn.BatchNorm2d  # torch's from now on: the same numbers, but faster


def deeper():
    return blocks(norm=norm, after=lambda c: [Block(c, c, 1, norm) for _ in range(3)])


learners["deeper"], ladder["deeper"] = climb("deeper", deeper)

# %% [markdown]
# Seven times as many weights, eight times the work, and what did it bring? In principle the
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

# %% [markdown]
# Ours has one convolution inside, so that it differs from *deeper* by nothing but the plus sign. The block of
# the paper has two, and its last ReLU comes after the plus. Here it is, equal to the one that torchvision
# builds a resnet34 of:


# %%
class TwoConvolutions(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = norm(channels)

    def forward(self, x):
        inner = self.bn1(self.conv1(x)).relu()
        return (x + self.bn2(self.conv2(inner))).relu()


# %%
from torchvision.models.resnet import BasicBlock

ours, theirs = TwoConvolutions(12), BasicBlock(12, 12)
ours.load_state_dict(theirs.state_dict())  # the same names, so the same weights
maps = torch.randn(2, 12, 16, 16)
assert torch.equal(ours(maps), theirs(maps))
assert torch.equal(ours.eval()(maps), theirs.eval()(maps))
print("equal to torchvision's block, while training and afterwards")

# %% [markdown]
# **Rung 7: wider**, more channels with fewer blocks. Twice the channels mean four times the work in a
# layer, so we take a little less than twice:


# %%
def wider():
    return residual((20, 40, 80, 160), count=1)


learners["wider"], ladder["wider"] = climb("wider", wider)

# %% [markdown]
# **Test-time augmentation**, as in lesson 1: the mirrored picture is shown as well, and the scores are
# added up. It costs no training.

# %%
learn = learners["wider"]
net = learn.model.eval()
with torch.no_grad():
    hits = [(net(one) + net(one.flip(-1))).argmax(1) == truth for one, truth in data.valid]
right = torch.cat(hits).float().mean().item()
ladder["wider, mirrored too"] = ladder["wider"] | {"accuracy": right, "seconds": float("nan")}

# %%
table = pd.DataFrame(ladder).T.fillna({"parameters": 0, "multiply-adds": 0})
whole = dict.fromkeys(("parameters", "multiply-adds"), "{:,.0f}".format)
print(table.to_string(formatters=whole | {"accuracy": "{:.3f}".format, "seconds": "{:.1f}".format}))

# %%
with use_style():
    figure, axis = plt.subplots(figsize=(8, 3.8), layout="constrained")
    colours = [COLORS["grey"]] * 2 + [COLORS["blue"]] * (len(table) - 2)
    bars = axis.barh(table.index[::-1], table["accuracy"][::-1], color=colours[::-1])
    axis.bar_label(bars, fmt="%.3f", padding=3)
    axis.set(xlabel="accuracy on the test pictures", xlim=(0, 1))
    axis.grid(False)
best = table["accuracy"].idxmax()
print(f"highest: {best}, {table['accuracy'][best]:.3f}")

# %% [markdown]
# Grey are the two that need no network. Read it from the top down. Which step brought most for the
# least work? And which cost a lot and brought little? One run proves little, so here is a cheap rung
# with three seeds:

# %%
seeds = [ladder["batch norm"]["accuracy"]]
seeds += [climb("batch norm", normalised, seed=seed)[1]["accuracy"] for seed in (2, 3)]
print(f"batch norm: {np.mean(seeds):.3f} ± {np.std(seeds):.3f}")

# %% [markdown]
# Differences in the table that are not larger than this spread mean nothing. Is what the mirrored pictures
# add larger? A test of this course repeats the steps from *convolutional* to *batch norm*, from *deeper*
# to *residual* and from *batch norm* to *wider* with three seeds: these hold.
#
# Where is the best network wrong? Which two classes would you expect it to confuse?

# %%
results = ck.Results(learn)
results.show_confusion();

# %%
worst = results.top_losses(6)
titles = [f"{results.prediction(k)}\ntruly {data.classes[results.targets[k]]}" for k in worst]
ck.show_pictures([results.picture(row) for row in worst], titles=titles, columns=6);

# %% [markdown]
# These six cost it most: it gave the truth hardly a chance. Would you have known them?

# %% [markdown]
# ## 4 · Looking inside: which units are alive?
#
# The table says *that* the plain convolutional net learns slowly, not *why*. So let us listen while it
# trains. After each step we note, for every ReLU, the mean of what it gives, the spread, and the share
# of exact zeros. Zeros are what a ReLU makes of negative numbers: at the start it is about half of them. A
# unit that gives zero for *every* picture is *dead*: its gradient is zero too, and it will hardly come back.


# %%
def listen(label, make, lr):
    ck.seed(1)
    heard = ck.ActivationStatistics()
    learn = ck.Learner(data, make(), ck.cross_entropy, metrics=[ck.accuracy], name="listen")
    learn.fit(1, lr, schedule=ck.constant, callbacks=[heard], name=label)
    return learn, heard.statistics


runs = {
    "plain": listen("plain", blocks, LR),
    "plain, 20 times the rate": listen("plain, high rate", blocks, 20 * LR),
    "batch norm": listen("batch norm", normalised, LR),
    "batch norm, 20 times the rate": listen("batch norm, high rate", normalised, 20 * LR),
}


# %%
@use_style()
def show_inside(runs):
    grid = {"sharex": True, "sharey": "row", "layout": "constrained", "figsize": (10, 5.2)}
    figure, axes = plt.subplots(2, len(runs), **grid)
    for (label, (_, statistics)), column in zip(runs.items(), axes.T, strict=True):
        column[0].set_title(label.replace(", ", ",\n"))
        for (name, values), line in zip(statistics.items(), ("-", "--", "-.", ":"), strict=True):
            for axis, number in zip(column, (1, 2), strict=True):
                axis.plot(values[:, number], line, label=f"layer {name.split('.')[0]}")
    axes[0, 0].set_yscale("symlog", linthresh=0.1)
    axes[0, 0].set(ylabel="std of the outputs", ylim=(0, None))
    axes[1, 0].set(ylabel="fraction of zeros", ylim=(0, 1.02))
    for axis in axes[1]:
        axis.set_xlabel("training step")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


# %%
show_inside(runs)
for label, (_, statistics) in runs.items():
    std, zeros = list(statistics.values())[-1][-1][1:]
    print(f"{label:30} last layer in the end: std {std:.2f}, {zeros:.0%} zeros")


# %%
@torch.no_grad()
def dead_units(learn):
    names = [name for name, part in learn.model.named_modules() if isinstance(part, nn.ReLU)]
    with ck.hook_outputs(learn.model, names) as outputs:
        learn.model(torch.cat([x for x, _ in data.valid])[:512])
    return {name: (out.amax((0, 2, 3)) <= 0).float().mean().item() for name, out in outputs.items()}


for label, (learn, _) in runs.items():
    dead = ", ".join(f"{part:.0%}" for part in dead_units(learn).values())
    print(f"{label:36} accuracy {learn.history[-1]['accuracy']:.3f}, dead units a layer: {dead}")

# %% [markdown]
# In words, from left to right. The plain net at a fitting rate: at the first steps the spread falls from
# layer to layer, so the deeper the layer, the less reaches it. In the end most numbers are zeros, and many
# units of the last layer are dead: they are paid for and do nothing. At twenty times the rate whole
# layers die within a few steps, and the net can do no better than guess.
#
# With batch norm at the fitting rate the spread of all layers is alike from the first step on, behind the
# ReLU a little above one half (it is 1 before the ReLU cuts the negative ones off), and hardly a unit dies.
# At twenty times the rate this net, too, only guesses: units of its last layer die. So batch norm does not
# mend a rate that is far too high. It makes a net easier to train at a fitting one.
#
# ## 5 · Three small tricks of residual networks
#
# **Zero-start.** A residual block can begin as exactly nothing: set the scale of its batch norm to zero.
# At the start the deep net then *is* the shallow one, and each block joins in as it learns something:

# %%
ck.seed(1)
block = Residual(12)
nn.init.zeros_(block.norm.weight)
assert torch.equal(block(maps), maps)
print("a block that starts at zero passes on exactly what it gets")


# %% [markdown]
# It was proposed for nets of fifty layers and more (arXiv 1706.02677). None of ours is as deep, so we only
# note it: the larger the net, the more it matters how it begins.
#
# **Shortcuts of 1 by 1.** `x + f(x)` needs both of one shape. Where a block changes the number of channels
# or halves the size, the shortcut gets a convolution with a kernel of one dot: a small matrix product at
# every place, and nothing else.

# %%
shortcut = nn.Conv2d(12, 24, 1, stride=2, bias=False)
by_hand = torch.einsum("oc,bchw->bohw", shortcut.weight[:, :, 0, 0], maps[:, :, ::2, ::2])
assert torch.allclose(shortcut(maps), by_hand, atol=1e-5)
print(tuple(maps.shape), "becomes", tuple(by_hand.shape))

# %% [markdown]
# **Bottleneck.** A 3x3 convolution from 256 channels to 256 is expensive. Cheaper: with a 1x1 down to 64,
# the 3x3 there, and with a 1x1 back up. How many times fewer weights is that?

# %% tags=["nbval-check-output"]
narrow = [(256, 64, 1), (64, 64, 3), (64, 256, 1)]
layers = nn.Sequential(*[nn.Conv2d(i, o, k, padding=k // 2, bias=False) for i, o, k in narrow])
direct = nn.Conv2d(256, 256, 3, padding=1, bias=False)
counts = [ck.summary(part, torch.zeros(1, 256, 8, 8)).iloc[-1] for part in (direct, layers)]
for label, count in zip(("direct", "bottleneck"), counts, strict=True):
    print(f"{label:11} {count.parameters:9,} weights {count.multiply_adds:12,} multiply-adds")

# %% [markdown]
# ## 6 · The fast recipe
#
# How far does this go on the real CIFAR-10? People have made a sport of passing 94 % on its test pictures
# in as little time as possible: a paper of 2024 did it in 3.29 seconds on one large GPU (arXiv
# 2404.00498), and it has been done faster since. The recipe that they share is a residual or plain convolutional net with batch norm and
#
# * the whole data set as one tensor on the device, so that a batch is one index;
# * every batch mirrored and shifted at once: reflect four dots around, cut 32 by 32 out at random;
# * one cycle of the learning rate, with *SGD* (gradient descent, a mini-batch a step) and a strong weight
#   decay;
# * *label smoothing*: ask for a little less than certainty;
# * *half precision*, numbers of 16 bits in place of 32, and `channels_last`, the order of numbers in memory that convolutions like.
#
# The cycle and the mirroring are those of lesson 1. *Weight decay* pulls every weight a little towards zero
# at each step. `Batches` and the learner already keep the data on the device and use half precision where
# there is a GPU. The shift in five lines:


# %%
def shifted(x, by=4):
    count, side = len(x), x.shape[-1]
    windows = F.pad(mirrored(x), [by] * 4, mode="reflect").unfold(2, side, 1).unfold(3, side, 1)
    rows, columns = torch.randint(0, 2 * by + 1, (2, count), device=x.device)
    return windows[torch.arange(count, device=x.device), :, rows, columns]


one = torch.as_tensor(np.asarray(data.train.inputs[places[2]]))
ck.seed(1)
ck.show_augmentations(shifted, one.numpy());


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
    PATH, full=(64, 20, 0.2, 5e-4), sample=(8, 4, 0.05, 5e-4), quick=(8, 1, 0.05, 5e-4)
)
whole = data.train.subset(range(data.train.num_examples))
quickly = ck.Data(whole, data.valid, classes=data.classes)
quickly.train.augment = shifted
ck.seed(1)
fast = ck.Learner(
    quickly, fast_net(width), ck.cross_entropy, metrics=[ck.accuracy], optimizer="sgd", name="fast"
)
fast.fit(epochs, fast_lr, weight_decay=decay, callbacks=[ck.LabelSmoothing(0.1)], name="fast");
# %% [markdown]
# A sharper version of the recipe, for a GPU and all of CIFAR-10, is `tests/benchmarks/cifar.py`. On the
# drawings of the sample and on a processor the net is eight times narrower, and what you see above is a
# sketch of the recipe rather than its result.
#
# **What goes wrong.** Four ways to spoil a training from nothing, each run for real. The first is the rate.
# One epoch each, from the same start; which number do you expect from each?

# %%
# %%capture
rates = {"a hundred times too low": LR / 100, "fitting": LR, "200 times too high": 200 * LR}
first = {label: climb(label, normalised, lr=lr, epochs=1)[1] for label, lr in rates.items()}

# %%
for label, row in first.items():
    print(f"{label:24} accuracy {row['accuracy']:.3f} after one epoch")

# %% [markdown]
# **Too many epochs, and a leak.** Now something that happens in earnest: test pictures have slipped into
# the training part. To see it quickly we take few: 300 training pictures, and 600 test pictures, of which
# every other one has slipped in. We train on these again and again. What will the losses do? And how right is the net on the test pictures that it has seen, and on the others?

# %%
seen = torch.arange(0, data.valid.num_examples, 2)[:300]
fresh = torch.arange(1, data.valid.num_examples, 2)[:300]
few = torch.linspace(0, data.train.num_examples - 1, 300).long()
inputs = np.concatenate([np.asarray(data.train.inputs[few]), np.asarray(data.valid.inputs[seen])])
targets = torch.cat([data.train.targets[few], data.valid.targets[seen]])
mixed = ck.Batches(inputs, targets, batch_size=32, shuffle=True, transform=data.train.transform)
leaky = ck.Data(mixed, data.valid.subset(fresh), classes=data.classes)

# %%
# %%capture
ck.seed(1)
leaking = ck.Learner(leaky, normalised(), ck.cross_entropy, metrics=[ck.accuracy], name="leak")
long_history = leaking.fit(ck.by_edition(PATH, full=20, sample=20), LR, name="too long")

# %%
ck.show_history(long_history)
for label, rows in {"seen in training": seen, "never seen": fresh}.items():
    found = leaking.predict(data.valid.subset(rows))
    right = (found.scores.argmax(1) == found.targets).float().mean()
    print(f"test pictures {label:17} accuracy {right:.3f}")

# %% [markdown]
# The training loss goes on falling when the other has long stopped: the net knows its pictures by heart. On
# test pictures that it has seen it looks almost perfect, and that says nothing about new ones. Whoever had
# measured on all 600 would have believed a number in between. So check that no picture stands
# in both parts; `ck.near_duplicates` of lesson 1 looks for them.
#
# **Without running statistics.** What if we leave them out, and measure the batch at hand also at test time?


# %%
@torch.no_grad()
def forgetful(net, pictures):
    spoiled = copy.deepcopy(net).train()  # batch norm measures the batch at hand, and a copy of
    return spoiled(pictures).argmax(1)  # the net forgets it again


net = copy.deepcopy(learners["wider"].model).cpu().eval()
pictures, truth = torch.cat([batch.cpu() for batch, _ in data.valid]), data.valid.targets
with torch.no_grad():
    right = torch.cat([net(part).argmax(1) for part in pictures.split(250)]) == truth
print(f"running statistics:               {right.float().mean():.3f}")
by_class = [forgetful(net, pictures[truth == k][:250]) == k for k in range(10)]
print(f"batch statistics, class by class: {torch.cat(by_class).float().mean():.3f}")

# %% [markdown]
# Both are one network with the same weights. Without running statistics its answer to a picture
# depends on which other pictures happen to be in the batch, and a batch that holds one class only takes
# away what distinguishes this class.
#
# Keep the best one, and use it on one picture that it was not trained on:

# %%
models = PATH.parent.parent / "models"
file = learners["wider"].save(models / "lesson7.safetensors")
again = ck.Learner(data, wider(), ck.cross_entropy)
again.load(file)
with torch.no_grad():
    p = again.model.eval()(x[:1].to(again.device)).softmax(1)[0]
best = {data.classes[k]: f"{p[k]:.2f}" for k in p.argsort(descending=True)[:3].tolist()}
print(best, "and it is", data.classes[int(y[0])])

# %% [markdown]
# Is it wrong? Then look for the right answer in the second place, and for this mistake in the confusion matrix
# above. One picture shows how a network is used; how good it is, only many can show.

# %% [markdown]
# ## 7 · Back to lesson 1: where is the cat?
#
# The network of lesson 1 says "cat". But what in the picture made it say so: the cat, or the cushion? We
# train its head once more. The last step of the body is a stack of small *maps*; pooling takes the
# average of each. This time the head is one single linear layer on these averages:

# %%
PETS = ck.fetch("dogscats")
size = ck.by_edition(PETS, full=224, sample=80)
architecture = ck.by_edition(PETS, full="resnet34", sample="drawings", quick="squeezenet1_0")
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

# %% [markdown]
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
with torch.no_grad():
    assert torch.equal(maps, model.body(model.normalize(x)))  # kept: what the body gives
for picture, probabilities in zip(("a cat", "a dog"), scores.softmax(1).tolist(), strict=True):
    named = ", ".join(f"{name} {p:.3f}" for name, p in zip(pets.classes, probabilities))
    print(f"{picture}: {tuple(maps.shape[1:])} numbers in its maps; {named}")

# %% [markdown]
# **The class activation map.** The score of "cat" is a weighted sum of the averages of all maps. Sums may
# be taken in any order: so weight the maps first, at every place, and average afterwards. Before the
# average is taken, we have a picture: how much each place speaks for "cat". That is all there is to
# it (arXiv 1512.04150).

# %%
linear = model.head.linear
weights, bias = linear.weight.detach().double(), linear.bias.detach().double()
cam = torch.einsum("kc,bchw->bkhw", weights, maps.double())  # (B, classes, h, w)
assert torch.allclose(cam.mean((2, 3)) + bias, scores.double(), atol=1e-5)
cam = cam.float()
print(cam[0, 0].cpu().numpy().round(1))

# %% [markdown]
# The average of this little table, plus the bias, is the score of "cat", as the assertion says. Laid over
# the picture, enlarged smoothly, bright where it speaks for the class that is there:

# %%
heat = [cam[k, k].clamp(min=0) for k in (0, 1)]
ck.show_heat([x[0], x[1]], heat, titles=[f"for {name}" for name in pets.classes], height=2.4);

# %% [markdown]
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

# %% [markdown]
# Why divided? The average shares each weight out over all places. The function `ck.heat_map` does the same
# as yours, and the tests of the course hold it against captum, a library made for such maps.
#
# **Both animals in one picture.** The network was never shown such a picture, and it must choose. But the
# map can be asked for each class. Where will "cats" be hot, where "dogs"?

# %%
both = torch.cat([x[0], x[1]], dim=2)[None]  # (1, 3, size, 2 * size)
with torch.no_grad():
    probabilities = model(both).softmax(1)[0].tolist()
heat = [ck.heat_map(model, both, k, layer="body")[0] for k in (0, 1)]
names = [f"{name} {p:.2f}" for name, p in zip(pets.classes, probabilities, strict=True)]
ck.show_heat([both[0], both[0]], heat, titles=names, columns=2, height=2.2);
# %%
for name, one in zip(pets.classes, heat, strict=True):
    half = one.shape[1] / 2
    left = one[:, : int(half)].sum() + one[:, int(half)].sum() * (half % 1)
    print(f"{name}: {left / one.sum().clamp(min=1e-9):.0%} of its heat in the left half")

# %% [markdown]
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
    files = [truth / name.replace(".jpg", ".png") for name in pets.valid.filenames]
    outlines = [np.asarray(ck.read_picture(file, size=size))[:, :, 0] > 127 for file in files]
    outlines = torch.as_tensor(np.stack(outlines))  # (N, size, size)
    print(f"the animal covers {outlines.float().mean():.0%} of a picture on average")


# %%
def heat_of(net, layer, pooled=True):
    parts = [
        ck.heat_map(net, part, layer=layer, pooled=pooled).cpu() for part in pictures.split(64)
    ]
    return torch.cat(parts)  # (N, h, w), for the class that the network names


def judge(heat, rows):
    large = ck.enlarge(heat, size)
    peak = large.flatten(1).argmax(1)
    hit = outlines.flatten(1).gather(1, peak[:, None])[:, 0]
    inside = (large * outlines).sum((1, 2)) / large.sum((1, 2)).clamp(min=1e-9)
    return hit[rows].float().mean().item(), inside[rows].mean().item()


# %% [markdown]
# Which layers are there to ask? The last one of each size of maps:

# %%
parts = [f"body.{name}" for name, _ in model.body.named_children()]
with ck.hook_outputs(model, parts) as given, torch.no_grad():
    found = torch.cat([model(part).cpu() for part in pictures.split(64)])
layers = list({maps.shape[-1]: name for name, maps in given.items()}.values())[-3:]
right = found.argmax(1) == pets.valid.targets
print({name: tuple(given[name].shape[1:]) for name in layers}, f"{right.float().mean():.3f} right")

# %% [markdown]
# There is a second way to weight. Grad-CAM takes the mean gradient of a channel and forgets where in the
# map it was. Where many places are left, that loses much: at one place a channel may speak for "cat", at
# another against it. So multiply place by place, `pooled=False` (arXiv 2011.08891). In the last layer
# before an average both are the same thing; why?
#
# Three layers, two ways: six maps, and we shall take the best. Whoever chooses and reports on the same
# pictures reports luck as well, as with the threshold of lesson 2. So we choose on every other picture, and
# report on the rest:

# %%
half = torch.arange(len(right)) % 2 == 0  # the other half is looked at only once
judged = {}
if outlines is not None:
    middle = outlines[:, size // 2, size // 2].float()
    judged["always the middle"] = middle[half & right].mean().item(), None
    for layer in layers:
        for pooled, how in ((True, "mean gradient"), (False, "place by place")):
            judged[f"{layer}, {how}"] = judge(heat_of(model, layer, pooled), half & right)
pd.DataFrame(judged, index=["peak on the animal", "heat inside"]).T.round(3)

# %% [markdown]
# The first line is the surprise: in almost nine of ten pictures the middle is on the animal. So a map is
# worth little unless it beats that. The last layer does not: its maps are so coarse that a peak at the edge
# of a cell may fall beside the animal. One layer earlier, place by place is far below the middle, though
# there the mean gradient has the most heat inside. The earliest of the three, place by place, has the best
# peaks. No kind of map is best at everything.
#
# Chosen on one half, how good is it on the other? And one number from one network is no claim: so three
# networks.

# %%
# %%capture
nets = [train_pets(seed).model.eval() for seed in (1, 2, 3)]

# %%
finest, peaks = layers[0], []
for net in nets if outlines is not None else []:
    with torch.no_grad():
        named = torch.cat([net(part).cpu().argmax(1) for part in pictures.split(64)])
    rows = ~half & (named == pets.valid.targets)
    peaks.append(judge(heat_of(net, finest, pooled=False), rows)[0])
if peaks:
    print(f"the middle, on the other half: {middle[~half & right].mean():.3f}")
    print(f"peak on the animal there: {np.mean(peaks):.3f} ± {np.std(peaks):.3f}, layer {finest}")

# %% [markdown]
# Beside them a network that has learned nothing. If its map looked as good, the map would show edges, not
# reasons (arXiv 1810.03292):

# %%
ck.seed(1)
untrained = ck.image_learner(pets, architecture, pretrained=False).model.eval()
if outlines is not None:
    peak, inside = judge(heat_of(untrained, layers[0], pooled=False), ~half)
    print(f"a network of random weights: peak {peak:.3f}, heat inside {inside:.3f}")

# %% [markdown]
# Look at them, at least a dozen, and not the best ones:

# %%
order = np.random.default_rng(0).permutation(np.flatnonzero(right.numpy()))[:12]
x, y = next(iter(pets.valid.subset(order)))
heat = ck.heat_map(model, x, layer=layers[0], pooled=False)
ck.show_heat(list(x), list(heat), titles=[pets.classes[k] for k in y.tolist()]);

# %% [markdown]
# **The deletion test.** Without outlines we can still ask whether what is hot *matters*. Paint over the
# hottest fifth of the picture with its mean colour: how far does the probability fall? Against it, a fifth
# taken at random in patches of the same kind. On which side do you expect the larger fall?


# %%
def without(x, heat, fraction=0.2):
    large = ck.enlarge(heat, x.shape[-2:]).flatten(1)
    count = round(fraction * large.shape[1])
    hot = torch.zeros_like(large).scatter(1, large.topk(count).indices, 1.0)
    hot = hot.view(len(x), 1, *x.shape[-2:])
    return x * (1 - hot) + x.mean((2, 3), keepdim=True) * hot


@torch.no_grad()
def probability(model, x, target):
    return model(x).softmax(1).gather(1, target[:, None])[:, 0]


# %%
ck.seed(1)
chosen = np.flatnonzero(right.numpy())[:: max(1, int(right.sum()) // 128)]
known = pictures[chosen].cpu(), pets.valid.targets[chosen]
x, y = next(iter(ck.Batches(*known, batch_size=len(chosen))))
before = probability(model, x, y)
random = torch.rand(len(x), 10, 10, device=x.device)
falls = {"random": (before - probability(model, without(x, random), y)).mean().item()}
for layer in layers:
    heat = ck.heat_map(model, x, layer=layer, pooled=False)
    falls[layer] = (before - probability(model, without(x, heat), y)).mean().item()
print({what: f"{fall:.3f}" for what, fall in falls.items()}, f"of {before.mean():.3f}")

# %%
few = [int(k) for number in (0, 1) for k in (y == number).nonzero()[:3]]  # three of each class
heat = ck.heat_map(model, x[few], layer=layers[-1])
painted = without(x[few], heat)
after = probability(model, painted, y[few]).tolist()
titles = [f"{a:.2f} to {b:.2f}" for a, b in zip(before[few].tolist(), after, strict=True)]
ck.show_pictures([one.cpu() for one in painted], titles=titles, columns=6);

# %% [markdown]
# Above each picture is the probability before and after. Where it hardly falls, the network has other
# reasons left: a network rarely hangs on one spot.
#
# ## 9 · All layers, all classes
#
# The picture with both animals once more: a row for each class, a column for each layer, weighted place by
# place. In which column is each row hot on its own animal?

# %%
ck.show_heat_grid(model, both[0], layers, pets.classes, pooled=False);

# %% [markdown]
# Early layers are fine and nervous, late ones calm and coarse. And only the last one keeps the classes apart.
# In the drawings of the sample the row of *cats* is hot on the dog's eyes in the first column, and the row of
# *dogs* on the cat's forehead in the second. A hot place in an early layer says that something there counts,
# not yet for whom. So take an early layer to see *what* is looked at, the last to see *for which class*.
#
# **Now you, with a picture of your own.** Choose a picture from your computer; it is cut to a square. For
# which class does the network speak, and where? What does it say of a picture without any animal? (Without
# buttons: put `ck.read_picture("mine.jpg", size=size)` in place of `both[0]`, and set `layer=`, `target=`
# and `pooled=` by hand.)

# %%
ck.explore.grad_cam(model, pets.classes, both[0], layers=layers)

# %% [markdown]
# ## 10 · Before you go on
#
# **Exercises.** Write your answer in place of the dots and run the cell: `ck.check` says whether it is
# right, or what is off. `ck.hint("7.1")` gives a hint, `ck.solution("7.1")` a solution.

# %% exercise="7.1"

# %% exercise="7.2"

# %% exercise="7.3"

# %% exercise="7.4"

# %% exercise="7.5"

# %% exercise="7.6"

# %% [markdown]
# **Do you know it?** A mouse or the keyboard will do.

# %% quiz="7"

# %%
ck.progress();

# %% [markdown]
# **On your own.** Train the head on two kinds of things that you have pictures of (lesson 1, section 9), and
# ask the map why. Is it the thing, or what stands around it?
#
# **Sources.** Batch norm: arXiv 1502.03167. Residual networks: 1512.03385 and 1603.05027. Zero-start and
# one-cycle recipes: 1706.02677 and 1708.07120. Why batch norm helps: 1805.11604. Fast CIFAR-10: 2404.00498. Label smoothing: 1512.00567.
# Receptive fields: 1701.04128. Class activation maps: 1512.04150. Grad-CAM: 1610.02391. Place by place:
# 2011.08891. Sanity checks for such maps: 1810.03292. Deletion: 1806.07421. CIFAR-10: Krizhevsky, Learning
# Multiple Layers of Features from Tiny Images, 2009. Cats and dogs: Elson, Douceur, Howell and Saul, Asirra,
# CCS 2007.
#
# The text of this lesson is under CC BY 4.0, its code under the MIT licence.
