# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Lesson 2 · What lies on this tile?
#
# {badges}
#
# By the end of this lesson you will have
#
# * trained a network that gives one picture *several* labels: forest, road, river, haze;
# * written by hand the sigmoid, the binary cross-entropy and the F2 score, and checked them;
# * chosen a threshold honestly, and measured how much a dishonest one would have claimed;
# * trained on small pictures first and on larger ones later, with a rate for each layer group;
# * averaged over turned pictures, over snapshots and over folds, and measured what each brings;
# * looked at the rare labels and the worst tiles, and written a file to hand in.
#
# You need lesson 1. Without a graphics card the lesson works on 1,200 small tiles that come with
# the course, drawn by a program, and takes about three minutes of computing. With one (a free Colab GPU will do) it
# works on pictures of the Amazon taken from space. Reading and thinking take about two hours.
#
# As before: where there is a question, answer it for yourself before you run the cell.

# %%
# {set_up}

# %% [markdown]
# ## 1 · One picture, several labels
#
# A satellite flies over a forest and cuts what it sees into square *tiles*. Somebody has written down
# what is on each of them. The folder `train-jpg` holds the tiles, and a table holds the labels:

# %%
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

import coursekit as ck

PATH = ck.fetch("planet")
table = pd.read_csv(PATH / "train_v2.csv")
table.head()

# %% [markdown]
# In lesson 1 the folder was the label, so each picture had exactly one. Here `tags` holds several
# words. How many? Let us look at one tile for each of the first six numbers of labels:

# %%
how_many = table["tags"].str.split().str.len()
some = [table[how_many == n].iloc[0] for n in sorted(how_many.unique())[:6]]
files = [PATH / "train-jpg" / f"{row.image_name}.jpg" for row in some]
titles = ["\n".join(row.tags.split()) for row in some]  # a line for each label
ck.show_pictures(files, titles, columns=3, height=3.2)
print(how_many.value_counts().sort_index().to_dict(), "tiles by their number of labels")

# %% [markdown]
# Two kinds of question are mixed here. One is what lies on the ground, the other what the air is like.
# (*primary* is untouched rain forest, *habitation* houses; *slash_burn* is forest burnt down for fields,
# *blow_down* trees felled by wind, *selective_logging* single trees cut out, *blooming* trees in flower;
# *artisinal_mine* is a small mine, in the spelling of the data set.)
#
# "Which of the classes is it?" makes no sense any more. We have to ask of *each* label: is it there?
#
# **The whole game.** The four statements of lesson 1 do it, with two changes: the labels come from
# the `table`, and `multi_label=True` says that there may be several. (A third of the tiles is set aside for
# validation. The three sizes will be of use later; we begin with the largest.)

# %%
architecture = ck.by_edition(PATH, full="resnet34", sample="drawings", quick="squeezenet1_0")
small, middle, large = ck.by_edition(
    PATH, full=(64, 128, 256), sample=(32, 48, 64), quick=(64, 96, 128)
)


def tiles(size, **options):
    return ck.images(
        PATH / "train-jpg", labels=table, multi_label=True, size=size, valid=1 / 3,
        batch_size=32, **options
    )


# %%
data = tiles(large)
learn = ck.image_learner(data, architecture, precompute=True)
history = learn.fit(5, lr=0.01, name="whole-game")
data

# %% [markdown]
# That is a network that labels tiles. The column `f2` is new: a score between 0 and 1 that asks
# whether the labels of a tile were found, all of them, without many wrong ones. You will compute it
# by hand in section 4. Here are a few tiles as the network gets them:

# %%
ck.show_batch(data.train, data.classes, 8);

# %% [markdown]
# ## 2 · Which labels, how often, which together?
#
# Some labels are on nearly every tile and some on nearly none. Which do you expect at the top, and by
# what factor does the first beat the last?

# %%
marks = table["tags"].str.get_dummies(sep=" ")  # a column for each label, of zeros and ones
counts = marks.sum().sort_values(ascending=False)
print(pd.DataFrame({"tiles": counts, "fraction": (counts / len(marks)).round(3)}))

# %% [markdown]
# Keep the last rows in mind: a label with a handful of tiles is hard to learn, and hard to *measure*.
#
# Labels also come together. In the next figure each row is a label, and the shade says how many of
# the tiles with it have the label of the column as well. Where do you expect dark squares away from
# the diagonal?

# %%
from coursekit.visuals.style import use_style

order = list(counts.index)
together = marks[order].T @ marks[order]
fraction = together.to_numpy() / counts.to_numpy()[:, None]
with use_style():
    axes = plt.subplots(figsize=(8.2, 6.8), layout="constrained")[1]
    image = axes.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(order)), order, rotation=90)
    axes.set_yticks(range(len(order)), order)
    axes.grid(False)
    plt.colorbar(image, label="fraction of the row's tiles that have the column's label")
dark = (fraction > 0.5).sum() - len(order)
print(f"{len(order)} labels; {dark} squares away from the diagonal stand for more than one half")

# %%
off = np.where(np.eye(len(order), dtype=bool) | (counts.to_numpy() > len(marks) / 2), 0, fraction)
row, column = np.unravel_index(off.argmax(), off.shape)
print(f"most faithful, common labels aside: {off.max():.0%} of {order[row]} has {order[column]}")
never = [(a, b) for a in order[:6] for b in order[:6] if a < b and together.loc[a, b] == 0]
print("frequent labels that never meet:", never)

# %% [markdown]
# So labels are no independent coins. Some exclude each other, others point at each other: where there
# are houses there are roads. A network may use that, and so may we when we look for mistakes.

# %% [markdown]
# ## 3 · Why not softmax?
#
# In lesson 1 the scores went through softmax, which makes probabilities that add up to one. What would
# that do to a tile with many true labels? Take the validation tile that has the most of them:

# %%
classes = list(data.classes)
predictions = learn.predict()
busiest = int(data.valid.targets.sum(1).argmax())
y, scores = data.valid.targets[busiest].double(), predictions.scores[busiest].double()
softmax = scores.softmax(0)
sigmoid = 1 / (1 + (-scores).exp())
frame = {"true": y.int(), "score": scores, "softmax": softmax, "sigmoid": sigmoid}
print(pd.DataFrame(frame, index=classes).round(3).sort_values("score", ascending=False).head(9))
print(f"sums: softmax {softmax.sum():.2f}, sigmoid {sigmoid.sum():.2f}")

# %% [markdown]
# Softmax makes the labels compete: the one with the highest score takes the lion's share, and labels
# that are just as true get next to nothing. The *sigmoid*, $1 / (1 + e^{-s})$, asks each label by
# itself. Its values need not add up to anything: their sum is the number of labels that the network
# expects on this tile.
#
# Is a sigmoid something new? No: it is the softmax of two scores, the label's and a zero.

# %%
pairs = torch.stack([scores, torch.zeros_like(scores)], dim=1)
assert torch.allclose(pairs.softmax(1)[:, 0], sigmoid, atol=1e-6)
assert torch.allclose(sigmoid, torch.sigmoid(scores), atol=1e-6)
assert torch.allclose(sigmoid, predictions.probabilities[busiest].double(), atol=1e-6)

# %% [markdown]
# **The loss.** Each label is a yes-or-no question. Where the truth is yes, the loss is $-\log p$, as
# in lesson 1. Where it is no, the probability of the truth is $1 - p$, so the loss is
# $-\log(1 - p)$. The *binary cross-entropy* is the mean over all labels. Mind the minus sign: without
# it, training would look for the worst network there is.

# %%
losses = -(y * sigmoid.log() + (1 - y) * (1 - sigmoid).log())
print(f"by hand: {losses.mean():.5f}")
assert torch.allclose(losses.mean(), F.binary_cross_entropy(sigmoid, y), atol=1e-5)
assert torch.allclose(losses.mean(), F.binary_cross_entropy_with_logits(scores, y), atol=1e-5)
assert torch.allclose(losses.mean(), predictions.losses[busiest].double(), atol=1e-5)
assert abs(predictions.losses.mean().item() - learn.evaluate()["loss"]) < 1e-5

# %% [markdown]
# Why do libraries prefer the scores to the probabilities? (A score is also called a *logit*; the function
# `..._with_logits` above takes these.) Try a network that is very sure and wrong: a score of 200 where
# the truth is no. What will the formula above say?

# %% tags=["nbval-check-output"]
sure, no = torch.tensor(200.0), torch.tensor(0.0)
naive = -(1 - torch.sigmoid(sure)).log()
careful = sure.clamp(min=0) - sure * no + (1 + (-sure.abs()).exp()).log()
print(f"from the probability: {naive:.0f}; from the score: {careful:.0f}")
assert torch.allclose(careful, F.binary_cross_entropy_with_logits(sure, no))

# %% [markdown]
# The sigmoid of 200 is rounded to exactly 1, and the logarithm of zero is minus infinity: training
# would be over. The second formula is the same one, written so that nothing overflows. That is all
# that "with logits" means.

# %% [markdown]
# ## 4 · F2: a score for sets of labels
#
# The network gives probabilities; an answer is a *set* of labels, those above a threshold. For one
# tile, with a threshold of one half:

# %%
chosen, wanted = sigmoid > 0.5, y > 0.5
hits = (chosen & wanted).sum().item()
precision, recall = hits / max(chosen.sum().item(), 1), hits / wanted.sum().item()
print(f"{hits} hits; of what it says {precision:.2f} is true, of what is there {recall:.2f} is said")

# %% [markdown]
# *Precision*: how much of what it says is true. *Recall*: how much of what is there it says. Saying
# everything gives full recall and poor precision, saying only the surest label the reverse. $F_2$
# joins the two and counts recall twice as much. Written with hits, it becomes simple:
#
# $$F_2 = \frac{5\,P R}{4 P + R} = \frac{5 \cdot \text{hits}}{4 \cdot \text{wanted} + \text{chosen}}$$
#
# One more wrong label adds 1 below the line; one missed label costs a hit above it. F2 of a data set
# is the mean over its tiles. Are the two forms equal, and equal to scikit-learn's?


# %%
def f2(chosen, wanted):
    hits = (chosen & wanted).sum(1)  # (N,), one number a tile
    return (5 * hits / (4 * wanted.sum(1) + chosen.sum(1)).clamp(min=1)).mean().item()


if hits:
    joined = 5 * precision * recall / (4 * precision + recall)
    assert abs(joined - f2(chosen[None], wanted[None])) < 1e-5

# %%
from sklearn.metrics import fbeta_score

probabilities, wanted = predictions.probabilities, predictions.targets > 0.5
ours = f2(probabilities > 0.5, wanted)
theirs = fbeta_score(
    wanted.numpy(), (probabilities > 0.5).numpy(), beta=2, average="samples", zero_division=0
)
print(f"by hand {ours:.5f}, scikit-learn {theirs:.5f}, table {history[-1]['f2']:.5f}")
assert abs(ours - theirs) < 1e-5
assert abs(ours - learn.evaluate()["f2"]) < 1e-5

# %% [markdown]
# **Baselines.** A number needs something to stand beside. Two answers that need no network:
#
# 1. Give *every* tile the same labels, the frequent ones. How frequent a label has to be is chosen on
#    the training part.
# 2. Shrink the tiles to 8 by 8 dots and run a logistic regression for each label; the threshold is
#    chosen on the training part too.
#
# Labels go together so well here that the first is no fool. What F2 do you expect of it?

# %%
grid = torch.linspace(0.02, 0.9, 89)  # thresholds to choose from


def best_threshold(p, wanted):
    return grid[np.argmax([f2(p > t, wanted) for t in grid])].item()


learned = data.train.targets > 0.5
frequency = learned.float().mean(0)
cutoff = best_threshold(frequency.expand(len(learned), -1), learned)
always = (frequency > cutoff).expand(len(wanted), -1)
print("every tile gets:", [name for name, one in zip(classes, always[0]) if one])

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier


def thumbnails(part):
    shrunk = [F.adaptive_avg_pool2d(x, 8).flatten(1).cpu() for x, _ in part.sequential()]
    return torch.cat(shrunk).numpy()


varies = learned.any(0) & ~learned.all(0)  # a label on all tiles, or on none, needs no model
simple = OneVsRestClassifier(LogisticRegression(max_iter=500, C=0.3))
simple.fit(thumbnails(data.train), learned[:, varies]);


# %%
def simple_chances(part):
    chances = frequency.repeat(len(part.targets), 1)
    chances[:, varies] = torch.tensor(simple.predict_proba(thumbnails(part))).float()
    return chances


on_train = best_threshold(simple_chances(data.train), learned)
baseline = {
    "always the same labels": f2(always, wanted),
    "thumbnails, logistic regression": f2(simple_chances(data.valid) > on_train, wanted),
    "network, threshold 0.5": ours,
}
print(pd.Series(baseline).round(4).to_string())

# %% [markdown]
# Both baselines chose their threshold; the network's 0.5 came from nowhere. Before we compare, it has
# to have the same chance.

# %% [markdown]
# ## 5 · The threshold
#
# F2 punishes a missed label more than a wrong one. So should the threshold be above or below one half?
# Which share grows as it falls, precision or recall? And which labels will be the last ones to be
# named at all? Decide, then move it: with the mouse, or with the arrow keys. (Without a slider, write
# `threshold=0.3` into the call and run the cell again.)

# %%
ck.explore.threshold(predictions, classes, f2, threshold=0.5)

# %% [markdown]
# Every label has a threshold that would suit it best, and one number for all is a compromise between
# them. Now a second question. If we choose the threshold by trying many and keeping the best, on which
# tiles may we then report the score? We cut the validation part into two halves: one to choose on, one
# to report on.

# %%
shuffled = np.random.default_rng(0).permutation(len(wanted))
first, second = (torch.tensor(half) for half in np.array_split(shuffled, 2))
curves = [[f2(probabilities[half] > t, wanted[half]) for t in grid] for half in (first, second)]
threshold = best_threshold(probabilities[first], wanted[first])
at = int(np.argmax(curves[0]))

# %%
with use_style():
    axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")[1]
    axes.plot(grid, curves[0], label="half to choose on")
    axes.plot(grid, curves[1], "--", label="half to report on")
    axes.axvline(threshold, color="black", linestyle=":", label="chosen threshold")
    axes.set(xlabel="threshold", ylabel="F2")
    axes.legend()
print(f"chosen {threshold:.2f}: {curves[0][at]:.4f} where it was chosen,", end=" ")
print(f"{curves[1][at]:.4f} on the other half, which is the number to report")

# %% [markdown]
# The best threshold lies well below one half, and the top of the curve is flat: it matters that you
# choose one, not so much which. Was the number on the first half too good? On a single cut, luck
# decides which half is the easier one. So cut a hundred times and take the mean. With one threshold
# for all labels there is little to tune. What if each label gets a threshold of its own?


# %%
def own_thresholds(p, wanted):
    """Return the threshold for each label that is best for its own F2 on these tiles."""
    chosen = p > grid[:, None, None]  # (thresholds, N, labels)
    hits = (chosen & wanted).sum(1)
    each = 5 * hits / (4 * wanted.sum(0) + chosen.sum(1)).clamp(min=1)
    common = torch.tensor(best_threshold(p, wanted))
    return torch.where(wanted.any(0), grid[each.argmax(0)], common)


# %%
def halves(p, wanted, choose, cuts):
    """Return (cuts, 2): F2 where the threshold was chosen, and F2 on the other half."""
    found = []
    for cut in range(cuts):
        rows = torch.tensor(np.random.default_rng(cut).permutation(len(p)))
        a, b = rows[: len(p) // 2], rows[len(p) // 2 :]
        t = choose(p[a], wanted[a])
        found.append([f2(p[half] > t, wanted[half]) for half in (a, b)])
    return np.array(found)


# %%
for label, choose in {"one for all": best_threshold, "one a label": own_thresholds}.items():
    tuned = halves(probabilities, wanted, choose, 100)
    claimed, true = tuned.mean(0)
    print(f"{label}: claimed {claimed:.4f}, true {true:.4f}, too good by {claimed - true:.4f}")

# %% [markdown]
# That is the *optimism* of a number reported on the tiles that it was tuned on. The more there is to
# tune and the fewer tiles there are, the larger it grows. On a single cut luck may hide it; on average
# it flatters. Many a published score holds such a gift. From here on, the scores that we compare come
# from the other half, as the mean over twenty cuts. (The column `f2` under a training is another
# number: it is taken at 0.5, where nothing was tuned. Where we use one threshold for all tiles, we
# say so.)


# %%
def report(p, wanted=wanted):
    """Return the mean F2 on halves that the threshold was not chosen on."""
    return halves(p, wanted, best_threshold, 20)[:, 1].mean()


baseline["network, threshold chosen"] = report(probabilities)
print(pd.Series(baseline).round(4).to_string())

# %% [markdown]
# And over seeds? The body of the network is frozen; what it says of each tile was computed once and
# kept. So training another head takes a second. `features` is a data set like any other, and the head
# a model like any other:

# %%
features = learn.model_and_data()[1]


def train_head(seed, name, data=features, epochs=5, lr=0.01, loss=ck.binary_cross_entropy):
    ck.seed(seed)
    head = ck.image_model(architecture, len(classes), pretrained=False, size=large).head
    learner = ck.Learner(data, head, loss, metrics=[ck.f_beta(2)], name="lesson2-heads")
    learner.fit(epochs, lr, name=f"{name}-{seed}")
    return learner


# %%
# %%capture
heads = [train_head(seed, "head") for seed in (1, 2, 3)]

# %%
of_heads = [head.predict().probabilities for head in heads]
runs = [report(p) for p in of_heads]
print(f"frozen body, three seeds: {np.mean(runs):.4f} ± {np.std(runs):.4f}")
for label, choose in {"one for all": best_threshold, "one a label": own_thresholds}.items():
    gifts = [-np.diff(halves(p, wanted, choose, 100)).mean() for p in of_heads]
    print(f"optimism, {label}: {np.mean(gifts):.4f} ± {np.std(gifts):.4f}")

# %% [markdown]
# **Softmax once more.** Could one train with softmax after all, share the probability out among the
# true labels, and leave the rest to the threshold? Predict, then see: the same head, the same
# epochs.


# %%
def shared_out(scores, targets):
    return F.cross_entropy(scores, targets / targets.sum(1, keepdim=True).clamp(min=1))


# %%
# %%capture
soft = [train_head(seed, "softmax", loss=shared_out) for seed in (1, 2, 3)]

# %%
softs = [report(head.predict().scores.softmax(1)) for head in soft]
print(f"trained with softmax: {np.mean(softs):.4f} ± {np.std(softs):.4f}")
print(f"trained with sigmoid: {np.mean(runs):.4f} ± {np.std(runs):.4f}")

# %% [markdown]
# Compare the difference with the spread: the threshold rescues the score, and over several seeds F2
# can hardly tell the two apart. What it cannot rescue: a share of 0.3 means one thing on a tile with
# three labels and another on a tile with seven, and nothing says how many labels there are. A sigmoid
# means the same on every tile.

# %% [markdown]
# ## 6 · Turned tiles
#
# In lesson 1 we mirrored left and right, and never upside down: cats do not walk on ceilings. A
# satellite looks straight down, and which side of a tile is up was decided by the flight. So a tile
# may be turned by quarters and mirrored. How many different versions are there? Count before you run.

# %%
one = data.train.sequential().one_batch()[0][:1]  # (1, 3, H, W)
mine = [one.rot90(quarters, (-2, -1)) for quarters in range(4)]
mine += [turned.flip(-1) for turned in mine]
again = [version.flip(-2) for version in mine]  # upside down: is there anything new?
print(len(mine), "versions;", sum(any(a.equal(m) for m in mine) for a in again), "of 8 known")
turns = [f"turned {angle}°" for angle in (0, 90, 180, 270)]
titles = turns + [f"{turn}, mirrored" for turn in turns]
ck.show_pictures([version[0] for version in mine], titles, columns=4);

# %% [markdown]
# Eight: the *symmetries of a square*. Any further turn or mirroring leads back to one of them.
# `ck.top_down` draws one for each tile, and changes light, angle and zoom a little as well:

# %%
theirs = [one, *(version(one) for version in ck.top_down.tta_views(7))]
assert all(any(t.equal(m) for m in mine) for t in theirs)
ck.show_augmentations(ck.top_down, one[0]);

# %% [markdown]
# How far may one go? An augmentation is a promise to the network: such pictures occur, and the label
# stays true. Mix your own, and look for the point at which the promise breaks. What would a much
# stronger change of the light do to a label like *haze*? And which of these settings would be wrong
# for the cats of lesson 1? (Without sliders, give it another one, such as `ck.Augment(rotate=90.0)`;
# another draw is `draw=2`.)

# %%
ck.explore.augmentation(one[0], ck.top_down)

# %% [markdown]
# ## 7 · Small pictures first, and how fast each layer may learn
#
# Half the side means a quarter of the dots, and about a quarter of the time. So we try things out on
# small tiles, and go on to larger ones with the same weights: *progressive resizing*. A convolution
# does not mind the size of the picture it moves over.
#
# **Freeze, then unfreeze.** First the head alone, as always. Then all three layer groups, each with a
# rate of its own. In lesson 1 the early layers got a small part of the head's rate, since the body knew
# such pictures. What has the body learned from? Photographs (or drawings) of *things*, seen from the
# side. Fields and clouds from above are none of that. Should the rate of the body be lower
# or higher than in lesson 1?

# %%
careful, bold = ck.by_edition(
    PATH,
    full=([1e-6, 1e-5, 1e-4], [1e-4, 3e-4, 1e-3]),
    sample=([1e-5, 1e-4, 1e-3], [1e-3, 1e-3, 3e-3]),
)


def fine_tune(rates, name):
    ck.seed()
    learner = ck.image_learner(tiles(small), architecture, precompute=True)
    learner.fit(3, lr=0.01, name="small-head")
    learner.set_data(tiles(small, augment=ck.top_down))
    learner.unfreeze()
    learner.fit(3, lr=rates, name=name)
    return learner


# %%
gentle = fine_tune(careful, "small-careful")

# %%
learn = fine_tune(bold, "small-bold")

# %%
steps = {}
for label, learner in {"careful rates": gentle, "bold rates": learn}.items():
    steps[f"{small} px, {label}"] = report(learner.predict().probabilities)
print(pd.Series(steps).round(4).to_string())

# %% [markdown]
# The further your pictures are from those the body knows, the more its layers have to change, and
# the higher their rate may be. The more alike they are, the more there is to lose. (Here the rate of the
# head differs as well, and each is a single run: a hint, not a proof.) This is something to try, not to
# believe, and on small tiles trying is cheap.
#
# **Larger.** `set_data` exchanges the data under the same network. Watch the seconds:

# %%
learn.set_data(tiles(middle, augment=ck.top_down))
learn.fit(2, lr=bold, name="middle")
steps[f"{middle} px"] = report(learn.predict().probabilities)

# %% [markdown]
# For the largest size we use cosine with restarts: the rate falls to nothing three times, and at the
# end of each fall the network sits in a valley of its own. We keep the weights of all three, for
# the next section. A *callback* of a few lines does it: methods with the names of events, called
# while the training runs. (The last two methods keep the copies in the checkpoint, so that a training
# that is cut off loses nothing.)


# %%
class Snapshots(ck.Callback):
    def fit_start(self, state):
        self.kept = []

    def epoch_done(self, state):  # a cycle is one epoch long here
        weights = state.model.state_dict().items()
        self.kept.append({name: value.clone() for name, value in weights})

    def state_dict(self):
        return {f"{n}/{k}": v for n, kept in enumerate(self.kept) for k, v in kept.items()}

    def load_state_dict(self, tensors):
        numbers = sorted({key.split("/")[0] for key in tensors})
        parts = [{k: v for k, v in tensors.items() if k.split("/")[0] == n} for n in numbers]
        self.kept = [{k.split("/")[1]: v for k, v in part.items()} for part in parts]


# %%
snapshots = Snapshots()
learn.set_data(tiles(large, augment=ck.top_down))
three = ck.CosineRestarts(3)
cycles = learn.fit(3, lr=bold, schedule=three, callbacks=[snapshots], name="large-cycles")

# %%
single = learn.predict()
steps[f"{large} px"] = report(single.probabilities)
print(pd.Series(steps).round(4).to_string())
ck.show_history(cycles);

# %% [markdown]
# Read the curves aloud. Does the training loss still fall, does the validation loss? While both do, the
# network learns what holds for other tiles as well, and more epochs would bring more.
#
# ## 8 · Averages: turned tiles, snapshots, folds
#
# **Test-time augmentation.** The network has an opinion of each of the eight versions of a tile. They
# show the same ground, so their answers should agree. Where they do not, the mean is the better
# guess. `tta=7` adds the seven other versions; nothing is drawn at random:

# %%
averaged = learn.predict(tta=7)
steps["eight symmetries"] = report(averaged.probabilities)


# %% [markdown]
# **Snapshots.** Three valleys, three networks, for the price of one training (arXiv 1704.00109). The
# last of them has trained the longest. Will the mean of all three beat it?


# %%
def scores_of(weights):
    learn.model.load_state_dict(weights)
    return learn.predict().scores


of_snapshots = torch.stack([scores_of(weights) for weights in snapshots.kept])
alone = [report(scores.sigmoid()) for scores in of_snapshots]
steps["snapshots averaged"] = report(of_snapshots.mean(0).sigmoid())
print("each snapshot alone:", [f"{score:.4f}" for score in alone])
print(pd.Series(steps).round(4).to_string())

# %% [markdown]
# A mean helps where its members are about equally good and make *different* mistakes. The eight
# versions of a tile fulfil the first condition by design. The first snapshots of so short a training
# may lag behind, and then they pull the mean down; with longer cycles they come closer together. So
# measure it, as we did, before you believe it.
#
# **Folds.** With little data it hurts to set a third aside. *Cross-validation* cuts the training part
# into five folds; five networks each learn from four of them and are checked on the fifth, so that
# each tile is checked once. That also shows how much the score depends on the cut, and the five may
# vote in the end. We do it with heads on the frozen body, which has seen none of the tiles. (The score
# of a fold is taken at the threshold of section 5: that one comes from the validation part, so that
# no fold had a say in it.)

# %%
# %%capture
rows = np.random.default_rng(0).permutation(features.train.num_examples)
folds, voters = np.array_split(rows, 5), []
for number, fold in enumerate(folds):
    rest = np.concatenate([other for other in folds if other is not fold])
    parts = features.train.subset(rest), features.train.subset(fold)
    voters.append(train_head(0, f"fold{number}", ck.Data(*parts, classes=data.classes)))

# %%
scored = []
for head in voters:
    held_out = head.predict()
    scored.append(f2(held_out.probabilities > threshold, held_out.targets > 0.5))
votes = torch.stack([head.predict(features.valid).scores for head in voters])
print("each fold:", [f"{score:.3f}" for score in scored], f"std {np.std(scored):.4f}")
ones = [report(vote.sigmoid()) for vote in votes]
print(f"on the validation part: one head {np.mean(ones):.4f} ± {np.std(ones):.4f}", end=", ")
print(f"mean of five {report(votes.mean(0).sigmoid()):.4f}, all data {np.mean(runs):.4f}")

# %% [markdown]
# Set the spread over the folds beside the steps of the table above: which of them are larger?
# Remember it when somebody shows you a gain in the third decimal, measured once.
#
# ## 9 · Label by label
#
# One number for all labels hides the rare ones: they hardly move the mean. So look at each. Precision
# and recall of a label go over all validation tiles, since of the rare labels we need each one. The
# threshold is chosen on the first half of them, so these shares are too good by a little; with one
# threshold for all labels, section 5 found that to be almost nothing. For the first label by hand,
# for all by scikit-learn:

# %%
from sklearn.metrics import precision_recall_fscore_support

learn.model.load_state_dict(snapshots.kept[-1])
best = averaged.probabilities
threshold = best_threshold(best[first], wanted[first])
chosen = best > threshold
each = precision_recall_fscore_support(wanted.numpy(), chosen.numpy(), zero_division=np.nan)
per_label = pd.DataFrame(np.array(each[:2]).T, classes, ["precision", "recall"])
per_label["tiles"] = each[3]
hits = (chosen[:, 0] & wanted[:, 0]).sum().item()
assert abs(per_label["recall"].iloc[0] * wanted[:, 0].sum().item() - hits) < 1e-5
print(per_label.round(3).sort_values("tiles", ascending=False))

# %% [markdown]
# `NaN` means *not a number*: a label that was never said has no precision, for there is nothing of which
# a part could be true. In the figure it has no diamond.

# %%
lines = per_label.sort_values("tiles")
with use_style():
    axes = plt.subplots(figsize=(7.5, 5.2), layout="constrained")[1]
    axes.barh(range(len(lines)), lines["recall"], color="#56B4E9", label="recall")
    axes.plot(lines["precision"], range(len(lines)), "D", color="black", label="precision")
    axes.set_yticks(range(len(lines)), [f"{a} ({n})" for a, n in lines["tiles"].items()])
    axes.set(xlim=(-0.02, 1.02), xlabel="fraction (in brackets: validation tiles with the label)")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
rare = per_label["tiles"] < len(wanted) / 20
print(f"mean recall of the rare labels {per_label['recall'][rare].mean():.2f},", end=" ")
print(f"of the others {per_label['recall'][~rare].mean():.2f}")

# %% [markdown]
# A label that was on three validation tiles can have a recall of 0, 1/3, 2/3 or 1 and nothing in
# between. Whoever needs the rare ones (an illegal mine, say) collects more tiles of them first.
#
# **The worst tiles.** The highest losses, with what was missed and what was added wrongly. What do they
# have in common? Would you have seen it?

# %%
worst = averaged.losses.argsort(descending=True)[:6].tolist()


def names(flags):
    return ", ".join(name for name, flag in zip(classes, flags) if flag) or "nothing"


titles = [
    f"missed {names(wanted[row] & ~chosen[row])}\nadded {names(chosen[row] & ~wanted[row])}"
    for row in worst
]
ck.show_pictures([data.valid.inputs[row] for row in worst], titles, columns=3, height=3);

# %% [markdown]
# **The ceiling.** No one can name what lies under a cloud. So how good could the *best* answer be? In
# the drawn tiles we know the truth: what lies where, and what can be seen. Imagine a reader who names
# without fail whatever can be seen, and who knows how often each label hides, given all that is in
# sight. Even the threshold for these guesses is granted on the very tiles that are scored.

# %%
from pathlib import Path


def flags(column, part):
    rows = truth.loc[[Path(name).stem for name in part.filenames], column]
    seen = rows.str.get_dummies(sep=" ").reindex(columns=classes, fill_value=0)
    return torch.tensor(seen.to_numpy() > 0)


# %%
def hidden_chances(seen, present, asked):
    """Return how likely each label is on the tiles ``asked`` where it is not seen."""
    chances = torch.zeros(asked.shape)
    for label in range(len(classes)):
        unseen = ~seen[:, label]
        if 0 < present[unseen, label].sum() < unseen.sum():
            model = LogisticRegression(C=1.0, max_iter=500)
            model.fit(seen[unseen].float(), present[unseen, label])
            chances[:, label] = torch.tensor(model.predict_proba(asked.float())[:, 1]).float()
    return chances


# %%
ceiling = None
if (PATH / "truth" / "tiles.csv").is_file():
    truth = pd.read_csv(PATH / "truth" / "tiles.csv").set_index("image_name")
    seen = flags("seen", data.valid)
    guesses = hidden_chances(flags("seen", data.train), learned, seen)
    ceiling = max(f2(seen | (guesses > t), wanted) for t in [*grid, 1.0])
    print(f"only what is seen: {f2(seen, wanted):.4f}; ceiling: {ceiling:.4f}")
else:
    print("Of photographs nobody knows the whole truth, so there is no ceiling to compute.")
print(f"our network: {steps['eight symmetries']:.4f}")

# %% [markdown]
# Between the network and the ceiling lies what more training, more tiles or a better network could
# still bring. Above the ceiling there is nothing left to be seen. Luck may lift a score a little beyond
# it; whoever reports much more has a leak.
#
# ## 10 · What goes wrong
#
# **The learning rate**, a hundred times too high and too low. The sweep first:

# %%
ck.seed()
untrained = ck.image_learner(data, architecture, precompute=True)
sweep = untrained.find_lr()
ck.show_sweep(sweep);

# %%
# %%capture
rates = {"lr 1 (too high)": 1.0, "lr 0.01": 0.01, "lr 0.0001 (too low)": 0.0001}
tried = {label: train_head(0, f"rate-{rate:g}", lr=rate) for label, rate in rates.items()}

# %%
ck.show_histories({label: head.history for label, head in tried.items()}, value="valid_loss")
print({label: f"F2 {report(head.predict().probabilities):.3f}" for label, head in tried.items()})
print(f"F2 of the same labels for every tile: {baseline['always the same labels']:.3f};", end=" ")
print(f"loss of always saying one half: {np.log(2):.3f}")

# %% [markdown]
# The too low rate has hardly left the start: its loss is near that of saying one half to everything,
# and its F2 no better than that of the same labels for every tile.
#
# The too high rate is the stranger one. Its loss is the worst of all, far worse than that of saying
# one half, and yet its F2 is not so bad. How can that be? F2 asks only which labels lie above the
# threshold. The loss asks how *sure* the network was: with steps so large the scores became huge, and
# each mistake is made with full conviction. Such probabilities are of no use to anybody who has to
# weigh a risk. So look at both, and trust the loss when you choose a rate.
#
# **Too many epochs.** A hundred tiles, and sixty rounds. What will the two losses do?

# %%
# %%capture
some_rows = np.random.default_rng(1).permutation(features.train.num_examples)[:100]
few = ck.Data(features.train.subset(some_rows), features.valid, classes=data.classes)
overfitted = train_head(0, "sixty", few, epochs=60, lr=0.01)

# %%
ck.show_history(overfitted.history);

# %% [markdown]
# The training loss goes on falling while the validation loss has turned: overfitting, as in lesson 1.
# F2 does not fall with it and may even rise, for the reason that we just met: the network does not
# make more mistakes, but grows surer of those that it makes.
#
# **A leak.** A strip of pictures from space may be cut into tiles that *overlap*. Split at random, and
# most of a validation tile lies in the training part too, a few dots further along. We imitate that
# for the *first* half of the validation tiles: shifted copies of them slip into training. The second
# half stays unknown. One head learns with the copies and one without. What do you expect of the
# four scores?

# %%
body = untrained.model.eval()
spied = data.valid.subset(first)
with torch.no_grad():
    shifted = [x.roll((large // 20, large // 20), (-2, -1)) for x, _ in spied.sequential()]
    inputs = torch.cat([features.train.inputs, *(body.features(x).float().cpu() for x in shifted)])
targets = torch.cat([features.train.targets, spied.targets])
overlapping = ck.Batches(inputs, targets, batch_size=32, shuffle=True)

# %%
# %%capture
leaky = ck.Data(overlapping, features.valid, classes=data.classes)
with_leak = train_head(0, "overlapping", leaky, epochs=40)
without = train_head(0, "apart", epochs=40)

# %%
for label, head in {"without copies": without, "with copies": with_leak}.items():
    p = head.predict().probabilities > threshold
    scores = [f2(p[half], wanted[half]) for half in (first, second)]
    print(f"{label:15} copied half {scores[0]:.4f}, unknown half {scores[1]:.4f}")

# %% [markdown]
# (All four at the threshold of section 9. The halves differ a little by luck, and the threshold was
# chosen on the copied one, so compare downwards, not across.) The head never saw those very
# tiles, and yet it knew them. Of its gain on the copied half little or nothing is there on the
# unknown one. So split by place: what lies side by side belongs in the same part.
#
# ## 11 · A file to hand in
#
# Competitions give out tiles without labels, in `test-jpg`, and ask for a table: a row a tile, the
# labels separated by spaces. (Where the data set has no such folder, we take the validation part
# instead, to practise.)

# %%
folder = PATH / "test-jpg"
data = tiles(large, augment=ck.top_down, test=folder if folder.is_dir() else None)
learn.set_data(data)
part = data.test or data.valid
answer = learn.predict(part, tta=7).probabilities > threshold
submission = pd.DataFrame(
    {
        "image_name": [Path(name).stem for name in part.filenames],
        "tags": [" ".join(np.array(classes)[row.numpy()]) for row in answer],
    }
)
submission.head()

# %%
file = PATH.parent.parent / "lesson2_submission.csv"
submission.to_csv(file, index=False)
again = pd.read_csv(file, keep_default_na=False)
assert list(again.columns) == list(table.columns)
assert again["image_name"].is_unique
assert set(" ".join(again["tags"]).split()) <= set(classes)
print(f"{file.name}: {len(again)} rows, {(again['tags'] == '').sum()} of them without a label")

# %% [markdown]
# How good is it? Whoever runs a competition keeps the labels of the test tiles to himself. Only where
# we drew the tiles ourselves can we look them up:

# %%
if ceiling is not None and data.test is not None:
    print(f"F2 on the test tiles: {f2(answer, flags('tags', part)):.4f}")

# %% [markdown]
# **One new tile.** Keep the model, load it as a stranger would, and show it a file, the one with the most
# labels in our answer:

# %%
models = PATH.parent.parent / "models"
learn.export(models / "tiles.safetensors")
classify = ck.load_model(models / "tiles.safetensors")
busy = int(answer.sum(1).argmax())
where = PATH / "train-jpg" if data.test is None else folder  # whose tiles we answered for
new = where / Path(part.filenames[busy]).name
ck.show_pictures([new])
chances = classify(new)
print({label: f"{p:.2f}" for label, p in chances.items() if p > threshold})

# %% [markdown]
# Is it right? Look at the tile yourself, first at the ground and then at the air, and note what you
# would say. Then look the truth up, where it is known:

# %%
if data.test is None:
    true = part.targets[busy] > 0.5
elif ceiling is not None:
    true = flags("tags", part)[busy]
else:
    true = None  # a real competition: nobody tells
if true is not None:
    said = torch.tensor([chances[label] > threshold for label in classes])
    print(f"missed: {names(true & ~said)}; added: {names(said & ~true)}")
    print(f"true: {names(true)}")

# %% [markdown]
# Do not be surprised if a tile with this many labels holds a wrong one: we chose the tile by the number
# of its labels, and each label that is said is one more that may be wrong. The chances tell how sure
# the network was of each. Whoever uses such an answer shows them as well, and does not hide them behind
# a list of words.

# %% [markdown]
# ## 12 · Before you go on
#
# **Exercises.** Write your answer in place of the dots and run the cell: `ck.check` says whether it is
# right, or what is off. `ck.hint("2.1")` gives a hint, `ck.solution("2.1")` a solution.

# %% exercise="2.1"

# %% exercise="2.2"

# %% exercise="2.3"

# %% exercise="2.4"

# %% exercise="2.5"

# %% exercise="2.6"

# %% [markdown]
# **Do you know it?** A mouse or the keyboard will do.

# %% quiz="2"

# %%
ck.progress();

# %% [markdown]
# **On your own data.** All that it needs is a folder of pictures and a table with two columns, file
# name and labels separated by spaces: `ck.images(folder, labels=table, multi_label=True)`. Rooms and what
# stands in them, songs and their moods as spectrograms, X-ray pictures and their findings. Ask before
# you start: may it be mirrored, may it be turned? Which costs more, a missed label or a wrong one?
#
# **Sources.** The tiles of the full edition: Planet, Understanding the Amazon from Space, Kaggle 2017.
# Snapshots: arXiv 1704.00109; cosine with restarts: 1608.03983. Rates by layer and gradual
# unfreezing: 1801.06146. Sizes that grow while a classifier trains: 2104.00298.
# Thresholds that maximise F-scores: 1402.1892. The topics follow
# fast.ai, Practical Deep Learning for Coders, 2018.
#
# The text of this lesson is under CC BY 4.0, its code under the MIT licence.
