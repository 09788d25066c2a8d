# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Lesson 5 · Which film would you like?
#
# {badges}
#
# By the end of this lesson you will have
#
# * trained a model that predicts what people think of films they have not seen, in four statements;
# * built it by hand, from a product of two short lists of numbers to a small network;
# * seen what weight decay does, and why a split at random promises too much;
# * read off which films are better than their average says, and drawn a map of all films;
# * asked a new rater about five films and recommended ten;
# * measured a ranking, and trained a model that never sees a rating;
# * watched a recommender change the very data that it learns from.
#
# You need lesson 1, or to know what an epoch, a loss and a learning rate are. A graphics card is of
# little use here: everything together takes about two minutes of computing on two processor cores.
# Reading and thinking take about two hours.

# %%
# {set_up}

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

import coursekit as ck
from coursekit.visuals.style import COLORS, use_style

# %% [markdown]
# ## 1 · Look at the data first
#
# People have given films between half a star and five stars. One table holds the ratings, another
# one the titles. In the full edition these are the votes of 610 real people, published by GroupLens; in the
# sample the films are invented, and so are the people: we know their tastes, and can check later
# whether the model has found them.

# %%
PATH = ck.fetch("ml-latest-small")
films = pd.read_csv(PATH / "movies.csv")
votes = pd.read_csv(PATH / "ratings.csv").merge(films, on="movieId", how="left")
table = votes.drop_duplicates(["userId", "title"], keep="last", ignore_index=True)
raters, titles = table.userId.nunique(), table.title.nunique()
print(f"{len(table):,} ratings by {raters} raters of {titles:,} films")
print(f"titles with two numbers: {films.title.duplicated().sum()}; ", end="")
print(f"second votes on one title, left out: {len(votes) - len(table)}")
print(table.drop(columns="genres").head().to_string(index=False))

# %% [markdown]
# A film's *title* serves as its name here. Even published tables have blemishes: in the full edition
# a few titles stand in the list under two numbers, and a few people have rated both. We count them as
# one film and keep one vote of each person. Why that matters, section 13 shows.
#
# Titles are sorted as in a library, so an article stands behind: `Matrix, The (1999)`. For figures we
# want them short, without the year:


# %% tags=["nbval-check-output"]
def short(title):
    name = title.rsplit(" (", 1)[0]
    for article in ("The", "A", "An"):
        if name.endswith(f", {article}"):
            name = f"{article} {name.removesuffix(f', {article}')}"
    return name


short("Matrix, The (1999)"), short("Oh, Brother (2001)")

# %% [markdown]
# How does the table look from the raters' side? Here are the ten busiest raters and the eight most
# rated films. A dot is a film that this person has not rated. Who has a taste like whose?

# %%
busy_raters = table.userId.value_counts().index[:10]
busy_films = table.title.value_counts().index[:8]
some = table[table.userId.isin(busy_raters) & table.title.isin(busy_films)]
crossed = some.pivot_table("rating", "title", "userId").rename(index=lambda t: short(t)[:30])
print(crossed.to_string(na_rep="·", float_format="%.1f"))

# %% [markdown]
# The task of *collaborative filtering* is: fill in the dots. Nobody tells the model what a film is
# about, who plays in it, or how old the rater is. All it gets is this table. Among the busiest there
# are few dots, if any. What share of the whole table is filled? Guess a percentage.

# %%
print(f"{len(table) / (raters * titles):.1%} of the {raters * titles:,} pairs have a rating")
per_film, per_rater = table.title.value_counts(), table.userId.value_counts()
for what, counts in {"film": per_film, "rater": per_rater}.items():
    print(f"ratings a {what}: half have {counts.median():.0f} or fewer, the busiest {counts.max()}")
tenth = per_film[: len(per_film) // 10].sum() / len(table)
print(f"the busiest tenth of the films has {tenth:.0%} of all ratings")

# %%
with use_style():
    _, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    stars = table.rating.value_counts().sort_index()
    left.bar(stars.index, stars, width=0.4, color=COLORS["blue"])
    left.set(xlabel="stars", ylabel="ratings")
    right.plot(np.arange(1, len(per_film) + 1), per_film, color=COLORS["blue"])
    right.set(xlabel="films, the busiest first", ylabel="ratings (log scale)", yscale="log")
print(f"{stars.idxmax():g} stars are given most often, in {stars.max() / stars.sum():.0%} of the cases")

# %% [markdown]
# On the left: people mostly rate what they expect to like, so there are more high ratings than low
# ones. On the right: a *long tail*. A few films have very many ratings, and the further to the right, the
# fewer. What we learn about a film in the tail rests on a handful of votes; keep that in mind.
#
# ## 2 · The whole game in four statements
#
# `ck.ratings` sets a fifth of the ratings aside, at random, as the validation part. The learner then
# gets for each rater and each film a few numbers, the *factors*, and finds values for them such that
# they explain the ratings. `y_range` is the range that predictions may take. (`weight_decay` has a
# section of its own.) By how many stars will it be off? Guess before you run it.

# %%
factors, lr, decay = ck.by_edition(PATH, full=(50, 0.01, 1.0), sample=(10, 0.02, 0.2))

# %%
PATH = ck.fetch("ml-latest-small")
data = ck.ratings(table, user="userId", item="title")
learn = ck.ratings_learner(data, n_factors=factors, y_range=(0.5, 5.5))
history = learn.fit(5, lr=lr, weight_decay=decay, name="whole-game")

# %% [markdown]
# The loss is the *mean squared error*: the mean of (prediction - rating)². `rmse` is its square root,
# the *root mean squared error*, which is in stars and therefore easier to read: it is about how far
# off the model typically is. The same as a picture:

# %%
print(data)
ck.show_history(history);

# %% [markdown]
# Read the two curves. Both fall at first. The training loss goes on falling while the validation loss
# comes to rest: from there on the model learns votes by heart rather than tastes.
#
# Is that good? A number alone means nothing. **What does one get without any learning?** Three
# answers, each a bit cleverer than the one before:
#
# 1. always the mean of all ratings;
# 2. the mean, plus what this film usually gets above it, plus what this rater usually gives above it;
# 3. that, plus what the *nearest neighbours* of the rater said about the film.

# %%
train, valid = (table.iloc[data.rows[part]] for part in ("train", "valid"))
truth = torch.tensor(valid.rating.to_numpy(), dtype=torch.float32)


def rmse(predicted, truth=truth):
    return float(((torch.as_tensor(predicted) - truth) ** 2).mean() ** 0.5)


errors = {"mean of all ratings": rmse(np.full(len(valid), train.rating.mean()))}

# %% [markdown]
# For the second one, a film with one rating of five stars should not count as a five-star film. So
# we divide by the number of ratings *plus five*, which pulls films with few ratings towards the mean:


# %%
def means(train, valid, extra=5):
    above = train.rating - train.rating.mean()
    by_film = above.groupby(train.title)
    film = by_film.sum() / (by_film.count() + extra)
    by_rater = (above - train.title.map(film)).groupby(train.userId)
    rater = by_rater.sum() / (by_rater.count() + extra)
    return lambda rows: (
        train.rating.mean() + rows.title.map(film).fillna(0) + rows.userId.map(rater).fillna(0)
    ).to_numpy("float32")


by_means = means(train, valid)
errors["means of rater and film"] = rmse(by_means(valid))

# %% [markdown]
# For the third, take what is left over when the means are subtracted, one row a rater. Two raters are
# alike where their rows point the same way; that is the *cosine* of the angle between them. Then
# forty neighbours vote, the more alike the louder:

# %%
x, y = data.train.inputs, torch.tensor(train.rating.to_numpy(), dtype=torch.float32)
rest, seen = (torch.zeros(len(data.users), len(data.items)) for _ in range(2))
rest[x] = y - torch.tensor(by_means(train))
seen[x] = 1
unit = F.normalize(rest, dim=1)
alike = (unit @ unit.T).fill_diagonal_(0)  # (raters, raters)
fortieth = alike.topk(min(40, len(alike) - 1)).values[:, -1:]
votes = torch.where(alike >= fortieth, alike, 0).clamp(min=0)
neighbours = (votes @ rest) / (votes @ seen + 1)
errors["nearest neighbours"] = rmse(torch.tensor(by_means(valid)) + neighbours[data.valid.inputs])

# %% [markdown]
# And the model, over three seeds. Each seed draws another validation part and other starting values,
# so the spread holds both kinds of luck:


# %%
def whole_game(seed, held_out=0.2, name="random"):
    ck.seed(seed)
    data = ck.ratings(table, valid=held_out, seed=seed)
    learner = ck.ratings_learner(data, n_factors=factors, y_range=(0.5, 5.5))
    learner.fit(5, lr, weight_decay=decay, name=f"{name} {seed}")
    return learner


# %%
# %%capture
games = [whole_game(seed) for seed in (1, 2, 3)]
runs = [game.history[-1]["rmse"] for game in games]

# %%
for what, error in errors.items():
    print(f"{what:26} {error:.3f}")
print(f"{'our model, three seeds':26} {np.mean(runs):.3f} ± {np.std(runs):.3f}")

# %% [markdown]
# (`%%capture` keeps the tables of the three fits from filling the page.) The means do a good part of
# the work: some people are generous and some films are good, and that needs no network. What the
# model finds beyond that is *taste*: this person, this film.
#
# One prediction, for one pair. A code stands for each rater and each film; what they are is the next
# section's business. To look at a model we take a copy of it: where there is a graphics card, the
# learner's own stays there, while our inputs lie in the main memory.

# %%
import copy


def on_cpu(learner):
    return copy.deepcopy(learner.model).cpu().eval()


row = valid.iloc[0]
x = data.valid.inputs[0][:1], data.valid.inputs[1][:1]
with torch.no_grad():
    guess = on_cpu(learn)(*x).item()
print(f"rater {row.userId} on {short(row.title)}: predicted {guess:.2f}, given {row.rating}")

# %% [markdown]
# ## 3 · By hand: from two tastes to a network
#
# **A dot product.** Suppose that all there is to a film is how funny it is and how exciting, and all
# there is to a rater is how much they care for each. Two raters, two films:

# %% tags=["nbval-check-output"]
raters_2 = torch.tensor([[2.0, 0.5], [-1.0, 1.5]])  # cares for fun, for excitement
films_2 = torch.tensor([[1.5, 1.0], [0.0, 2.0]])  # how funny, how exciting
by_hand = torch.zeros(2, 2)
for rater in range(2):
    for film in range(2):
        by_hand[rater, film] = sum(raters_2[rater, k] * films_2[film, k] for k in range(2))
print(by_hand)
assert torch.equal(by_hand, raters_2 @ films_2.T)

# %% [markdown]
# Multiply taste by taste and add up: that is a *dot product*. The first rater, who loves to laugh,
# gets a large number for the funny film. The second dislikes comedies, and the two parts cancel out.
# All four numbers at once are a product of two matrices, as the last line asserts.
#
# We do not know the tastes. But we know some of the results, the ratings! So: start with random
# numbers and let gradient descent change them until the products fit. Nobody names the tastes; the
# model finds whatever explains the ratings best.
#
# **From names to codes.** Rater 4711 has to become a row of a matrix. Number the names in order; 0 is
# kept for names that the training part does not know:

# %%
names = sorted(train.title.unique())
code_of = {name: code for code, name in enumerate(names, start=1)}
codes = valid.title.map(code_of).fillna(0).to_numpy()
assert (codes == data.valid.inputs[1].numpy()).all()
print(f"{len(names):,} films have a code; {(codes == 0).sum()} validation ratings are of others")

# %% [markdown]
# **A look-up is a product, too.** Picking row 2 (counted from 0) of a table of factors is the same as
# multiplying the table by a list that is 1 at place 2 and 0 elsewhere (*one-hot*). Looking up is just quicker. Such a
# table with a gradient is called an *embedding*:

# %% tags=["nbval-check-output"]
table_of_factors = torch.arange(8.0).reshape(4, 2)
one_hot = F.one_hot(torch.tensor([2, 0]), num_classes=4).float()
assert torch.equal(one_hot @ table_of_factors, table_of_factors[[2, 0]])
assert torch.equal(F.embedding(torch.tensor([2, 0]), table_of_factors), table_of_factors[[2, 0]])
print(one_hot @ table_of_factors)

# %% [markdown]
# **Your own model.** A model in torch is a class with two methods: `__init__` makes the weights, and
# `forward` computes. This is the whole of it:


# %%
class DotProduct(nn.Module):
    def __init__(self, users, items, factors):
        super().__init__()
        self.user_factors = nn.Parameter(0.1 * torch.randn(users, factors))
        self.item_factors = nn.Parameter(0.1 * torch.randn(items, factors))

    def forward(self, users, items):  # two lists of B codes
        return (self.user_factors[users] * self.item_factors[items]).sum(1)  # (B,)


# %%
def train_net(kind, name, *more, decay=decay, data=data, lr=lr, epochs=5):
    ck.seed()
    net = kind(len(data.users), len(data.items), factors, *more)
    learner = ck.Learner(data, net, ck.mean_squared_error, metrics=[ck.rmse], name="lesson5")
    learner.fit(epochs, lr, weight_decay=decay, name=name)
    return learner


dot = train_net(DotProduct, "dot")
errors["1 dot product"] = dot.history[-1]["rmse"]

# %% [markdown]
# Compare it with the table above. The error fell from epoch to epoch, so it learns. But is it better
# than the means of rater and film? Is it even better than always saying the mean? A dot product that
# starts near zero has to build up the mean of all ratings out of products, while the weight decay pulls
# it back to zero. Let us hand it what it needs.
#
# **Biases.** A number for each rater (how generous) and for each film (how good), added to the mean:


# %%
class Biased(DotProduct):
    mean = float(train.rating.mean())

    def __init__(self, users, items, factors):
        super().__init__(users, items, factors)
        self.user_bias = nn.Parameter(torch.zeros(users))
        self.item_bias = nn.Parameter(torch.zeros(items))

    def forward(self, users, items):
        biases = self.user_bias[users] + self.item_bias[items]
        return self.mean + biases + super().forward(users, items)


errors["2 with biases"] = train_net(Biased, "biased").history[-1]["rmse"]

# %% [markdown]
# **A range.** Nothing keeps this model from predicting six stars. The *sigmoid* is a curve that
# flattens out at 0 and 1; stretched, it runs from `low` to `high`. Since it never quite reaches its
# ends, the range goes half a star further than the ratings at the top:


# %%
class Squeezed(Biased):
    low, high = 0.5, 5.5

    def forward(self, users, items):
        score = super().forward(users, items) - self.mean
        middle = (self.mean - self.low) / (self.high - self.low)
        fraction = 1 / (1 + torch.exp(-(np.log(middle / (1 - middle)) + score)))
        return self.low + (self.high - self.low) * fraction


squeezed = train_net(Squeezed, "squeezed")
errors["3 with a range"] = squeezed.history[-1]["rmse"]

# %% [markdown]
# This is what `ck.ratings_learner` trains. To be sure, copy our weights into its net; both must say
# the same of every validation rating whose rater and film are known. (For an unknown one, code 0,
# its net uses the mean of all others.)

# %%
library = ck.ratings_learner(data, n_factors=factors, y_range=(0.5, 5.5))
ours, theirs = on_cpu(squeezed), on_cpu(library)
with torch.no_grad():
    for name, weights in ours.named_parameters():
        getattr(theirs, name).weight.copy_(weights.reshape(len(weights), -1))
    known = (data.valid.inputs[0] > 0) & (data.valid.inputs[1] > 0)
    pairs = [codes[known] for codes in data.valid.inputs]
    assert torch.allclose(theirs(*pairs), ours(*pairs), atol=1e-5)

# %% [markdown]
# Two things differ in training: `ck.ratings_learner` starts its factors nearer to zero, and lets the
# weight decay pull ten times less at the biases than at the factors. Section 4 measures whether the
# second is wise.
#
# **A network.** Why multiply at all? Put the two lists of factors side by side and let a small network
# of two layers (an *MLP*) find out what to do with them. It can express more than a dot product. Will
# it be better?


# %%
class Network(Squeezed):
    def __init__(self, users, items, factors, hidden=64):
        super().__init__(users, items, factors)
        self.layers = nn.Sequential(nn.Linear(2 * factors, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, users, items):
        both = torch.cat([self.user_factors[users], self.item_factors[items]], dim=1)
        score = self.layers(both).squeeze(1) + self.user_bias[users] + self.item_bias[items]
        middle = (self.mean - self.low) / (self.high - self.low)
        fraction = torch.sigmoid(np.log(middle / (1 - middle)) + score)
        return self.low + (self.high - self.low) * fraction


network = train_net(Network, "network", epochs=8, decay=decay / 4)  # more time, looser reins
errors["4 network"] = network.history[-1]["rmse"]

# %%
errors["5 ck.ratings_learner"] = history[-1]["rmse"]
for what, error in errors.items():
    print(f"{what:26} {error:.3f}")

# %% [markdown]
# Each line is one step of this lesson, all on the same validation ratings. Which step brought most?
# And the network, does it beat step 3, which multiplies instead? It got more epochs and less decay, which
# suits it better. But more freedom is no gain by itself: a product is a very good guess at how tastes work,
# and a network has to find out about multiplication first (arXiv 2005.09683 looks into this).
#
# ## 4 · Weight decay
#
# A film with three ratings and ten factors or more: three votes cannot pin down that many numbers. The
# model can fit these votes perfectly and know nothing. *Weight decay* prevents it: at each step, all
# weights shrink by a small share. A factor stays large only if many ratings keep pushing it. (*AdamW* is
# the optimizer of all our learners; its W stands for weight decay.) By hand, one step on a weight whose
# gradient is zero, and the same by torch:

# %% tags=["nbval-check-output"]
weight = torch.tensor([2.0], requires_grad=True)
optimizer = torch.optim.AdamW([weight], lr=0.1, weight_decay=0.3)
weight.grad = torch.zeros(1)
optimizer.step()
by_hand = 2.0 * (1 - 0.1 * 0.3)
print(f"by hand {by_hand:.4f}, by torch {weight.item():.4f}")
assert abs(weight.item() - by_hand) < 1e-6

# %% [markdown]
# How much is right? Train with hardly any, a little, and a lot. Which curve will have a lowest point,
# that of the training error or that of the validation error?

# %%
# %%capture
decays = [decay * times for times in (0.03, 0.1, 0.3, 1, 3, 10)]
decayed = []
for value in decays:
    ck.seed()
    learner = ck.ratings_learner(data, n_factors=factors, y_range=(0.5, 5.5))
    learner.fit(5, lr, weight_decay=value, name=f"decay {value:g}")
    decayed.append(learner)

# %%
last = [learner.history[-1] for learner in decayed]
ends = [(row["train_loss"] ** 0.5, row["rmse"]) for row in last]
with use_style():
    _, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for label, values, dash in zip(("training", "validation"), zip(*ends), ("--", "-")):
        axis.plot(decays, values, dash, marker="o", label=label)
    axis.set(xlabel="weight decay (log scale)", ylabel="rmse (stars)", xscale="log")
    axis.legend()
best = min(range(len(decays)), key=lambda n: ends[n][1])
print(f"lowest validation error {ends[best][1]:.3f} at a weight decay of {decays[best]:g}")

# %% [markdown]
# The training error only ever grows with the decay: it holds the model back. The validation error is
# higher on the left, where votes are learned by heart, and on the right, where the factors are held so
# short that little of the tastes is learned. The best value lies between.
#
# What does it do to the single films? The *length* of a film's list of factors says how strongly the
# model thinks that tastes differ about it. Against the number of ratings, with a little and with
# much decay:

# %%
with use_style():
    _, panels = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for axis, number in zip(panels, (1, 4)):
        lengths = decayed[number].model.item_factors.weight.detach().cpu().norm(dim=1)[1:]
        axis.scatter(data.counts[1:], lengths, s=8, color=COLORS["blue"], alpha=0.5, linewidth=0)
        axis.set(title=f"weight decay {decays[number]:g}", xlabel="ratings of the film (log scale)")
        axis.set_xscale("log")
        print(f"weight decay {decays[number]:g}: mean length {lengths.mean():.2f}")
    panels[0].set_ylabel("length of its factors")

# %% [markdown]
# Each point is a film. With little decay even films with few ratings have strong opinions attached to
# them; with much, a film has to earn its factors by many ratings.
#
# A bias is a mere mean and needs fewer votes than a taste. So it should be pulled less: that was the
# idea of the factor of ten. Is it any good? Train the same net on the same three splits as in section
# 2, but let the decay pull at everything alike:


# %%
def alike_game(game, seed):
    ck.seed(seed)
    net = ck.ratings_learner(game.data, n_factors=factors, y_range=(0.5, 5.5)).model
    learner = ck.Learner(game.data, net, ck.mean_squared_error, metrics=[ck.rmse], name="alike")
    learner.fit(5, lr, weight_decay=decay, name=f"alike {seed}")
    return learner.history[-1]["rmse"]


# %%
# %%capture
alike_runs = [alike_game(game, seed) for seed, game in enumerate(games, start=1)]

# %%
for what, some in {"biases pulled less": runs, "all pulled alike": alike_runs}.items():
    print(f"{what:20} {np.mean(some):.4f} ± {np.std(some):.4f}")

# %% [markdown]
# Sparing the biases lowers the error by a little, and by more than the spread. It costs nothing, so we
# keep it.
#
# ## 5 · A split at random, and a split in time
#
# Our validation ratings were drawn at random. So the model may have seen what a rater said on Tuesday
# and predict what they said on Monday. In real use there is only the past. Three ways to hold out a
# fifth: at random; the newest fifth of each rater; everything after a certain day. Which one will be
# hardest?

# %%
newest = table.groupby("userId").timestamp.rank(pct=True, method="first") > 0.8
after = np.argsort(table.timestamp.to_numpy(), kind="stable")[-(len(table) // 5) :]
splits = {"newest fifth of each": np.flatnonzero(newest), "after a day": after}

# %%
# %%capture
timed = {"at random": games}
for name, held_out in splits.items():
    timed[name] = [whole_game(seed, held_out, name) for seed in (1, 2, 3)]


# %%
def simple_error(learner):
    rows = [table.iloc[learner.data.rows[part]] for part in ("train", "valid")]
    truth_there = torch.tensor(rows[1].rating.to_numpy(), dtype=torch.float32)
    return rmse(means(*rows)(rows[1]), truth_there)


for name, three in timed.items():
    error = [learner.history[-1]["rmse"] for learner in three]
    plain = np.mean([simple_error(learner) for learner in three])
    new = (three[0].data.valid.inputs[0] == 0).float().mean()
    print(f"{name:20} rmse {np.mean(error):.3f} ± {np.std(error):.3f}, means {plain:.3f}, ", end="")
    print(f"{new:.0%} by new raters")

# %% [markdown]
# The same model, the same table, and the last error is far from the first. Two things are behind it.
# There are *new raters*, about whom nothing is known yet: for them no model has more to say than the
# means of the films, and section 9 takes care of them. And there is *drift*: people change, and so
# does what is rated. The middle line has drift without new raters. It is worse than the first by more
# than the spread of the three seeds, and the means get worse there as well: the future is a bit harder
# than the past, even about people one knows.
#
# When somebody reports an error, ask how they split. Whoever wants to know how a recommender will do
# next month should hold out the last month.

# %% [markdown]
# ## 6 · Prediction against truth
#
# A number hides where the errors are. Draw all validation ratings: what was predicted against what was
# given. There are thousands of points on top of each other, so count them in little boxes. How far up
# and how far down will the predictions go?

# %%
predicted = learn.predict().scores
with use_style():
    figure, axis = plt.subplots(figsize=(6.5, 4.6), layout="constrained")
    edges = [np.arange(0.25, 5.5, 0.5), np.linspace(0.5, 5.5, 41)]  # half stars, eighths
    *_, boxes = axis.hist2d(truth.numpy(), predicted.numpy(), edges, norm="log", cmap="Blues")
    levels = sorted(valid.rating.unique())
    middle = [predicted[truth == level].mean() for level in levels]
    axis.plot(levels, middle, "o-", color=COLORS["red"], label="mean prediction")
    axis.plot((0.5, 5), (0.5, 5), "--", color=COLORS["black"], label="perfect")
    axis.set(xlabel="stars given", ylabel="stars predicted", ylim=(0.5, 5.5))
    axis.legend(loc="upper left")
    figure.colorbar(boxes, label="ratings (log scale)")
print(f"given {levels[0]:g}: predicted {middle[0]:.2f} on average; given 5: {middle[-1]:.2f}")

# %%
ends = [((predicted < 1).float().mean(), (truth < 1).float().mean())]
ends.append(((predicted >= 4.75).float().mean(), (truth >= 4.75).float().mean()))
for what, (said, was) in zip(("below 1 star", "4.75 stars or more"), ends):
    print(f"{what}: {said:.1%} of the predictions, {was:.1%} of the ratings")

# %% [markdown]
# The red line is flatter than the dashed one: the model is careful. It says extreme things far less
# often than people do, because to be wrong there costs most. That is no mistake; it is what the
# squared error asks for when one cannot be sure. Now the worst ones:

# %%
off = valid.assign(predicted=predicted.numpy().round(2), miss=(predicted - truth).abs().numpy())
worst = off.sort_values("miss", ascending=False).head(8)
print(worst[["userId", "title", "rating", "predicted"]].to_string(index=False))

# %% [markdown]
# Would you have known better? A favourite film that suddenly gets the lowest mark may be a slip of the
# mouse, another person at the keyboard, or a bad evening. Nobody can predict these, so no model
# reaches zero. How low one could get at all is usually unknown; section 11 will show it for the
# sample, where we made the noise ourselves.

# %% [markdown]
# ## 7 · Which films are good?
#
# The simplest list of best films goes by the mean of the ratings. What will be wrong with it?

# %%
by_title = train.groupby("title").rating.agg(["mean", "count"])
bias = pd.Series(learn.model.item_bias.weight.detach().cpu()[1:, 0].numpy(), data.items[1:])
by_title["bias"] = bias
by_mean = by_title.sort_values("mean", ascending=False)
print(by_mean.head(15).round(2).to_string())

# %% [markdown]
# Look at the counts. A mean of very few ratings is mostly luck, and the luckiest stand on top. The *bias*
# of a film is better in two ways. It has to earn its height by its ratings, since weight decay pulls it
# back; and it is what remains after the raters' generosity and their tastes are accounted for. A film
# that only its fans watch has a high mean, but not a high bias.

# %%
by_bias = by_title.sort_values("bias", ascending=False)
print(by_bias.head(15).round(2).to_string())
middle = [one["count"].head(15).median() for one in (by_mean, by_bias)]
print(f"median count of the fifteen best: {middle[0]:.0f} by mean, {middle[1]:.0f} by bias")

# %%
print(by_bias.tail(15)[::-1].round(2).to_string())

# %% [markdown]
# These last fifteen are films that people dislike *even though* their taste should suit them. Find one
# whose mean is higher than that of its neighbours in the list: those who rated it were generous, or it
# was their kind of film. The bias takes out both.

# %% [markdown]
# ## 8 · A map of the films
#
# Each film is a list of factors, a point in a space of many dimensions. To see it we need two.
# *Principal components* are the directions in which the points differ most. By hand: subtract the
# mean, take the singular value decomposition, keep the first two directions; equal to scikit-learn's,
# up to the sign, which is arbitrary:

# %%
from sklearn.decomposition import PCA

busy = np.argsort(-data.counts[1:])[:300] + 1
vectors = learn.model.item_factors.weight.detach().cpu()[busy]
centred = vectors - vectors.mean(0)
directions = torch.linalg.svd(centred, full_matrices=False).Vh[:2]
places = centred @ directions.T  # (300, 2)
theirs = PCA(2, svd_solver="full").fit_transform(vectors.double().numpy())
assert np.allclose(places.abs().numpy(), np.abs(theirs), atol=1e-4)

# %% [markdown]
# Before you look: which two kinds of films will lie furthest from each other? Rest the mouse on a point
# to read its name, or type a name into the field: the film turns red, and those nearest to it by
# cosine, which we come to below, get a ring. (Without the field: `find="..."` in the call.)

# %%
labels = [short(data.items[code]) for code in busy]
ck.explore.embedding_map(vectors, labels, counts=data.counts[busy], labels=45)

# %% [markdown]
# Nobody told the model what the films are about. Look at both ends of each direction: what do the films
# on one side have in common? (In the sample, the titles give a hint of the kind of film.) A film's ringed
# ones need not lie close to it here: the map has two directions, and the factors have more. The genres
# were never used, so they make a fair check: the mean place of the films of each genre.

# %%
genre = films.drop_duplicates("title").set_index("title").genres
located = pd.DataFrame(places.numpy(), columns=["first", "second"])
located["genre"] = [genre[data.items[code]].split("|") for code in busy]
by_genre = located.explode("genre").groupby("genre")
summary = by_genre.mean().assign(films=by_genre.size()).query("films >= 10")
print(summary.sort_values("first").round(2).to_string())

# %% [markdown]
# If the factors were noise, all genres would lie at about the same place. Do they?
#
# **Nearest films.** Two films are alike where their lists point the same way, whatever their length.
# The *cosine* measures that: the dot product of both, each divided by its length; 1 is the same
# direction, 0 nothing in common, -1 the opposite:

# %%
from sklearn.metrics.pairwise import cosine_similarity

length = vectors.norm(dim=1, keepdim=True)
cosines = (vectors / length) @ (vectors / length).T
assert np.allclose(cosines.numpy(), cosine_similarity(vectors.numpy()), atol=1e-5)
for row in (0, 1, 2):
    likes = ck.most_similar(vectors, labels, labels[row], count=4)
    print(f"{labels[row]}: " + ", ".join(f"{name} ({cosine:.2f})" for name, cosine in likes))

# %% [markdown]
# "People who liked this also liked": you know it from every shop. Put in the title of a film that you
# know, or of one that promises something, and guess its neighbours.

# %%
ck.most_similar(vectors, labels, labels[0])

# %% [markdown]
# Do the neighbours share a genre with the film? Count it, for all three hundred, and compare it with
# all other pairs:

# %%
kinds = [set(genre[data.items[code]].split("|")) for code in busy]
nearest = cosines.clone().fill_diagonal_(-2).argmax(1).tolist()
shared = np.mean([bool(kinds[row] & kinds[other]) for row, other in enumerate(nearest)])
chance = np.mean([bool(one & other) for one in kinds for other in kinds if one is not other])
print(f"the nearest film shares a genre in {shared:.0%} of the cases, any other in {chance:.0%}")

# %% [markdown]
# ## 9 · A new rater
#
# The model knows nothing about somebody who came today: a *cold start*. Training it again for
# each new rater would be too slow. But the factors of the films are known. If we hold them fixed,
# then finding the rater's own numbers is nearly a linear regression, which is solved in one line.
#
# Start from the mean rater (code 0). Near there, the prediction changes by `gradient` times each change
# of the score. So for the films that were rated, look for changes `w` of bias and factors such that
# `gradient * (1, factors) @ w` explains how far the ratings lie from the prediction. With five ratings
# and more unknowns than that, we must add what we know: how raters *usually* differ from the mean,
# the covariance of all known raters. This is *ridge regression*, and all of it is this:


# %%
def new_rater(model, codes, stars, noise):
    with torch.no_grad():
        start = model(torch.zeros_like(codes), codes)
        fraction = (start - model.low) / (model.high - model.low)
        gradient = (model.high - model.low) * fraction * (1 - fraction)
        factors = model.item_factors.weight[codes]
        A = gradient[:, None] * torch.cat([torch.ones(len(codes), 1), factors], 1)  # (films, 1 + K)
        raters = torch.cat([model.user_bias.weight[1:], model.user_factors.weight[1:]], 1)
        C = torch.cov(raters.T) + 1e-6 * torch.eye(A.shape[1])
        inverse = torch.linalg.inv(A @ C @ A.T + noise * torch.eye(len(codes)))
        return C @ A.T @ inverse @ (stars - start)  # (1 + K,)


# %% [markdown]
# Is it the same as scikit-learn's ridge regression? That one knows a plain penalty only, so the
# covariance goes into the inputs (its *Cholesky* root):

# %%
from sklearn.linear_model import Ridge

model, noise = on_cpu(learn), learn.evaluate()["loss"]
five = torch.as_tensor(np.sort(busy[:40:8].copy()))
stars = torch.tensor([5.0, 2.0, 4.5, 1.0, 3.0])
w = new_rater(model, five, stars, noise)
with torch.no_grad():
    start = model(torch.zeros_like(five), five)
    gradient = (start - 0.5) * (5.5 - start) / 5.0
    A = gradient[:, None] * torch.cat([torch.ones(5, 1), model.item_factors.weight[five]], 1)
    raters = torch.cat([model.user_bias.weight[1:], model.user_factors.weight[1:]], 1)
    root = torch.linalg.cholesky(torch.cov(raters.T) + 1e-6 * torch.eye(A.shape[1]))
ridge = Ridge(alpha=noise, fit_intercept=False, solver="svd")
ridge.fit((A @ root).numpy(), (stars - start).numpy())
assert np.allclose(root.numpy() @ ridge.coef_, w.numpy(), atol=1e-4)

# %% [markdown]
# Which films should one ask about? These five are well known and have as little to do with each other as
# possible (the exact opposite of a film would tell the same as the film itself), so that each answer
# tells something new:

# %%
known = busy[:100]
units = F.normalize(model.item_factors.weight.detach()[known], dim=1)
chosen = [0]
while len(chosen) < 5:  # next, the film that is least like all those chosen so far
    chosen.append((units @ units[chosen].T).abs().max(1).values.argmin().item())
five = torch.as_tensor(known[chosen])
print(*[f"{data.items[code]}: {genre[data.items[code]]}" for code in five.tolist()], sep="\n")


# %%
def expected(codes, stars):  # -> the stars that this rater would give, for every code
    codes, stars = torch.as_tensor(codes, dtype=torch.long), torch.as_tensor(stars)
    w = new_rater(model, codes, stars, noise)
    with torch.no_grad():
        items = torch.arange(len(data.items))
        start = model(torch.zeros_like(items), items)
        scores = ((start - 0.5) / (5.5 - start)).log() + w[0]
        return 0.5 + 5 * (scores + model.item_factors.weight @ w[1:]).sigmoid()


# %%
def recommend(stars, count=10):
    found = expected(five, stars)
    found[five], found[0] = -torch.inf, -torch.inf  # these you have seen; 0 is no film
    best = found.topk(count)
    return [(short(data.items[c]), s) for s, c in zip(best.values.tolist(), best.indices.tolist())]


# %%
yours = [5.0, 1.0, 4.0, 2.0, 3.0]  # your stars here, in the order of the five films
for film, expected_stars in recommend(yours, 3):
    print(f"{expected_stars:.2f}  {film}")

# %% [markdown]
# Now with sliders, ten films, and with a reason for each: the one of your ratings without which it would
# lose most stars. The orange mark is what the mean rater would give. First guess: if you
# turn a single film from five stars to one, how many of the ten will change? Then choose films that you
# like, by typing into the fields. (Without sliders, change `stars=` and `films=`.)

# %%
these = [data.items[code] for code in five]
ck.explore.recommend(expected, data.items, counts=data.counts, films=these, stars=yours)

# %% [markdown]
# And the opposite taste (there is a button for it)? How many of the ten will be in both lists? How many
# of the first hundred?

# %%
for count in (10, 100):
    mine, opposite = (dict(recommend(one, count)) for one in (yours, [6 - s for s in yours]))
    print(f"of the first {count}, {len(mine.keys() & opposite.keys())} are in both lists")
print("first for the opposite taste:", ", ".join(list(opposite)[:3]))

# %% [markdown]
# A film in both lists is simply good; the others are a matter of taste.

# %% [markdown]
# **Does it work?** The split after a day has raters that the model has never seen. Give it `n` ratings
# of each, drawn at random, and let it predict others, the same ones for every `n`. How fast will the
# error fall?

# %%
late = timed["after a day"][0]
net, codes, y = on_cpu(late), late.data.valid.inputs[1], late.data.valid.targets
who = table.userId.to_numpy()[late.data.rows["valid"]]
unknown = np.unique(who[(late.data.valid.inputs[0] == 0).numpy()])
fresh = [np.random.default_rng(0).permutation(np.flatnonzero(who == one)) for one in unknown]
fresh = [rows for rows in fresh if len(rows) >= 40]


# %%
def error_after(n, taste=1):
    misses = []
    for rows in fresh:
        w = new_rater(net, codes[rows[:n]], y[rows[:n]], noise)
        items = codes[rows[20:]]  # the same ones for every n
        with torch.no_grad():
            start = net(torch.zeros_like(items), items)
            score = ((start - 0.5) / (5.5 - start)).log() + w[0]
            score = score + taste * (net.item_factors.weight[items] @ w[1:])
        misses.append(0.5 + 5 * score.sigmoid() - y[rows[20:]])
    return float((torch.cat(misses) ** 2).mean() ** 0.5)


# %%
print(f"{len(fresh)} new raters with 40 ratings or more; the error on all but 20 of them:")
for n in (0, 1, 2, 5, 10, 20) if fresh else ():
    print(f"{n:3} films rated: rmse {error_after(n):.3f}, by their bias alone {error_after(n, 0):.3f}")

# %% [markdown]
# The first few ratings help most. Compare the two columns: the second one knows only how generous
# somebody is, the first one also their taste. What lies between them is what the taste is worth; does
# it grow with the number of films? That is why a service asks you to rate a few films when you sign up.
#
# ## 10 · Ranking
#
# A recommender shows ten films. Whether it would have predicted 2.1 or 2.4 stars for a film that it
# does not show is of no matter. What counts is the *order at the top*. So for each rater: sort all
# films that are not in their training part, and look where those come out that they watched as well,
# unknown to the model: their films of the validation part. Two measures:
#
# * *recall at k*: the share of these films that are among the first k;
# * *NDCG at k*: each hit among the first k counts, at rank r, 1 / log2(r + 1), so the first place
#   most; divided by the best that could be had.

# %%
x, held = data.train.inputs, data.valid.inputs
watched, also = (torch.zeros(len(data.users), len(data.items)) for _ in range(2))
watched[x], also[held] = 1, 1
also[:, 0] = watched[:, 0] = 0
asked = (also.sum(1) > 0) & (torch.arange(len(data.users)) > 0)


def rank_measures(scores, k=10):
    scores = torch.where(watched.bool(), -1e9, scores)[asked]
    hits = also[asked].gather(1, scores.topk(k).indices)  # (raters, k), 1 is a hit
    worth = 1 / torch.log2(torch.arange(k) + 2.0)
    count = also[asked].sum(1)
    ideal = torch.stack([worth[: int(n)].sum() for n in count])
    return (hits.sum(1) / count).mean().item(), ((hits * worth).sum(1) / ideal).mean().item()


# %% [markdown]
# Equal to scikit-learn's? And who ranks best: chance, the most watched films, or our model, which
# knows everybody's taste? Predict the order of the three first.

# %%
from sklearn.metrics import ndcg_score

ck.seed()
popularity = watched.sum(0).expand_as(watched) + 1e-3 * torch.rand(len(data.items))  # no ties
ours = torch.where(watched.bool(), -1e9, popularity)[asked]
reference = ndcg_score(also[asked].numpy(), ours.double().numpy(), k=10, ignore_ties=True)
assert abs(rank_measures(popularity)[1] - reference) < 1e-5
with torch.no_grad():
    u, i = model.user_factors.weight, model.item_factors.weight
    stars_for_all = model.user_bias.weight + model.item_bias.weight.T + u @ i.T
ranks = {"chance": torch.rand_like(watched), "most watched": popularity, "our model": stars_for_all}
ranks = {name: rank_measures(scores) for name, scores in ranks.items()}

# %%
for name, (recall, ndcg) in ranks.items():
    print(f"{name:14} recall at 10: {recall:.3f}   NDCG at 10: {ndcg:.3f}")

# %% [markdown]
# Surprised? The model predicts how much somebody *would like* a film *if* they watched it. The
# measure asks what they *will watch*, and people watch what is known. Two different questions; a
# good error in stars says little about the second.
#
# **Learn from watching alone.** Most services have no stars at all, only who watched or bought what:
# *implicit* feedback. There are no negative examples in it. The trick of *Bayesian personalised
# ranking* (BPR): take a film that the rater watched and another one drawn at random, and train such
# that the first gets the higher score. The loss is minus the logarithm of the probability that it
# does:


# %%
class Preference(nn.Module):
    def __init__(self, users, items, factors):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(items))
        self.users = nn.Parameter(0.1 * torch.randn(users, factors))
        self.items = nn.Parameter(0.1 * torch.randn(items, factors))

    def scores(self, users, items):
        return self.bias[items] + (self.users[users] * self.items[items]).sum(1)

    def forward(self, users, watched, other):
        return self.scores(users, watched) - self.scores(users, other)


# %%
def bpr(difference, _):
    return -torch.sigmoid(difference).log().mean()


check = torch.tensor([0.3, -1.2, 2.0])
assert torch.allclose(bpr(check, None), F.binary_cross_entropy_with_logits(check, torch.ones(3)))

# %% [markdown]
# (The line with `check` says: this is the binary cross-entropy of lesson 2, with "the first one is
# preferred" as the answer that is always right.) The other film is drawn afresh for every batch:


# %%
def with_another(x):
    users, items = x
    return users, items, torch.randint(1, len(data.items), items.shape, device=items.device)


def unrated(part, **options):
    ones = torch.ones(part.num_examples)
    return ck.Batches(part.inputs, ones, batch_size=512, transform=with_another, **options)


ck.seed()
preferred = Preference(len(data.users), len(data.items), 16)
pairs = ck.Data(unrated(data.train, shuffle=True), unrated(data.valid))
liker = ck.Learner(pairs, preferred, bpr, name="lesson5")

# %%
liker.fit(8, 0.02, weight_decay=0.3, name="bpr")
with torch.no_grad():
    net = on_cpu(liker)
    ranks["BPR"] = rank_measures(net.bias + net.users @ net.items.T)
for name, (recall, ndcg) in ranks.items():
    print(f"{name:14} recall at 10: {recall:.3f}   NDCG at 10: {ndcg:.3f}")

# %% [markdown]
# It has never seen a star, and of all four it is the best at ranking what people will watch. Ask what a
# model was trained *for* before you use it.

# %% [markdown]
# ## 11 · A world whose tastes are known
#
# Has the model found real tastes, or numbers that merely fit? With real people nobody can say. So we
# take the sample now, whichever edition you are working on: there each film was given its place on four
# scales (pace, lightness, imagination, tenderness), and each rater a liking for each of them. Then
# noise was added, and all of it was rounded to half stars. The truth was written to a folder that
# the model never sees.

# %%
WORLD = ck.fetch("ml-latest-small", edition="sample")
titles_of = pd.read_csv(WORLD / "movies.csv")
world = pd.read_csv(WORLD / "ratings.csv").merge(titles_of, on="movieId", how="left")
best_possible = pd.read_csv(WORLD / "truth" / "ratings.csv").best.to_numpy()
scales = ["pace", "lightness", "imagination", "tenderness"]
true_films = pd.read_csv(WORLD / "truth" / "films.csv").merge(titles_of, on="movieId")


def world_game(seed):
    ck.seed(seed)
    learner = ck.ratings_learner(ck.ratings(world, seed=seed), n_factors=10, y_range=(0.5, 5.5))
    learner.fit(5, 0.02, weight_decay=0.2, name=f"world {seed}")
    return learner


# %%
# %%capture
found = [world_game(seed) for seed in (1, 2, 3)]

# %% [markdown]
# **How low could the error get?** Somebody who knew everything, tastes, moods and drift, would still
# not know the noise of the single vote. For each rating, the truth holds the best prediction there is.

# %%
for learner in found:
    rows = learner.data.rows["valid"]
    lowest = np.mean((best_possible[rows] - world.rating.to_numpy()[rows]) ** 2) ** 0.5
    error = learner.history[-1]["rmse"]
    print(f"model {error:.3f}, best possible {lowest:.3f}: {error / lowest - 1:.1%} above it")

# %% [markdown]
# **Are the factors the tastes?** Not one to one: the model may turn and stretch its space as it likes.
# But if it has found the tastes, then each of the four scales must be a weighted sum of the learned
# factors. So fit a linear regression from the ten factors to the four scales, for films with twenty
# ratings or more. To be fair, each film's place is predicted by a regression fitted on *other* films.
# R² says how much of the differences that explains; 1 is all, 0 nothing.

# %%
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict

by_name = true_films.set_index("title")


def read_back(learner, least=20):
    codes = np.flatnonzero(learner.data.counts >= least)
    learned = learner.model.item_factors.weight.detach().cpu().numpy()[codes]
    true = by_name.loc[[learner.data.items[code] for code in codes], scales].to_numpy()
    folds = KFold(5, shuffle=True, random_state=0)
    return true, cross_val_predict(LinearRegression(), learned, true, cv=folds)


# %%
for learner in found:
    each = r2_score(*read_back(learner), multioutput="raw_values")
    print(dict(zip(scales, each.round(2).tolist())), f"mean {each.mean():.2f}")
true, learned = read_back(found[0])
with use_style():
    _, panels = plt.subplots(1, 4, figsize=(10, 2.8), sharey=True, layout="constrained")
    for axis, scale, one, other in zip(panels, scales, true.T, learned.T):
        axis.scatter(one, other, s=6, color=COLORS["blue"], alpha=0.5, linewidth=0)
        axis.set(title=scale, xlabel="true place")
    panels[0].set_ylabel("read from the factors");

# %% [markdown]
# Each point is a film: to the right its true place, upwards the place read from the learned factors. From
# nothing but stars the model has worked out how fast and how light each film is, without a word
# for it. What about films with fewer ratings?

# %%
for low, high in ((1, 9), (10, 29), (30, 99), (100, 10_000)):
    every = np.flatnonzero(found[0].data.counts >= 1)
    counts = found[0].data.counts[every]
    true, learned = (part[(counts >= low) & (counts <= high)] for part in read_back(found[0], 1))
    missed = ((true - learned) ** 2).sum() / (true**2).sum() if len(true) else np.nan
    print(f"{low:4} to {high:6,} ratings: {len(true):3} films, R² {1 - missed:.2f}")

# %% [markdown]
# The more ratings, the better a film is known; read the last line against the first. That is what a
# long tail does: for most films of a catalogue there are few votes, and their factors are a guess.
#
# ## 12 · The recommender changes what it learns from
#
# So far the data lay still. In real use, people watch what is recommended, rate it, and the next model
# learns from that. Does it go well? With known tastes it can be tried: we know what everybody would
# say of every film, so we can play a whole service.
#
# We begin with fifteen ratings of each rater. Then, round after round: train, recommend ten films to
# everybody that they have not seen, let them watch and rate these, and put the ratings into the table.

# %%
facts = json.loads((WORLD / "truth" / "world.json").read_text("utf-8"))
true_raters = pd.read_csv(WORLD / "truth" / "raters.csv")
likes = torch.tensor(true_raters[scales].to_numpy() @ true_films[scales].to_numpy().T)
opinion = facts["mean"] + torch.tensor(true_raters.bias.to_numpy())[:, None] + likes
opinion = (opinion + torch.tensor(true_films.quality.to_numpy())).float()  # (raters, films)


def ask(who, what):
    said = opinion[who, what] + facts["noise"] * torch.randn(len(who))
    return (said * 2).round().div(2).clamp(0.5, 5)


# %%
number_of = pd.Series(np.arange(len(true_films)), true_films.movieId)
begin = world.groupby("userId").sample(15, random_state=0)
begin = begin.userId.to_numpy() - 1, number_of[begin.movieId].to_numpy()
begin = torch.tensor(begin[0]), torch.tensor(begin[1])  # who, what

# %% [markdown]
# One model of the service, trained on the ratings so far; it scores every film for every rater. A film
# that nobody has rated yet has code 0, the mean film:


# %%
def scores_from(who, what, stars, name):
    frame = pd.DataFrame({"who": who.numpy(), "what": what.numpy(), "stars": stars.numpy()})
    data = ck.ratings(frame, user="who", item="what", rating="stars", valid=0.1)
    learner = ck.ratings_learner(data, n_factors=10, y_range=(0.5, 5.5))
    learner.fit(5, 0.02, weight_decay=0.3, name=name)
    users, items = (torch.zeros(count, dtype=torch.long) for count in opinion.shape)
    users[list(data.users[1:])] = torch.arange(1, len(data.users))
    items[list(data.items[1:])] = torch.arange(1, len(data.items))
    pairs = users.repeat_interleave(len(items)), items.repeat(len(users))
    with torch.no_grad():
        return on_cpu(learner)(*pairs).reshape(opinion.shape)


# %%
def play(policy, rounds=6):
    ck.seed()
    who, what = begin
    stars, told = ask(who, what), []
    busiest = torch.bincount(what, minlength=opinion.shape[1]).topk(opinion.shape[1] // 10).indices
    for number in range(rounds):
        scores = scores_from(who, what, stars, f"{policy} {number}")
        seen = torch.zeros(opinion.shape, dtype=torch.bool)
        seen[who, what] = True
        ten = choose(policy, scores, seen)  # (raters, 10)
        told.append(measure(scores, seen, ten, busiest))
        new = torch.arange(len(ten)).repeat_interleave(10), ten.flatten()
        both = zip((who, what, stars), (*new, ask(*new)))
        who, what, stars = (torch.cat(old_and_new) for old_and_new in both)
    return pd.DataFrame(told)


# %% [markdown]
# Three ways to choose: the ten with the highest prediction; the ten that most people have seen; seven by
# prediction and three by chance. And four numbers a round: how much people like what they get; how
# many different films anybody gets at all; which share goes to the tenth of the films that was
# busiest at the start; and how wrong the model is about all films that a rater has not seen yet, not
# only about those it chose itself.


# %%
def choose(policy, scores, seen):
    wish = scores if policy != "most seen" else seen.sum(0).float() + torch.rand(opinion.shape)
    ten = wish.masked_fill(seen, -torch.inf).topk(10).indices
    if policy == "seven and three":
        left = seen.clone().scatter_(1, ten, True)
        ten[:, 7:] = torch.rand(opinion.shape).masked_fill(left, -1).topk(3).indices
    return ten


# %%
def measure(scores, seen, ten, busiest):
    return {
        "liking": opinion.gather(1, ten).clamp(0.5, 5).mean().item(),
        "films shown": len(ten.unique()),
        "to the busiest": torch.isin(ten, busiest).float().mean().item(),
        "error on any film": (scores - opinion.clamp(0.5, 5))[~seen].square().mean().sqrt().item(),
    }


# %%
# %%capture
policies = ("predicted best", "most seen", "seven and three")
played = {policy: play(policy) for policy in policies}

# %%
with use_style():
    _, panels = plt.subplots(1, 4, figsize=(10, 3.2), layout="constrained")
    for axis, what in zip(panels, played["most seen"].columns):
        for (policy, told), dash in zip(played.items(), ("-", "--", "-.")):
            axis.plot(np.arange(1, len(told) + 1), told[what], dash, label=policy)
        axis.set(title=what, xlabel="round")
    lines = panels[0].get_legend_handles_labels()
    panels[0].figure.legend(*lines, loc="outside lower center", ncols=3)
for policy, told in played.items():
    print(policy)
    print(told.iloc[[0, -1]].round(2).to_string(index=False))

# %% [markdown]
# Read the four panels one by one.
#
# * *Liking*: people like what is predicted for them better than what everybody else has seen. Does it
#   rise over the rounds? Each round teaches the model more about each rater; but the films that a rater
#   would like best are also used up. "Most seen" has only the second of the two, and falls.
# * *Films shown*: "most seen" shows the same few films to everyone; whoever is in the tail stays there.
# * *To the busiest*: the same from the other side. Where does the model start, and where does it get to?
# * *Error on any film*: a model that only gets ratings of films that it chose itself knows less about the
#   others. Three films by chance cost a bit of liking, and buy knowledge about all films.
#
# **Popularity bias.** Give everybody the ten films that they would truly like best, by the known
# truth, and compare: which share goes to the busiest tenth?

# %%
seen = torch.zeros(opinion.shape, dtype=torch.bool)
seen[begin] = True
count = torch.bincount(begin[1], minlength=opinion.shape[1]).float()
busiest = count.topk(len(count) // 10).indices
truly = opinion.masked_fill(seen, -torch.inf).topk(10).indices
deserved = torch.isin(truly, busiest).float().mean().item()
given = played["predicted best"]["to the busiest"]
print(f"the busiest tenth deserves {deserved:.0%} of the places, and gets {given[0]:.0%} at first")
print(f"the truly best films of everybody are {len(truly.unique())} different ones")

# %% [markdown]
# The model begins by preferring films that it knows well, because weight decay keeps it from being
# enthusiastic about the others. That is careful, and unfair to films in the tail: who is not shown gets
# no ratings, and who gets no ratings is not shown. Here it passes, since every rater takes ten new films
# a round and soon runs out of famous ones. "Most seen" never leaves the circle. Real services
# therefore keep some places for chance, as in our third way of choosing (arXiv 1710.11214 studies the
# loop).
#
# ## 13 · What goes wrong
#
# **The learning rate.** First the sweep of lesson 1, then a hundred times too high and too low:

# %%
ck.seed()
fresh_learner = ck.ratings_learner(data, n_factors=factors, y_range=(0.5, 5.5))
ck.show_sweep(fresh_learner.find_lr());

# %%
# %%capture
tried = {}
for label, rate in {"too high": 100 * lr, "right": lr, "too low": lr / 100}.items():
    ck.seed()
    learner = ck.ratings_learner(data, n_factors=factors, y_range=(0.5, 5.5))
    tried[f"{label}, {rate:g}"] = learner.fit(5, rate, weight_decay=decay, name=f"rate {label}")

# %%
ck.show_histories(tried, value="rmse");

# %% [markdown]
# Too low: after five epochs it has hardly left the mean of all ratings. Too high: the scores shoot so
# far out that the sigmoid is flat there, its slope nearly zero, and little can be learned until the
# schedule has brought the rate down. No error is shown, the loss is a number; only the comparison
# with the means of section 2 gives both away.
#
# **Too many epochs.** Twenty of them, without weight decay. What will the two curves do?

# %%
# %%capture
ck.seed()
long = ck.ratings_learner(data, n_factors=50, y_range=(0.5, 5.5))
by_heart = long.fit(20, 0.01, weight_decay=0, name="twenty")

# %%
ck.show_history(by_heart);

# %% [markdown]
# With fifty numbers for each film and nothing to hold them back, the training error goes on falling, and
# the validation error turns and rises: the model knows the votes by heart.
#
# **A leak.** Two exports of the same service were put into one table, and a third of the votes is in there
# twice. Nobody notices. What will the error on the validation part say?

# %%
# %%capture
twice = pd.concat([table, table.sample(frac=0.33, random_state=0)], ignore_index=True)
ck.seed()
leaky = ck.ratings_learner(ck.ratings(twice), n_factors=50, y_range=(0.5, 5.5))
leaky.fit(8, 0.01, weight_decay=0.1, name="leak")
ck.seed()
clean = ck.ratings_learner(ck.ratings(twice.drop_duplicates(["userId", "title"])), n_factors=50)
clean.fit(8, 0.01, weight_decay=0.1, name="no leak")

# %%
for label, learner in {"with the copies": leaky, "without them": clean}.items():
    row = learner.history[-1]
    print(f"{label:16} training {row['train_loss'] ** 0.5:.3f}, validation {row['rmse']:.3f}")

# %% [markdown]
# The number with the copies looks better, and the model is none the better for it. Always count the
# pairs of rater and item before you split: `table.duplicated(["userId", "title"]).sum()`.
#
# ## 14 · Keep it, and use it on your own data
#
# Save the weights, load them into a new net, and predict for one pair that nobody has rated yet:

# %%
file = learn.save(PATH.parent.parent / "models" / "lesson5-films.safetensors")
again = ck.ratings_learner(data, n_factors=factors, y_range=(0.5, 5.5))
again.load(file)
film = data.items[int(busy[0])]
pair = torch.tensor([0]), torch.tensor([data.code(film)])
with torch.no_grad():
    stars = on_cpu(again)(*pair).item()
    assert stars == model(*pair).item()
print(f"{short(film)}: a rater of whom nothing is known is expected to give {stars:.2f} stars")

# %% [markdown]
# **Your own table** needs three columns: who, what, how much. Stars of recipes, scores of wines, grades of
# pupils in exercises. Replace `mine` below by `pd.read_csv("...")`, name your columns, and set
# `y_range` a little wider than your marks. To show that it works, here is a made-up class of thirty pupils,
# each with a talent, and twenty exercises, each with a difficulty:

# %%
random = np.random.default_rng(0)
pupil, exercise = (part.ravel() for part in np.meshgrid(np.arange(30), np.arange(20)))
talent, hard = random.normal(6, 1.5, 30), random.normal(0, 1.5, 20)
marks = (talent[pupil] - hard[exercise] + random.normal(0, 0.8, 600)).round().clip(0, 10)
mine = pd.DataFrame({"pupil": pupil, "exercise": exercise, "mark": marks})
my_data = ck.ratings(mine, user="pupil", item="exercise", rating="mark", batch_size=64)
my_learn = ck.ratings_learner(my_data, n_factors=2, y_range=(-0.5, 10.5))
my_learn.fit(10, 0.1, weight_decay=0.1, name="mine");

# %% [markdown]
# ## 15 · Before you go on
#
# **Exercises.** Write your answer in place of the dots and run the cell: `ck.check` says whether it is
# right, or what is off. `ck.hint("5.1")` gives a hint, `ck.solution("5.1")` a solution.

# %% exercise="5.1"

# %% exercise="5.2"

# %% exercise="5.3"

# %% exercise="5.4"

# %% exercise="5.5"

# %% exercise="5.6"

# %% [markdown]
# **Do you know it?** A mouse or the keyboard will do.

# %% quiz="5"

# %%
ck.progress();

# %% [markdown]
# **Sources.** Matrix factorisation with biases: Koren, Bell and Volinsky, IEEE Computer 42 (8), 2009.
# Weight decay apart from the gradient: arXiv 1711.05101. Dot product against network: 2005.09683. BPR:
# 1205.2618. NDCG: Järvelin and Kekäläinen, doi 10.1145/582415.582418. Feedback loops: 1710.11214 and
# 2007.13019. The ratings: Harper and Konstan, The MovieLens Datasets, doi 10.1145/2827872. The course
# whose topics these lessons follow: fast.ai, Practical Deep Learning for Coders, 2018.
#
# The text of this lesson is under CC BY 4.0, its code under the MIT licence.
