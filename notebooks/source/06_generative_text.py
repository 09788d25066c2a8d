# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Lesson 6 · A text that writes itself, one character at a time
#
# {badges}
#
# By the end of this lesson you will have
#
# * trained a network that writes new text, character by character, in the style of a book;
# * built it in twelve small steps, from a table of pairs to a transformer, each measured on the same
#   text and entered in the same table;
# * written by hand a recurrent layer, a GRU cell, an LSTM cell and causal attention, and seen that
#   each equals torch's;
# * seen gradients explode, and tamed them;
# * made it write timidly, boldly and wildly, and searched for the most probable text;
# * looked inside: what does one of its units react to?
#
# You need a little Python, and softmax and cross-entropy from section 3 of lesson 1. Without a
# graphics card the lesson works on the manual that comes with Python, 320,000 characters, and takes
# two to three minutes of computing. With one it works on a book by Friedrich Nietzsche, about 600,000
# characters, with larger networks. Reading and thinking take about two and a half hours.

# %%
# {set_up}

# %% [markdown]
# ## 1 · The whole game
#
# Look at the data first: one long text. Nothing is labelled here. Which character comes next? The
# text itself holds the answer, at every place.

# %%
import itertools
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import coursekit as ck
from coursekit.runtime import device
from coursekit.visuals.style import use_style

# %%
PATH = ck.fetch("nietzsche")
book = next(PATH.glob("*.txt"))
text = book.read_text("utf-8")
print(f"{len(text):,} characters, {len(set(text))} different ones\n")
print(text[:700])

# %% [markdown]
# `ck.language` turns the characters into numbers and cuts the text in two: the first nine tenths are
# for training, the last tenth is for checking. Then it deals out batches of several rows. You will do
# all this by hand in section 2.

# %%
gpu = device().type == "cuda"
rows, length, hidden, epochs = (64, 64, 256, 10) if gpu else (16, 32, 96, 2)
data = ck.language(book, tokens="characters", batch_size=rows, seq_len=length)
vocabulary = data.vocabulary
size = len(vocabulary)
print(data, vocabulary, sep="\n")

# %% [markdown]
# Now the network. It *looks up* a list of numbers for each character, hands them to a *recurrent
# layer*, which reads from left to right and remembers, and gives at each place a score for every
# character that could come next. Never mind the details: each line gets its own section.


# %%
class Reader(nn.Module):
    def __init__(self, kind, hidden=hidden, **options):
        super().__init__()
        self.look_up = nn.Embedding(size, 32)
        self.layer = kind(32, hidden, batch_first=True, **options)
        self.out, self.state = nn.Linear(hidden, size), None

    def forward(self, x):  # (B, T) -> (B, T, size)
        h, state = self.layer(self.look_up(x), self.state)
        self.state = cut_off(state)
        return self.out(h)

    def train(self, mode=True):  # called before each pass over the text
        self.state = None
        return super().train(mode)


# %%
def cut_off(state):
    return tuple(map(cut_off, state)) if isinstance(state, tuple) else state.detach()


def train(model, name, lr, epochs=epochs, data=data, **how):
    clip = ck.ClipGradients(1.0)
    learn = ck.Learner(data, model, ck.cross_entropy, callbacks=clip, name="characters")
    learn.fit(epochs, lr, name=name, **how)
    return learn


# %%
rates = {nn.RNN: 0.006, nn.GRU: 0.01, nn.LSTM: 0.02}  # each layer's own, found by trials
if gpu:  # wider layers want smaller steps
    rates = {kind: lr / 2 for kind, lr in rates.items()}
ck.seed(1)
learn = train(Reader(nn.LSTM), "LSTM 1", rates[nn.LSTM])

# %% [markdown]
# The network has read the training part a few times. Does it write? It gets a beginning, gives a
# probability to each character, and we draw one of them at random, as with a loaded die. That one is
# handed back to it, and so on. The text streams: each character is printed as soon as it is there.


# %%
def letters(model, start, choose):
    model.eval()  # forgets what it has read before
    x = torch.tensor([vocabulary.encode(start)])
    while True:
        with torch.no_grad():
            scores = model(x.to(device()))[0, -1].cpu()
        scores[vocabulary.unknown] = -float("inf")
        x = choose(scores).view(1, 1)
        yield vocabulary.itos[x.item()]


def draw(scores):
    return torch.multinomial(scores.softmax(0), 1)


# %%
def stream(start, letters, count=300):
    print(start, end="")
    for letter in itertools.islice(letters, count):
        print(letter, end="", flush=True)
    print()


ck.seed()
start = ck.by_edition(PATH, full="The philosopher ", sample="The value of ")
stream(start, letters(learn.model, start, draw))

# %% [markdown]
# Within a minute it has found out, from nothing but characters, how long words are, which letters
# follow each other, where a line ends, and what a page of this book looks like. Whether the text
# *means* anything is another matter.
#
# How good is it? "It looks nice" is no measure. And is a recurrent layer needed for this? From here
# on we build it up, step by step, and measure every step.

# %% [markdown]
# ## 2 · Characters to numbers, and a baseline
#
# **Numbers.** List all different characters of the training part in order, put a sign for "never
# seen" in front, and count: the number of a character is its place in the list.

# %%
train_ids = torch.tensor(np.asarray(data.train.ids, dtype="int64"))
valid_ids = torch.tensor(np.asarray(data.valid.ids, dtype="int64"))
train_text = text[: len(train_ids)]
characters = ["<unk>", *sorted(set(train_text))]
number = {character: place for place, character in enumerate(characters)}
assert characters == vocabulary.itos
assert [number[c] for c in train_text] == train_ids.tolist()
print([(c, number[c]) for c in train_text[:12]])

# %% [markdown]
# **The split.** The validation part is the *last* piece of the text, in one go. Why not pick every
# tenth place at random? Wait for section 9.
#
# **The measure.** The network gives a probability to each possible next character. The loss is the
# cross-entropy of lesson 1: minus the logarithm of the probability that the true character got, on
# average over all places. Taken with the natural logarithm it is counted in *nats*; divided by the
# logarithm of 2, in *bits*: how many yes-or-no questions, cleverly asked, are left to be answered per
# character. `exp` of the nats says among how many equally likely characters the choice is still
# open; this is the *perplexity*.
#
# What is it for somebody who knows nothing, who knows how frequent each character is, and who knows
# the previous character? None of the three needs a network; counting will do. Guess first.

# %%
ladder = {}  # name of a step -> list of (nats, weights), one a run


def enter(name, nats, weights=0):
    ladder.setdefault(name, []).append((nats, weights))


def surprise(probabilities, x, y):
    return -probabilities[x, y].log().mean().item()


# %%
pairs = torch.full((size, size), 0.1)  # a little for those never seen
seen = train_ids[:-1], train_ids[1:]
pairs.index_put_(seen, torch.ones(len(seen[0])), accumulate=True)
bigram = pairs / pairs.sum(1, keepdim=True)
single = (pairs.sum(0) / pairs.sum()).expand(size, size)
know_nothing = torch.full((size, size), 1 / size)
x, y = valid_ids[:-1], valid_ids[1:]
for name, table in (
    ("nothing known", know_nothing),
    ("frequency of each character", single),
    ("table of pairs (bigrams)", bigram),
):
    enter(name, surprise(table, x, y), table.numel() if table is bigram else 0)


# %%
def show_ladder(last=20):
    print(f"{'':36} {'nats':>5} {'± ':>6} {'bits':>6} {'choices':>8} {'weights':>9}  runs")
    for name, runs in list(ladder.items())[-last:]:
        nats = [run[0] for run in runs]
        mean, bits = np.mean(nats), np.mean(nats) / np.log(2)
        std = f"{np.std(nats):.3f}" if len(nats) > 1 else ""
        numbers = f"{mean:.3f} {std:>6} {bits:6.3f} {np.exp(mean):8.1f} {runs[0][1]:9,}"
        print(f"{name:36} {numbers}  {len(nats):3}")


show_ladder()

# %% [markdown]
# "Choices" is the perplexity. On the sample the table of pairs leaves about fourteen characters open,
# where there were about a hundred. That is the baseline that every network has to beat. The
# table itself, for the most frequent characters: dark means often. Which row is nearly all in one
# place?

# %%
often = pairs.sum(1).topk(30).indices.sort().values
spoken = {" ": "space", "\n": "new line", ",": "comma", ".": "full stop", "_": "underscore"}
names = [spoken.get(characters[n], characters[n]) for n in often]
with use_style():
    figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
    image = axis.imshow(bigram[often][:, often], cmap="Blues")
    axis.set_xticks(range(30), names, size=9)
    axis.set_yticks(range(30), names, size=9)
    axis.set(xlabel="next character", ylabel="this character")
    axis.grid(False)
    for label in axis.get_xticklabels():  # only words are turned
        label.set_rotation(90 * (len(label.get_text()) > 1))
    figure.colorbar(image, label="probability", shrink=0.7)
print(f"30 rows of 30 probabilities, from 0 to {bigram[often][:, often].max():.2f}")

# %%
best = bigram[often].max(1)
for row in best.values.argsort(descending=True)[:3]:
    follows = characters[best.indices[row]]
    print(f"after {names[row]!r} comes {follows!r} in {best.values[row]:.0%} of all cases")

# %% [markdown]
# ## 3 · Three characters in, one out
#
# Two characters back would help, three even more. But a table for three characters has about a
# million rows, and most of them were never seen. So let a network do it. The plan has three kinds of
# arrows:
#
# * from a character *into* the network;
# * from what it knows so far *onward* to what it knows one character later;
# * from what it knows at last *out* to a score for each possible next character.
#
# Each kind is one layer, one matrix. The first two are used several times, with the same weights for
# the first, the second and the third character. All windows of three characters and the one that follows:


# %%
def windows(ids, count, every=1):
    cut = ids.unfold(0, count + 1, 1)[::every]  # (N, count + 1): overlapping windows
    return cut[:, :count], cut[:, count]


def window_data(count):
    parts = windows(train_ids, count, every=3), windows(valid_ids, count)
    train = ck.Batches(*parts[0], batch_size=128, shuffle=True)
    return ck.Data(train, ck.Batches(*parts[1], batch_size=2048), classes=characters)


x, y = windows(train_ids, 3)
for i in (0, 1, 2):
    print(repr(vocabulary.decode(x[i])), "->", repr(vocabulary.decode(y[i : i + 1])))


# %%
class Three(nn.Module):
    def __init__(self):
        super().__init__()
        self.look_up = nn.Embedding(size, 32)
        self.into = nn.Linear(32, hidden)
        self.onward = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, size)

    def forward(self, x):  # (B, 3) -> (B, size)
        first, second, third = self.look_up(x).unbind(1)
        h = torch.tanh(self.into(first))
        h = torch.tanh(self.onward(h + self.into(second)))
        h = torch.tanh(self.onward(h + self.into(third)))
        return self.out(h)


# %% [markdown]
# `tanh` bends every number into the range from -1 to 1, so that it cannot grow without end. The
# network looks at every third window, once. Will that be enough to beat the table of pairs, which
# has counted all of them?


# %%
@torch.no_grad()
def measure(model, batches):
    model.eval()
    total = count = 0
    for x, y in batches:
        scores = model(x).flatten(0, -2)
        total += F.cross_entropy(scores, y.flatten(), reduction="sum").item()
        count += y.numel()
    return total / count


def enter_net(name, learn):
    weights = sum(p.numel() for p in learn.model.parameters())
    enter(name, measure(learn.model, learn.data.valid), weights)


# %%
ck.seed(1)
enter_net("three in, one out", train(Three(), "three", 0.01, 1, window_data(3)))
show_ladder(last=2)

# %% [markdown]
# `measure` adds up the loss over all characters of the validation part and divides once, at the end. A
# mean of the batches' means would count the characters of a short last batch for more than the
# others.
#
# **A loop.** With eight characters we do not write eight lines: the second and third were the same
# anyway. And one thing is worth trying: so far the new character is *added* to what is known, and one
# matrix acts on the sum. If we put them side by side instead (`torch.cat`), each gets a part of the
# matrix to itself. Which will be better?


# %%
class Loop(nn.Module):
    def __init__(self, joined):
        super().__init__()
        self.joined, self.look_up = joined, nn.Embedding(size, 32)
        self.into = nn.Linear(32, hidden) if not joined else nn.Identity()
        self.onward = nn.Linear(hidden + 32 * joined, hidden)
        self.out = nn.Linear(hidden, size)

    def forward(self, x):  # (B, T) -> (B, size)
        h = torch.zeros(len(x), hidden, device=x.device)
        for e in self.into(self.look_up(x)).unbind(1):
            both = torch.cat([h, e], 1) if self.joined else h + e
            h = torch.tanh(self.onward(both))
        return self.out(h)


# %%
eight = window_data(8)
for joined, name in ((False, "loop over eight, added"), (True, "loop over eight, concatenated")):
    ck.seed(1)
    enter_net(name, train(Loop(joined), name, 0.01, 1, eight))

# %%
show_ladder(last=3)

# %% [markdown]
# On the sample, the loop that adds is no better with eight characters than `Three` was with three. Side
# by side, the five characters more are of use (one run each).
#
# A matrix that acts on two lists side by side is the same as two matrices, one for each list, whose
# results are added. So the concatenated loop computes tanh(W h + U x + b), and this is word for word
# what torch calls a *recurrent layer*, `nn.RNN`. Let us check that: a loop by hand, with the weights
# of an `nn.RNN`.


# %%
def rnn_by_hand(layer, x):  # (B, T, in) -> (B, T, hidden)
    h, all_h = torch.zeros(len(x), layer.hidden_size), []
    for e in x.unbind(1):
        from_x = e @ layer.weight_ih_l0.T + layer.bias_ih_l0
        from_h = h @ layer.weight_hh_l0.T + layer.bias_hh_l0
        h = torch.tanh(from_x + from_h)
        all_h.append(h)
    return torch.stack(all_h, 1)


ck.seed(1)
layer, some = nn.RNN(32, 50, batch_first=True), torch.randn(4, 20, 32)
assert torch.allclose(rnn_by_hand(layer, some), layer(some)[0], atol=1e-5)

# %%
side_by_side = torch.cat([layer.weight_hh_l0, layer.weight_ih_l0], 1)
h, e = torch.randn(4, 50), some[:, 0]
both = torch.cat([h, e], 1) @ side_by_side.T
assert torch.allclose(both, h @ layer.weight_hh_l0.T + e @ layer.weight_ih_l0.T, atol=1e-5)


# %% [markdown]
# The two assertions hold: the same numbers. From now on torch's layer does the loop. It is
# faster, and on a graphics card it runs as one piece (cuDNN).


# %%
class LastOnly(Reader):
    def forward(self, x):  # (B, T) -> (B, size)
        h, _ = self.layer(self.look_up(x))
        return self.out(h[:, -1])


ck.seed(1)
enter_net("nn.RNN over eight", train(LastOnly(nn.RNN), "RNN eight", 0.01, 1, eight))
show_ladder(last=4)

# %% [markdown]
# ## 4 · Many outputs, and a memory that is kept
#
# **Many outputs.** So far the network reads eight characters to predict one, and then reads seven of
# them again to predict the next. What a waste: after *each* character it could say what comes next.
# One row then gives as many lessons as it has characters. The batches of `ck.language` are made for
# it: `y` is `x`, one character later. By hand:

# %%
steps = (len(train_ids) - 1) // rows
x_rows = train_ids[: rows * steps].view(rows, steps)
y_rows = train_ids[1 : rows * steps + 1].view(rows, steps)
batches = list(data.train)
for place, (x, y) in enumerate(batches):
    window = slice(place * length, (place + 1) * length)
    assert torch.equal(x.cpu(), x_rows[:, window])
    assert torch.equal(y.cpu(), y_rows[:, window])
for place in (0, 1):
    print([vocabulary.decode(row)[:32] for row in batches[place][0][:2]])

# %% [markdown]
# The text is cut into as many long rows as a batch has, and a window moves over all rows together.
# Look at the printed pieces: the first row of the second batch goes on where the first row of the
# first batch ended. We will need this in a minute. First without it: the memory begins empty in each
# batch.


# %%
class Forgetful(Reader):
    def forward(self, x):
        self.state = None
        return super().forward(x)


ck.seed(1)
learn = train(Forgetful(nn.RNN), "many outputs", rates[nn.RNN])
enter_net("nn.RNN, many outputs", learn)

# %% [markdown]
# **Identity start.** At the beginning the onward matrix is random: after a few characters nothing of
# the first one is left. What if it starts as the *identity*, which passes everything on unchanged?
# Then "remember" is the habit, and "forget" must be learned (arXiv 1504.00941). It is used with ReLU
# in place of tanh. Does it help here?

# %%
ck.seed(1)
model = Forgetful(nn.RNN, nonlinearity="relu")
with torch.no_grad():
    model.layer.weight_hh_l0.copy_(torch.eye(hidden))
    model.layer.bias_hh_l0.zero_()
    model.layer.bias_ih_l0.zero_()
enter_net("  identity start, ReLU", train(model, "identity", rates[nn.RNN]))

# %% [markdown]
# **The state is kept.** Why begin each batch with an empty memory, when each row goes on where it
# ended? `Reader` keeps the last state and begins with it the next time. Reading in two halves must
# then give the same as reading at once:

# %%
model, x = Reader(nn.RNN).cpu().eval(), batches[0][0].cpu()
at_once = model(x)
model.eval()  # forgets
halves = [model(half) for half in x.chunk(2, dim=1)]
assert torch.allclose(torch.cat(halves, 1), at_once, atol=1e-5)

# %% [markdown]
# What does `detach` in `cut_off` do? Without it the state would drag along how it was computed, back
# to the first character of the book, and `backward` would want to go all that way. Here is what
# happens without it:

# %%
layer, look_up, state = nn.RNN(32, hidden, batch_first=True), nn.Embedding(size, 32), None
try:
    for half in x.chunk(2, dim=1):
        h, state = layer(look_up(half), state)  # not detached
        h.sum().backward()
except RuntimeError as error:
    print(str(error).split(".")[0])

# %% [markdown]
# So the memory goes on, and the blame for an error is passed back through one batch only. This is called
# *truncated backpropagation through time*. Does a memory that is kept pay?

# %%
ck.seed(1)
learn = train(Reader(nn.RNN), "RNN 1", rates[nn.RNN])
enter_net("nn.RNN, state kept", learn)
show_ladder(last=4)

# %% [markdown]
# Before you compare the first two lines: were they trained alike? Let us count how many characters each
# has read, one step of the loop each, and how many questions it has answered on the way.

# %%
in_windows, in_rows = len(windows(train_ids, 8, every=3)[1]), epochs * x_rows.numel()
for name, questions, steps in (
    ("nn.RNN over eight", in_windows, in_windows * 8),
    ("nn.RNN, many outputs", in_rows, in_rows),
):
    print(f"{name:21} {steps:9,} characters read, {questions:9,} questions answered")

# %% [markdown]
# With many outputs every character that is read asks a question as well: on the sample fewer steps, and
# six times as many questions. But the two networks also had different learning rates and numbers of
# passes, so this table does not say which change brought how much. And each line is one run: without
# several seeds, do not trust the second digit after the point.
#
# ## 5 · Gradients explode
#
# On its way back through the rows, the gradient is multiplied by the onward matrix once for each
# character. What does multiplying by the same number do, 32 times over?

# %% tags=["nbval-check-output"]
for factor in (0.5, 0.9, 1.0, 1.1, 1.5):
    print(f"{factor} to the power 32: {factor**32:12.6f}")

# %% [markdown]
# Below one it vanishes: the network cannot learn from what lies far back. Above one it explodes. With
# matrices it is the same. Let us start a recurrent layer with several multiples of the identity, and
# ask how strongly the last output depends on each of the characters before it:


# %%
def influence(factor, steps=32):
    layer = nn.RNN(hidden, hidden, nonlinearity="relu", batch_first=True)
    with torch.no_grad():
        layer.weight_hh_l0.copy_(factor * torch.eye(hidden))
    x = torch.rand(1, steps, hidden, requires_grad=True)
    layer(x)[0][0, -1].sum().backward()
    return x.grad[0].norm(dim=1).flip(0)


# %%
@use_style()
def draw_lines(lines, xlabel, ylabel):
    axis = plt.subplots(figsize=(8, 3.6), layout="constrained")[1]
    for (name, line), dashes in zip(lines.items(), ("-", "--", "-.", ":", (0, (1, 3)))):
        axis.semilogy(line, label=name, linestyle=dashes)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1))


ck.seed(1)
factors = 1.5, 1.1, 1.0, 0.9, 0.5
curves = {f"{factor} x identity": influence(factor) for factor in factors}
draw_lines(curves, "characters back", "size of the gradient")
for name, curve in curves.items():
    print(f"{name}: the gradient is {curve[0]:.2g} at the last character, {curve[-1]:.2g} at the first")

# %% [markdown]
# A straight line on this scale means: the same factor at each step. Only close to 1 do errors travel
# far. Now in a real training, on a piece of the text. A callback notes the size of the whole
# gradient at every step. The optimizer is plain gradient descent here, because Adam divides each
# gradient by its usual size and hides part of the trouble.


# %%
class NoteNorms(ck.Callback):
    def fit_start(self, state):
        self.norms = []

    def grads_ready(self, state):
        each = [p.grad.norm() for p in state.model.parameters()]
        self.norms.append(torch.stack(each).norm())

    def state_dict(self):
        return {"norms": torch.stack(self.norms)}

    def load_state_dict(self, tensors):
        self.norms = list(tensors["norms"])


# %%
piece = ck.language(text[:40_000], tokens="characters", batch_size=16, seq_len=32)


def explode(name, *more, start=1.05):
    ck.seed(1)
    model, norms = Forgetful(nn.RNN, nonlinearity="relu"), NoteNorms()
    with torch.no_grad():
        model.layer.weight_hh_l0.copy_(start * torch.eye(hidden))
    calls, how = [norms, *more], {"optimizer": "sgd", "name": "exploding"}
    learn = ck.Learner(piece, model, ck.cross_entropy, callbacks=calls, **how)
    history = learn.fit(1, 0.1, name=name, schedule=ck.constant)
    return history[-1]["train_loss"], torch.stack(norms.norms)


# %%
wild, wild_norms = explode("not clipped")
tame, tame_norms = explode("clipped", ck.ClipGradients(1.0))
limit = torch.ones(len(tame_norms))
both = {"not clipped": wild_norms, "clipped, before the cut": tame_norms, "limit": limit}
draw_lines(both, "step", "size of the gradient")
for name, loss, norms in (("not clipped", wild, wild_norms), ("clipped", tame, tame_norms)):
    there = f"a number in {norms.isfinite().sum()} of {len(norms)} steps"
    print(f"{name + ':':12} at first {norms[0]:.3g}, {there}, train loss {loss:.3f}")

# %% [markdown]
# Both begin with the same gradient. Without clipping, one step along it throws the weights out of the
# valley; the next gradient is larger still, and soon it is no number any more (nan), nor are the weights.
# The other one takes short steps in the same direction, and its gradients shrink on the way.
#
# *Clipping* keeps the direction and shortens the arrow to a length of at most 1 (arXiv 1211.5063). By
# hand it is one line: multiply by `limit / norm` where the norm is above the limit.

# %%
ck.seed(1)
weight = nn.Parameter(torch.zeros(1000))
weight.grad = 5 * torch.randn(1000)
by_hand = weight.grad * min(1, 1.0 / weight.grad.norm())
torch.nn.utils.clip_grad_norm_([weight], 1.0)
assert torch.allclose(weight.grad, by_hand, atol=1e-5)

# %% [markdown]
# Whatever goes through `train` (section 1) is clipped. Clipping helps against
# exploding. Against vanishing one needs another kind of cell.
#
# ## 6 · Gates: GRU and LSTM by hand
#
# A plain recurrent cell writes its whole memory anew at every character. A *gate* decides, number by
# number, how much is kept and how much is written: a sigmoid, between 0 (shut) and 1 (open), computed
# from the new character and the old memory.
#
# **The GRU** (arXiv 1406.1078) has two. `reset`: how much of the old memory counts when something new
# is proposed. `keep`: how much of the old stays, instead of the new.


# %%
def gru_step(layer, e, h):
    from_x = F.linear(e, layer.weight_ih_l0, layer.bias_ih_l0).chunk(3, -1)
    from_h = F.linear(h, layer.weight_hh_l0, layer.bias_hh_l0).chunk(3, -1)
    reset = torch.sigmoid(from_x[0] + from_h[0])
    keep = torch.sigmoid(from_x[1] + from_h[1])
    new = torch.tanh(from_x[2] + reset * from_h[2])
    return (1 - keep) * new + keep * h


# %% [markdown]
# **The LSTM** (Hochreiter and Schmidhuber, 1997; its `keep` gate: Gers and others, 2000) has two memories,
# a *cell* that is only added to and faded, and `h`, what it shows of it. Four lists come out of the matrices: three gates and a proposal.


# %%
def lstm_step(layer, e, h, cell):
    both = F.linear(e, layer.weight_ih_l0, layer.bias_ih_l0)
    both = both + F.linear(h, layer.weight_hh_l0, layer.bias_hh_l0)
    write, keep, new, show = both.chunk(4, -1)
    cell = torch.sigmoid(keep) * cell + torch.sigmoid(write) * torch.tanh(new)
    return torch.sigmoid(show) * torch.tanh(cell), cell


# %%
def by_hand(layer, x):  # (B, T, in) -> (B, T, hidden)
    h = cell = torch.zeros(len(x), layer.hidden_size)
    all_h = []
    for e in x.unbind(1):
        if isinstance(layer, nn.LSTM):
            h, cell = lstm_step(layer, e, h, cell)
        else:
            h = gru_step(layer, e, h)
        all_h.append(h)
    return torch.stack(all_h, 1)


# %% [markdown]
# Are they right? Not only the outputs must be equal but the gradients as well, for then every
# training would be the same.

# %%
for kind in (nn.GRU, nn.LSTM):
    ck.seed(1)
    layer, some = kind(32, 50, batch_first=True), torch.randn(4, 20, 32)
    ours, torchs = by_hand(layer, some), layer(some)[0]
    gradients = [torch.autograd.grad(h.pow(2).mean(), layer.parameters()) for h in (ours, torchs)]
    assert torch.allclose(ours, torchs, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*gradients))
    print(kind.__name__, f"largest difference {(ours - torchs).abs().max():.0e}")

# %% [markdown]
# A short training with our cell and with torch's, from the same weights, on the same batches. How
# far apart will the losses be after ten steps? And which one is quicker?


# %%
class ByHand(Reader):
    def forward(self, x):
        return self.out(by_hand(self.layer, self.look_up(x)))


def ten_steps(model):
    model, losses = model.cpu(), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for x, y in batches[:10]:
        losses.append(ck.cross_entropy(model(x.cpu()), y.cpu()))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    return [loss.item() for loss in losses]


# %%
curves, seconds = {}, {}
for kind in (ByHand, Forgetful):
    ck.seed(1)
    began = time.process_time()
    curves[kind] = ten_steps(kind(nn.LSTM))
    seconds[kind] = time.process_time() - began
print(f"the last loss, by hand {curves[ByHand][-1]:.5f}, torch's {curves[Forgetful][-1]:.5f}")
print(f"torch's takes {seconds[Forgetful] / seconds[ByHand]:.0%} of our time")
assert np.allclose(curves[ByHand], curves[Forgetful], atol=1e-4)

# %% [markdown]
# ## 7 · The ladder, with three seeds
#
# Now the claim of this lesson: with the same width and the same passes over the text, the gated
# networks predict better than the plain one, and the plain one better than the table of pairs. One
# run of each would prove nothing. So three runs of each, with different seeds. (Those that have run
# already are read back from their checkpoints.)
#
# **Which learning rate?** Each kind of layer deserves its own, or the comparison would be unfair. The
# sweep of lesson 1, for the LSTM:

# %%
ck.seed(1)
calls = [ck.ClipGradients(1.0)]
sweep = ck.Learner(data, Reader(nn.LSTM), ck.cross_entropy, callbacks=calls).find_lr()
ck.show_sweep(sweep);
# %%
finished = {}
for kind in (nn.RNN, nn.GRU, nn.LSTM):
    for seed in (1, 2, 3):
        ck.seed(seed)
        finished[kind, seed] = learn = train(
            Reader(kind), f"{kind.__name__} {seed}", rates[kind]
        )
        if (kind, seed) != (nn.RNN, 1):  # which stands in the table already
            enter_net(f"nn.{kind.__name__}, state kept", learn)

# %%
show_ladder()

# %% [markdown]
# The column ± is the spread over the three seeds. Compare it with the differences: the steps from the
# table to the plain network, and from there to the gated ones, are many times larger than what
# another seed changes. (One thing flatters all networks a little: their learning rates were chosen by
# trials on this same validation text, and there is no third part, a test part, to report on.)
#
# Is it the same on a book? These small networks were trained on Nietzsche too, one run each: the table
# of pairs has 2.45 nats there, the plain network 1.69, the GRU 1.57 and the LSTM 1.55.
#
# **Two layers, with dropout.** Put a second LSTM on top of the first: it reads what the first one
# makes of the text. Between them *dropout* sets a tenth of the numbers to zero at random while
# training, so that no unit can lean on a single other one. This is the network that will write for us,
# so on the sample it may read the text once more than the others: compare it with care.

# %%
ck.seed(1)
deep_epochs = ck.by_edition(PATH, full=epochs, sample=3)
deep = train(Reader(nn.LSTM, num_layers=2, dropout=0.1), "two layers", rates[nn.LSTM], deep_epochs)
enter_net("two LSTM layers, dropout", deep)
ck.show_history(deep.history);

# %% [markdown]
# ## 8 · A transformer: look back instead of remember
#
# A recurrent network must squeeze everything that it has read into one list of numbers. A
# *transformer* (arXiv 1706.03762) keeps all of it, and at each place looks back at all earlier
# places, with a different question every time. This looking back is called *attention*:
#
# * each place asks with a list of numbers, the *query* `q`;
# * each place offers a label, the *key* `k`, and a content, the *value* `v`;
# * where query and key fit (large product), the value counts for much; softmax makes shares of it.
#
# Places that lie ahead must not be seen, or the network would copy the answer. They get the score
# minus infinity, which softmax turns into 0. This is what *causal* means.


# %%
def attention(q, k, v):  # each (B, heads, T, D)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5  # (B, heads, T, T)
    ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    weights = scores.masked_fill(ahead, -float("inf")).softmax(-1)
    return weights @ v, weights


ck.seed(1)
q, k, v = torch.randn(3, 2, 4, 10, 16).unbind()
ours, weights = attention(q, k, v)
torchs = F.scaled_dot_product_attention(q, k, v, is_causal=True)
assert torch.allclose(ours, torchs, atol=1e-5)
assert torch.allclose(weights.sum(-1), torch.ones(2, 4, 10), atol=1e-5)
assert weights.triu(1).abs().max() == 0

# %% [markdown]
# Equal to torch's, the weights add up to one, and nothing from ahead comes through. Why divide by the
# root of D? A product of two random lists of D numbers is about as large as that root; without the
# division softmax would give almost everything to a single place.
#
# A block of a transformer is attention, then a small network for each place by itself. Both *add*
# something to what is there, so that the way back stays open for the gradient (compare the cell of the
# LSTM). `LayerNorm` keeps the numbers in range.


# %%
class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.before = heads, nn.LayerNorm(width)
        self.ask, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        inner = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.think = nn.Sequential(nn.LayerNorm(width), *inner)

    def forward(self, x):  # (B, T, width)
        parts = self.ask(self.before(x)).chunk(3, -1)
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        seen, _ = attention(q, k, v)
        x = x + self.join(seen.transpose(1, 2).flatten(2))
        return x + self.think(x)


# %% [markdown]
# Attention does not know which place comes first. So each place gets a list of numbers of its own,
# added to that of its character.


# %%
class Transformer(nn.Module):
    def __init__(self, width=64 if not gpu else 256, heads=4, layers=2):
        super().__init__()
        self.look_up, self.place = nn.Embedding(size, width), nn.Embedding(length, width)
        for table in (self.look_up, self.place):
            nn.init.normal_(table.weight, std=0.02)
        blocks = [Block(width, heads) for _ in range(layers)]
        self.blocks = nn.Sequential(*blocks, nn.LayerNorm(width))
        self.out = nn.Linear(width, size)

    def forward(self, x):  # (B, T) -> (B, T, size)
        x = x[:, -length:]  # it knows no more places
        places = torch.arange(x.shape[1], device=x.device)
        return self.out(self.blocks(self.look_up(x) + self.place(places)))


# %%
ck.seed(1)
model, x = Transformer().eval(), batches[0][0].cpu()
changed = x.clone()
changed[:, 20:] = x[:, 20:].flip(1)  # other characters from place 20 on
same = model(x)[:, :20], model(changed)[:, :20]
assert torch.allclose(*same, atol=1e-5), "a place has looked ahead"

# %%
ck.seed(1)
transformer = train(Transformer(), "transformer", 0.006 if not gpu else 0.001)
enter_net("transformer, two blocks", transformer)
show_ladder()

# %% [markdown]
# The whole ladder on one page. How does the transformer compare? It sees no further back than one row,
# and it begins every row anew, so the first places of each row have little to go by. On the sample, with
# so little text and time, this one run has no advantage over the gated networks. Its strength shows at
# a scale that no notebook reaches: all places of a row are computed at once, so it can be trained on
# far more text.
#
# A mark to beat: on Nietzsche, with large recurrent networks on a graphics card, a course of 2018
# reached 1.252 nats.
#
# ## 9 · What goes wrong
#
# **A rate far too high, far too low.** The same LSTM, on the piece of the text, for one epoch. What do
# you expect to see?

# %%
for name, lr in (("rate too high", 1.0), ("rate too low", 0.00002), ("a good rate", 0.02)):
    ck.seed(1)
    learn = train(Reader(nn.LSTM), name, lr, 1, piece)
    print(f"{name}: {measure(learn.model, piece.valid):.3f} nats\n")

# %% [markdown]
# Far too high: it throws its weights about and learns little, though its gradients are clipped. Far too
# low: no better than knowing nothing at all, which is the first line of the ladder. A loss without the rate it was trained with says little.
#
# **Too many epochs.** A very small piece of text, read again and again. When does it stop learning the
# language and begin to learn the text by heart?

# %%
tiny = ck.language(text[:12_000], tokens="characters", batch_size=8, seq_len=32)
ck.seed(1)
learn = train(Reader(nn.LSTM), "by heart", 0.02, 20, tiny, schedule=ck.constant)
ck.show_history(learn.history);

# %% [markdown]
# The training loss falls and falls, and from some epoch on the validation loss rises. More text helps,
# or dropout, or stopping in time (`ck.KeepBestWeights`).
#
# **A leak.** Suppose we had cut the text into overlapping windows first, and *then* put a random tenth
# of them aside. Is this validation part new to the network? Let us count: how often do the sixteen
# characters before a place, and the answer, stand together in the training part already?


# %%
def known(train, valid, count=17):
    seen = {w[i : i + count] for w in train for i in range(len(w) - count + 1)}
    return np.mean([w[:count] in seen for w in valid])


overlapping = [train_text[i : i + 33] for i in range(0, len(train_text) - 33, 8)]
mixed = np.random.default_rng(0).permutation(overlapping).tolist()
tenth = len(mixed) // 10
rest = text[len(train_text) : len(train_text) + len(valid_ids)]
at_the_end = [rest[i : i + 17] for i in range(0, len(rest) - 17, 7)]
print(f"overlapping windows, random tenth: {known(mixed[tenth:], mixed[:tenth]):.0%} known")
print(f"one piece at the end of the text:  {known([train_text], at_the_end):.0%} known")

# %% [markdown]
# Nearly every question of the random tenth was asked before, with its answer. A network that merely
# remembers would look perfect there. This is why the validation part is one piece at the end. (The
# manual itself has the same trap: about a fifth of its paragraphs are copies of earlier ones. The sample
# keeps each of them once.)
#
# ## 10 · Writing: timid, bold, wild
#
# The network gives probabilities. What we make of them is our choice, and it matters as much as the
# network. We take the one with two layers. The simplest idea: always the most probable character. This is called
# *greedy*. What do you expect?


# %%
def greedy(scores):
    return scores.argmax()


stream(start, letters(deep.model, start, greedy), 400)

# %% [markdown]
# It gets stuck: it walks into a phrase that leads back to itself, and since nothing is left to chance
# it can never leave. Let us not trust the eye only. How many different pieces of twenty characters does
# the text have, against one that is drawn at random?


# %%
def variety(text, count=20):
    pieces = [text[i : i + count] for i in range(len(text) - count)]
    return len(set(pieces)) / len(pieces)


ck.seed()
for name, choose in (("greedy", greedy), ("drawn", draw)):
    written = "".join(itertools.islice(letters(deep.model, start, choose), 500))
    print(f"{name:7} {variety(written):.0%} of its pieces are different ones")

# %% [markdown]
# The most probable *next* character, again and again, is not the way people write. So draw. But how
# boldly?
#
# * **Temperature**: divide the scores by a number before softmax. Below 1 the probable becomes more
#   probable still; above 1 the rare gets its chance; close to 0 it is greedy.
# * **Top-k**: only the `k` most probable characters may be drawn.
# * **Nucleus**, or top-p (arXiv 1904.09751): only the most probable ones that together reach a share
#   `p`. Where the network is sure these are one or two, where it is not they are many.


# %%
def filtered(scores, temperature=1.0, top_k=0, nucleus=1.0):  # -> probabilities to draw from
    p, order = (scores / temperature).softmax(0).sort(descending=True)
    if top_k:
        p[top_k:] = 0
    if nucleus < 1:
        p[p.cumsum(0) - p >= nucleus] = 0
    return torch.zeros_like(p).scatter(0, order, p / p.sum())  # back in their places


def sampler(**filters):
    return lambda scores: torch.multinomial(filtered(scores, **filters), 1)


# %% [markdown]
# What each does to one distribution, that of the character after the beginning of our text:


# %%
def scores_after(numbers):  # -> (size,)
    deep.model.eval()  # forgets what it has read before
    with torch.no_grad():
        scores = deep.model(torch.tensor([numbers]).to(device()))[0, -1].cpu()
    scores[vocabulary.unknown] = -float("inf")  # is never written
    return scores


scores = scores_after(vocabulary.encode(start))
top = scores.topk(12)
print("              ", *(f"{characters[n]!r:>5}" for n in top.indices))
for t in (0.3, 0.7, 1.0, 1.5):
    p = filtered(scores, temperature=t)[top.indices]
    print(f"temperature {t:3}", *(f"{value:5.2f}" for value in p))

# %%
p = scores.softmax(0).sort(descending=True).values
for reach in (0.5, 0.8, 0.95):
    kept = int((p.cumsum(0) - p < reach).sum())
    assert p[:kept].sum() >= reach - 1e-6
    assert p[: kept - 1].sum() < reach
    print(f"nucleus {reach}: {kept} characters may be drawn")

# %% [markdown]
# Now watch it write. Press **Write**, and move the sliders while it writes; the bars show what may come
# next, before and after the filters. Predict first: at a temperature of 0.1, which word will it fall
# into? From which temperature on are most words invented? Set the temperature to 1.5 and the nucleus
# to 0.7: are the words mended? After which beginnings is there only one bar? (Where there are no
# buttons, change the numbers in the call, `top_k=3` say, and run the cell again.)

# %%
ck.explore.generate(scores_after, vocabulary, filtered, text=start, temperature=0.8)

# %% [markdown]
# Five ways side by side, all from the same seed. Could you tell them apart without their titles?

# %%
ways = {
    "temperature 0.5": sampler(temperature=0.5),
    "temperature 1": sampler(temperature=1.0),
    "temperature 1.5": sampler(temperature=1.5),
    "top-k 3": sampler(top_k=3),
    "nucleus 0.8": sampler(nucleus=0.8),
}
for name, choose in ways.items():
    ck.seed()
    print(f"\n--- {name}")
    stream(start, letters(deep.model, start, choose), 220)

# %% [markdown]
# Which one do you like best? A number for each: the share of written words that occur in the book, and
# the variety that we measured above. One wants both. Which way comes closest?

# %%
known_words = set(text.split())
for name, choose in {"greedy": greedy, **ways}.items():
    ck.seed()
    written = "".join(itertools.islice(letters(deep.model, start, choose), 500))
    words = written.split()
    fraction = sum(word in known_words for word in words) / max(1, len(words))
    print(f"{name:16} words of the book {fraction:4.0%}, variety {variety(written):4.0%}")

# %% [markdown]
# **Beam search.** Greedy takes the best next character. The best *text* may begin with the second best.
# So keep several candidates, prolong each by every character, and keep the best few of all these. The
# sum of the logarithms of its probabilities says how probable a text is as a whole.


# %%
@torch.no_grad()
def beam(model, start, count, width):
    texts, totals = torch.tensor([vocabulary.encode(start)]), torch.zeros(1)
    for _ in range(count):
        model.eval()
        gains = model(texts.to(device()))[:, -1].log_softmax(-1).cpu()
        gains[:, vocabulary.unknown] = -float("inf")
        totals, best = (totals[:, None] + gains).flatten().topk(width)
        texts = torch.cat([texts[best // size], (best % size)[:, None]], 1)
    return vocabulary.decode(texts[0]), totals[0].item()


# %%
for width in (1, 4, 16):
    written, total = beam(deep.model, start, 100, width)
    print(f"--- {width} candidates, log-probability {total:.1f}\n{written}\n")
by_greedy = "".join(itertools.islice(letters(deep.model, start, greedy), 100))
assert beam(deep.model, start, 100, 1)[0] == start + by_greedy

# %% [markdown]
# One candidate is greedy. More candidates find a text that is more probable, and it is still dull.
# Beam search serves where there is one right answer, in translation say. For free writing, draw.
#
# **The transformer writes too.** It has no memory, so it is given the whole text again each time:


# %%
def letters_again(model, start, choose):
    while True:
        letter = next(letters(model, start, choose))
        start += letter
        yield letter


ck.seed()
stream(start, letters_again(transformer.model, start, sampler(temperature=0.7)), 220)

# %% [markdown]
# ## 11 · Look inside
#
# **Where is it surprised?** A passage from the validation part. The ground of each character says how
# surprised the network was by it: minus the logarithm of the probability that it had given to it.


# %%
def spell(ids):  # one letter for each number, also for characters never seen in training
    return "".join("?" if n == vocabulary.unknown else characters[n] for n in ids.tolist())


x = valid_ids[3000:3621].to(device())
deep.model.eval()
with torch.no_grad():
    scores = deep.model(x[None, :-1])[0]
surprises = F.cross_entropy(scores, x[1:], reduction="none").cpu()
passage = spell(x[1:])
ck.show_text(passage, surprises, title="surprise in nats");
# %% [markdown]
# Where do you find the dark ones? Mostly near the beginning of words; a few stand where a word takes
# another turn than expected. Over the first 20,000 characters of the validation part:

# %%
with torch.no_grad():
    long = valid_ids[:20_001].to(device())
    deep.model.eval()
    each = F.cross_entropy(deep.model(long[None, :-1])[0], long[1:], reduction="none").cpu()
place, sums = 0, {}
for character, loss in zip(spell(long[1:]), each.tolist()):
    place = place + 1 if character.isalpha() else 0
    if place:
        sums.setdefault(min(place, 8), []).append(loss)
for place, losses in sorted(sums.items()):
    print(f"letter {place} of a word{' or later' * (place == 8)}: {np.mean(losses):.2f} nats")

# %% [markdown]
# **What does a unit react to?** The memory of the network is a list of numbers, one a *unit*, that
# changes from character to character. Has one of them a meaning that a person can name? In 2015 a unit
# was found that was on within quotation marks (arXiv 1506.02078). Let us search for such units. First,
# what could they know? Some facts about each place of a text, by plain Python:


# %%
def facts(text):
    column, word, quotes, depth, indented, rows = 0, 0, False, 0, False, []
    for before, c in zip(" " + text, text):
        if c == before == "\n":  # a new paragraph
            quotes, depth = False, 0
        indented = c == " " if before == "\n" else indented
        column = 0 if c == "\n" else column + 1
        word = word + 1 if c.isalnum() else 0
        quotes, depth = quotes ^ (c == '"'), max(0, depth + (c == "(") - (c == ")"))
        rows.append((column, word, quotes, depth > 0, indented))
    names = "place in the line", "place in the word", "in quotes", "in parentheses", "indented"
    return dict(zip(names, np.array(rows, float).T))


# %% [markdown]
# We take the first of the three GRUs, since it hides nothing: what it gives is its whole memory, while
# an LSTM keeps its cell to itself. It reads a long piece of the validation part, and
# `ck.hook_outputs` writes down what its layer gives.

# %%
gru, reading = finished[nn.GRU, 1].model.eval(), spell(long[:-1])
with torch.no_grad(), ck.hook_outputs(gru, ["layer"]) as seen:
    gru(long[None, :-1])
units = seen["layer"][0][0].float().cpu().numpy()  # (T, hidden)
what, half = facts(reading), len(units) // 2
units.shape

# %% [markdown]
# For each fact, which unit goes with it most closely, up or down (correlation)? Among so many units
# some fit by chance. So a unit is *chosen* on the first half of the piece, and judged on the second.


# %%
def correlations(fact, units):
    centred = units - units.mean(0), fact - fact.mean()
    scale = units.std(0) * fact.std() + 1e-9
    return (centred[0] * centred[1][:, None]).mean(0) / scale


found = {}
for name, fact in what.items():
    first = correlations(fact[:half], units[:half])
    unit = np.abs(first).argmax()
    second = correlations(fact[half:], units[half:])[unit]
    found[name] = abs(first[unit]), unit, name
    print(f"{name:18} unit {unit:3}: chosen with {first[unit]:5.2f}, judged {second:5.2f}")
fact = what["place in the line"]
assert np.allclose(correlations(fact, units), np.corrcoef(fact, units.T)[0, 1:], atol=1e-5)

# %% [markdown]
# 1 or -1 would be a perfect gauge, 0 none. Where the second number is near the first one, the unit really
# goes with the fact; where it drops, it was chance. Below stands one unit over a passage of the second
# half: the one that was chosen with the highest number among those about quotes, parentheses and lines.
# Where should its colour change? Say it before you look.
#
# Then move the sliders, to other units and other passages. How many units do you have to look at until
# you find one whose colours you can explain by yourself? (Without sliders: change `unit=` in the call.)

# %%
_, unit, name = max(one for one in found.values() if one[2] != "place in the word")
print(f"unit {unit}, chosen for: {name}")
known = {name: correlations(fact, units) for name, fact in what.items()}
start_at = {"unit": unit, "place": half + 500, "length": 700}
ck.explore.hidden_unit(reading, units, **start_at, correlations=known)

# %% [markdown]
# Does the colour change where the fact does? Nobody told the network to keep count of it; it made the
# loss smaller. Most units have no such meaning, and most knowledge is spread over many of them. That a
# unit goes with a fact does not prove that the network uses it for that.
#
# ## 12 · Keep it, and use it on a text of your own
#
# Save the weights and put them into a new network of the same shape: it must say the same.

# %%
models = PATH.parent.parent / "models"
file = deep.save(models / "lesson6-two-layers.safetensors")
print(file.name, f"{file.stat().st_size / 1e6:.1f} MB")
copy = Reader(nn.LSTM, num_layers=2, dropout=0.1)
again = ck.Learner(data, copy, ck.cross_entropy, name="copy")
again.load(file)
assert abs(measure(copy, data.valid) - ladder["two LSTM layers, dropout"][0][0]) < 1e-5

# %% [markdown]
# How surprised is it by sentences that it has never seen? Put in your own:


# %%
def nats_of(sentence):
    x = torch.tensor([vocabulary.encode(sentence)]).to(device())
    copy.eval()
    with torch.no_grad():
        return F.cross_entropy(copy(x[:, :-1])[0], x[0, 1:]).item()


for sentence in ("The value of this is not the same.", "Teh vlaue fo tihs si ont het smae."):
    print(f"{nats_of(sentence):.2f} nats: {sentence}")

# %% [markdown]
# **A book of your own** goes the same way: in section 1 write `from pathlib import Path` and
# `book = Path("my_book.txt")` (UTF-8, some 200,000 characters or more), and run all cells again. Good candidates are letters,
# recipes, laws, song texts, chess games, the source code of a program. What will it pick up first?
#
# **A warning.** A network that has learned a text may give back pieces of it word for word. Do not
# train on letters that nobody should read and then show what it writes. And it says whatever sounds
# like the book, not what is true.
#
# ## 13 · Before you go on
#
# **Exercises.** Write your answer in place of the dots and run the cell: `ck.check` says whether it is
# right, or what is off. `ck.hint("6.1")` gives a hint, `ck.solution("6.1")` a solution.

# %% exercise="6.1"

# %% exercise="6.2"

# %% exercise="6.3"

# %% exercise="6.4"

# %% exercise="6.5"

# %% exercise="6.6"

# %% [markdown]
# **Do you know it?** A mouse or the keyboard will do.

# %% quiz="6"

# %%
ck.progress();

# %% [markdown]
# **Sources.** Text from characters with recurrent networks: Sutskever, Martens and Hinton, ICML 2011;
# Graves, arXiv 1308.0850. Units with a meaning: 1506.02078. LSTM: Hochreiter and Schmidhuber, Neural
# Computation 1997. GRU: 1406.1078. Identity start: 1504.00941. Clipping: 1211.5063. Dropout between
# layers: 1409.2329. Attention: 1706.03762. Nucleus: 1904.09751. The book: Nietzsche, Beyond Good and
# Evil (1886) and, in its last third, Human, All Too Human (1878). The manual: Python's language reference and library reference, PSF licence. The course
# whose topics these lessons follow: fast.ai, Practical Deep Learning for Coders, 2018.
#
# The text of this lesson is under CC BY 4.0, its code under the MIT licence.
