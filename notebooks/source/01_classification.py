# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Lesson 1 · Is it a dog or a cat?
#
# {badges}
#
# By the end of this lesson you will have
#
# * trained a network that tells dogs from cats, in four statements and less than a minute;
# * looked at what it gets right, what it gets wrong, and where it is unsure;
# * chosen a learning rate with a reason, and seen what a wrong one does;
# * made the network better with augmentation, schedules and fine-tuning;
# * written by hand the pieces it is made of: softmax, cross-entropy, gradient descent, convolution;
# * trained it on pictures of your own, saved it, and used it elsewhere.
#
# You need to have written a little Python before, a `for` loop and a function. You need no
# mathematics beyond school, and no graphics card: without one the lesson works on small drawings
# and takes about three minutes of computing. With one (a free Colab GPU will do) it works on 25,000
# photographs. Reading and thinking take about two hours.
#
# **How to read it.** Press Shift+Enter to run a cell and go to the next one. Before many cells there
# is a question. Answer it for yourself before you press: a prediction that turns out wrong teaches
# more than a sentence that sounds right.

# %%
# {set_up}

# %% [markdown]
# In Colab and Kaggle the first lines fetch the course; elsewhere they do nothing. The line that begins
# with `%` is a *magic*: a command to the notebook, not to Python. This one does three things that
# many notebooks write out in full:
#
# | magic | what it does |
# |---|---|
# | `%matplotlib inline` | figures appear under the cell that draws them |
# | `%reload_ext autoreload` | loads the tool that notices edited files |
# | `%autoreload 2` | before each cell, imports again every module that you have edited meanwhile |
#
# It also fixes the *seed* of the random numbers, so that your run can be repeated, and says in two
# lines what machine you are on. Is there a GPU? The doctor looks more closely, and names a remedy
# for whatever is wrong:

# %%
import numpy as np
import torch
import torch.nn.functional as F

import coursekit as ck

ck.doctor()

# %% [markdown]
# **Help is one key away.** Put the cursor on a name in the cell below and try each of these:
#
# * `Tab` after a few letters completes a name;
# * `Shift+Tab` inside the parentheses shows the arguments and the description (in Colab also
#   `Ctrl+Shift+Space`; in the notebooks of old, pressed twice it showed more, and thrice it stayed);
# * a cell with `ck.fetch?` shows the description, `ck.fetch??` the source code as well;
# * `Esc`, then `H`, lists the shortcuts of the notebook (in Colab `Ctrl+M`, then `H`).

# %%
help(ck.seed)

# %% [markdown]
# ## 1 · Look at the data first
#
# Nobody should train a network on data they have not looked at. So where is it, and what is in it?

# %%
PATH = ck.fetch("dogscats")
size, batch = ck.by_edition(PATH, full=(224, 64), sample=(80, 64))

# %% tags=["nbval-check-output"]
sorted(folder.name for folder in PATH.iterdir() if folder.name in ("train", "valid", "test1"))

# %% tags=["nbval-check-output"]
sorted(folder.name for folder in (PATH / "valid").iterdir())

# %% [markdown]
# The name of the folder *is* the label: everything in `valid/cats` is a cat. This is the simplest
# way to write down a data set, and your own pictures will go the same way at the end.
#
# There are two parts that look alike, `train` and `valid`. (`test1` holds pictures without labels; we do
# not need them here.) The network learns from the first and never from the second; on the *validation* part we find out whether it has learned anything that
# holds for pictures it has not seen.

# %%
files = sorted((PATH / "valid" / "cats").glob("*.jpg"))
print([file.name for file in files[:5]])
name = files[3].name
print(f"the fourth one: {PATH.name}/valid/cats/{name}")

# %% [markdown]
# An *f-string*, `f"..."`, puts values between braces into a text; we will use it all the time. Now
# one picture:

# %%
picture = np.asarray(ck.read_picture(PATH / f"valid/cats/{name}"))
ck.show_pictures([picture]);

# %% [markdown]
# To a computer a picture is a block of numbers. What is its shape? How many numbers are there for
# one dot? Guess before you run the next cell.

# %%
print(picture.shape, picture.dtype)
print(picture[:4, :4])

# %% [markdown]
# The shape is (height, width, 3): three whole numbers from 0 to 255 for every dot (a *pixel*), for red,
# green and blue. The printed block is the upper left corner. Here it is enlarged, with its numbers, and
# then the three colour planes apart:

# %%
ck.show_corner(picture);

# %%
ck.show_planes(picture);

# %% [markdown]
# **A baseline that needs no network.** How hard is the task? Before anything is trained, we want to
# know how far one gets without effort. Two answers:
#
# 1. always say "dog". Half of the pictures are dogs, so this should be right half of the time;
# 2. shrink each picture to 16 by 16 dots and give the 768 numbers to *logistic regression*, the
#    simplest classifier there is: a weight for each number, added up.
#
# What do you expect from the second?

# %%
data = ck.images(PATH, size=size, batch_size=batch)
data

# %%
from sklearn.linear_model import LogisticRegression


def thumbnails(part):
    pictures = torch.as_tensor(np.asarray(part.inputs[:5000])).permute(0, 3, 1, 2).float()
    return F.adaptive_avg_pool2d(pictures, 16).flatten(1).numpy() / 255


# %%
order = np.random.default_rng(0).permutation(data.train.num_examples)[:5000]
some = data.train.subset(order)
simple = LogisticRegression(max_iter=200, C=0.01).fit(thumbnails(some), some.targets)
held_out = data.valid.subset(range(0, data.valid.num_examples, 1 + data.valid.num_examples // 5000))
baseline = {
    "always the same answer": max((held_out.targets == c).float().mean().item() for c in (0, 1)),
    "thumbnails, logistic regression": simple.score(thumbnails(held_out), held_out.targets),
}
{what: f"{accuracy:.1%}" for what, accuracy in baseline.items()}

# %% [markdown]
# The two numbers are *accuracies*: the share of validation pictures that are named rightly. Colours
# and rough shapes say little about whether an animal is a dog. Any network has to beat the second
# number, and not by a little.

# %% [markdown]
# ## 2 · The whole game in four statements
#
# Now the real thing. The four statements are: get the pictures, turn them into batches of numbers,
# take a network that has already learned to see, and train it. You have run the first two; here they
# are again so that you see them together. It will go through all training pictures three times: one
# time is called an *epoch*.
#
# What accuracy do you predict? And how many seconds?

# %%
architecture = ck.by_edition(PATH, full="resnet34", sample="drawings", quick="squeezenet1_0")

# %%
PATH = ck.fetch("dogscats")
data = ck.images(PATH, size=size, batch_size=batch)
learn = ck.image_learner(data, architecture, precompute=True)
history = learn.fit(3, lr=0.01, name="head")

# %% [markdown]
# That is a picture classifier. Read the table from left to right:
#
# * `train loss`: how wrong the network was on the training pictures, on average over the epoch. The
#   loss is what training makes smaller; you will compute it by hand in a moment.
# * `valid loss`: the same on the validation pictures, measured after the epoch.
# * `accuracy`: the share of validation pictures that it names rightly.
#
# The same as a picture, one row of the table after the other:

# %%
ck.show_history(history);

# %% [markdown]
# Why is it so quick? A network is a long calculation with many numbers in it, its *weights*, and training
# changes them. Ours did not start from nothing. Its *body* has learned to see on other
# pictures: photographs of a thousand kinds of things for `resnet34`, drawings of some twenty kinds
# of things, but no cat and no dog, for the small `drawings` network that comes with the course. What
# we train is a new *head* that turns what the body sees into two scores. And with `precompute=True`
# the body runs only once over the pictures; the head then learns from what the body wrote down.
#
# Would it be as good without that? The same network, from random numbers, trained for just as many
# epochs. What do you expect?

# %%
ck.seed()
scratch = ck.image_learner(data, architecture, pretrained=False)
from_scratch = scratch.fit(3, lr=0.01, name="from scratch")

# %% [markdown]
# One run proves little: another seed gives other numbers. So whenever this course claims a number,
# it shows several runs. Training the head takes so little time that we can repeat it:


# %%
def train_head(seed, epochs=3, lr=0.01, data=data, name="head"):
    ck.seed(seed)
    learner = ck.image_learner(data, architecture, precompute=True)
    return learner, learner.fit(epochs, lr, name=f"{name} {seed}")


runs = [train_head(seed)[1][-1]["accuracy"] for seed in (1, 2, 3)]

# %%
print(f"{'always the same answer':32} {baseline['always the same answer']:.3f}")
print(f"{'thumbnails, logistic regression':32} {list(baseline.values())[1]:.3f}")
print(f"{'from random weights':32} {from_scratch[-1]['accuracy']:.3f}")
print(f"{'from a pretrained body, 3 seeds':32} {np.mean(runs):.3f} ± {np.std(runs):.3f}")

# %% [markdown]
# The number behind ± is the spread of the three runs: so much of a difference is luck. When two
# methods differ by less than that, do not call one of them better. The last row stands above the others
# by far more than luck. The network from random weights ran only once: whether it is better than the
# thumbnails, nobody can say from that.
#
# **And when the computer stops in the middle?** A free runtime ends after some hours, a laptop runs
# out of battery. A fit that is given a `name` writes a *checkpoint* after each epoch. Open the lesson
# again and run it from the top: what was trained already under that name is read back, and the rest
# goes on exactly as if it had never been cut. Try it with the first of the three runs, the very same
# call. Will it take as long as before, and will the number be the same?

# %%
_, again = train_head(1)
assert again[-1]["accuracy"] == runs[0]

# %% [markdown]
# `resume=False` in a fit trains it anew. A fit whose data, model or settings have changed trains anew
# by itself and says what changed, and a fit without a `name` neither writes nor reads anything. In
# Colab the disk dies with the runtime, so the checkpoints need another place: put
# `kept = ck.keep_on_drive()` into a cell at the top of the lesson, before the first training, and
# `kept.finish()` into one at the end.

# %% [markdown]
# **Other architectures.** Any classifier of the torchvision library can stand in the one line that
# names the architecture: how many are there?

# %%
names = ck.architectures()
print(len(names), "architectures, for example", ", ".join(names[:6]))
print([name for name in names if "resnet" in name])

# %% [markdown]
# ## 3 · What does the network say?
#
# Let it look at all validation pictures. For each of them it gives one *score* a class:

# %%
predictions = learn.predict()
print(data.classes)
print(predictions.scores.shape)
print(predictions.scores[:4])

# %% [markdown]
# The scores may be any numbers; the larger one wins. To read them as probabilities they have to be
# positive and add up to one. How would you do that? The usual way is called *softmax*: take the
# exponential of each score (that makes it positive), then divide by their sum. Let us do it for the
# four pictures about which the network is least sure, those whose two scores are closest:

# %%
closest = (predictions.scores[:, 0] - predictions.scores[:, 1]).abs().argsort()[:4]
scores = predictions.scores[closest]
positive = scores.exp()
probabilities = positive / positive.sum(dim=1, keepdim=True)
print(probabilities)
assert torch.allclose(probabilities, scores.softmax(dim=1))

# %% [markdown]
# The last line says: what we computed by hand equals what torch computes. If it did not, the cell
# would stop with an error. You will meet `assert` after everything that we build ourselves.
#
# Libraries often keep the *logarithms* of probabilities, because products of many small numbers
# vanish while sums of their logarithms do not. `exp` brings the probabilities back:

# %%
log_probabilities = predictions.log_probabilities
print(log_probabilities[closest])
assert torch.allclose(log_probabilities[closest].exp(), probabilities)

# %% [markdown]
# **The loss.** How wrong is a probability? The network should give the true class a probability of
# 1. If it gives 0.9, that is nearly right; 0.1 is bad; 0.001 is much worse still. The *cross-entropy*
# says: take minus the logarithm of the probability of the true class. Four made-up pictures, all of
# them dogs:

# %% tags=["nbval-check-output"]
for p in (0.9, 0.5, 0.1, 0.001):
    print(f"probability of the truth {p:5}: loss {-np.log(p):.3f}")

# %% [markdown]
# Why the logarithm and not the plain difference? Being sure and wrong has to cost far more than
# being unsure: a network that says 0.001 where the truth is 1 should be changed a lot. Now for our
# four real pictures, by hand, and then compared with the library:

# %%
truth = predictions.targets[closest]
of_the_truth = probabilities[torch.arange(4), truth]
losses = -of_the_truth.log()
print("truth:", [data.classes[number] for number in truth.tolist()])
print("losses:", losses, "mean:", losses.mean())
assert torch.allclose(losses.mean(), F.cross_entropy(scores, truth))
assert torch.allclose(losses, predictions.losses[closest])

# %% [markdown]
# And the accuracy? The predicted class is the one with the highest score, `argmax`:

# %%
guesses = predictions.scores.argmax(dim=1)
right = guesses == predictions.targets
print(f"{right.sum()} of {len(right)} right, {right.float().mean():.3f}")
assert abs(right.float().mean().item() - learn.evaluate()["accuracy"]) < 1e-6

# %% [markdown]
# ## 4 · Five groups of pictures
#
# A number tells how often the network is wrong; only pictures tell *why*. Look at five groups each
# time you train something: a few that are right at random, a few wrong at random, those of each
# class that it is most sure of and right, most sure of and wrong, and those it cannot decide.
#
# Before you run it: what kind of picture do you expect among the wrong ones?

# %%
results = ck.Results(learn)
results.show_groups(3);

# %% [markdown]
# Take your time here. Would you have named the wrong ones rightly? Is an ear hidden, does the animal
# look away, is it small or dark, is the label itself wrong? What you find out decides what to do
# next: more pictures of that kind, another crop, or a cleaner data set.
#
# The *confusion matrix* counts which class is taken for which:

# %%
results.show_confusion();

# %%
print(results.most_confused())
results.show_top_losses(n=6);

# %% [markdown]
# **Cleaning.** The pictures with the highest loss are the hardest ones or the mislabelled ones, so
# this is where to look for mistakes in the data. Go through them one by one: would you have given
# each of them the label that it has? Guess first how many of the twelve are *mislabelled* and how
# many are only hard. Then press a button for each: keep it, give it the new label, or drop it. All
# works by mouse, and by Tab and the space bar. `ck.Corrections` writes down what you decide, at once;
# no file is ever deleted, and *Undo* goes back as far as you like.

# %%
corrections = ck.Corrections(PATH.parent.parent / "lesson1_corrections.csv", classes=data.classes)
ck.explore.cleaner(results, corrections)

# %% [markdown]
# A picture that is merely *hard* should stay. Who drops what the network gets wrong makes the number
# better and the network worse.
#
# The same goes by code, where there are no buttons or too many pictures. `corrections.relabel(name,
# "dogs")` gives a picture another label, `drop` leaves it out, `undo` takes the last change back. And
# `ck.images` heeds the file: how many validation pictures will there be after the one with the highest
# loss is dropped?

# %%
worst = data.valid.filenames[results.top_losses(1)[0]]
corrections.drop(worst)
print(corrections, "dropped:", worst)
cleaned = ck.images(PATH, size=size, batch_size=batch, corrections=corrections.file)
print(f"{data.valid.num_examples} validation pictures before, {cleaned.valid.num_examples} after")
corrections.undo()
print(corrections)

# %% [markdown]
# Another thing to look for: the same picture twice. When a copy of a training picture lies in the
# validation part, the network is asked what it already knows. Are there any?

# %%
everything = np.concatenate([data.train.inputs[:2000], data.valid.inputs[:2000]])
pairs = ck.near_duplicates(everything)
border = len(data.train.inputs[:2000])  # rows below it are of the training part
across = sum((one < border) != (other < border) for one, other, *_ in pairs)
print(f"{len(pairs)} pairs of pictures that are nearly the same, {across} across the two parts")
shown = [everything[row] for pair in pairs[:4] for row in pair[:2]]
if shown:
    ck.show_pictures(shown, columns=4);

# %% [markdown]
# ## 5 · The learning rate
#
# We wrote `lr=0.01`. Why that? The *learning rate* says how far the weights move at each step. Of
# all the numbers that one has to choose, it matters most, and there is a good way to find it: start
# with a tiny rate, raise it a little after each *mini-batch* (the handful of pictures that are
# looked at together, 64 here), and watch the loss.
#
# Three things happen, one after another. Which ones do you expect?

# %%
ck.seed()
learn = ck.image_learner(data, architecture, precompute=True)
sweep = learn.find_lr()
ck.show_sweep(sweep);

# %% [markdown]
# While the rate is tiny nothing moves. Then the loss falls, faster and faster. Then the steps become
# so long that they jump over the valley, and the loss shoots up; the sweep stops as soon as the
# smoothed loss is four times its best. (It counts mini-batches, not pictures, and it watches the
# training loss.)
#
# Where to pick? Not at the lowest point: there the rate is already so high that progress and damage
# are in balance. Take a point before it, where the loss still falls steeply. The suggestion is a
# tenth of the rate at the lowest point.
#
# Which rate would *you* take? Move the slider there, with the mouse or the arrow keys: what does the loss
# do at that rate, and how far are you from the suggestion? Then find the rate at which the loss begins to
# climb. (Without a slider, `ck.explore.sweep(sweep, rate=0.1)`.)

# %%
ck.explore.sweep(sweep)

# %%
print(f"suggestion: {sweep.suggestion}; the sweep ended {sweep.stopped}")

# %% [markdown]
# `find_lr` leaves no trace: weights and random numbers are put back to where they were. So what
# happens with a wrong rate? The same three epochs, once with a rate a hundred times as high, once
# a hundred times as low. Which is worse?

# %%
rates = {"lr 1 (too high)": 1.0, "lr 0.01": 0.01, "lr 0.0001 (too low)": 0.0001}
tried = {label: train_head(0, lr=rate, name=label)[1] for label, rate in rates.items()}

# %%
ck.show_histories(tried, value="valid_loss")
print({label: f"{rows[-1]['accuracy']:.3f}" for label, rows in tried.items()})

# %% [markdown]
# Remember what the two look like. *Too high*: the loss is large, jumps about, or is no number at
# all. *Too low*: it falls evenly and slowly, and has not arrived when you stop.
#
# And do not look at the accuracy alone. With the high rate it may be fine in the end, when the rate
# has come down again, while the loss stays many times higher: the network is wildly sure of its
# mistakes. The low rate does less harm: it costs only time.

# %% [markdown]
# ## 6 · Better: augmentation, schedules, fine-tuning
#
# **Too many epochs.** If three epochs are good, are sixty better? Let us take only a hundred
# training pictures, so that it happens quickly, and watch both losses.

# %%
few = data.train.subset(np.random.default_rng(1).permutation(data.train.num_examples)[:100])
few_data = data.replace(train=few)

# %%
# %%capture
overfitted, long_history = train_head(0, epochs=60, data=few_data, lr=0.003, name="sixty")

# %% [markdown]
# (`%%capture` is a magic for a whole cell: it keeps what the cell prints, here sixty rows of the
# table, from filling the page.) What do you expect of the two curves?

# %%
ck.show_history(long_history);

# %% [markdown]
# The training loss goes to nothing: after so many rounds the network knows its hundred pictures by
# heart. The validation loss stops falling, and rises or stays. That is *overfitting*: it learns the
# pictures instead of the animals. The remedy that helps most is more data. The second best is:
#
# **Augmentation.** A cat seen in a mirror is still a cat, and so is one that is turned a little,
# nearer, or in other light. So in each epoch every picture is shown a bit differently. These are
# photographs taken from the side, so `ck.side_on` mirrors left and right but never turns upside
# down. One picture, and seven versions of it:

# %%
one = torch.as_tensor(np.asarray(data.train.inputs[0]))
ck.show_augmentations(ck.side_on, one.numpy());

# %% [markdown]
# With augmentation the body must look at every picture anew, so `precompute` has to be off. The body
# stays *frozen*: its weights do not move, only the head learns. This takes longer than before; why?

# %%
ck.seed()
data = ck.images(PATH, size=size, batch_size=batch, augment=ck.side_on)
learn = ck.image_learner(data, architecture)
augmented = learn.fit(1, lr=0.01, name="augmented")

# %% [markdown]
# **Schedules.** The rate need not stay the same all the time. Near the goal, small steps find the
# bottom of the valley; so the rate should fall. Two ways of doing it:
#
# * *cosine with restarts*: fall, jump back up to shake the weights out of a narrow valley, fall
#   again; each cycle may be longer than the one before (`cycles`, `t_mult`);
# * *one cycle*: warm up, then come down far. This is what `fit` does unless you say otherwise.

# %%
ways = {
    "CosineRestarts(3, t_mult=2)": ck.CosineRestarts(3, t_mult=2),
    "one_cycle": ck.one_cycle,
    "constant": ck.constant,
}
ck.show_schedules(ways, epochs=7, lr=0.01);

# %% [markdown]
# A schedule is nothing but a function: from progress (0 at the start, 1 at the end) to a factor. So
# you can write one yourself, and hand it to `fit`:


# %% tags=["nbval-check-output"]
def straight_down(progress):
    return 1 - progress


print([f"{straight_down(p):.2f}" for p in (0, 0.25, 0.5, 1)])
print([f"{ck.cosine(p):.2f}" for p in (0, 0.25, 0.5, 1)])

# %%
restarted = learn.fit(2, lr=0.005, schedule=ck.CosineRestarts(2), name="restarts")

# %% [markdown]
# Save the weights before you try something bold. They go into a *safetensors* file: numbers only, so
# that opening one can never run somebody else's code. `learn.load(file)` brings them back.

# %%
models = PATH.parent.parent / "models"
file = learn.save(models / "lesson1-frozen.safetensors")
print(file.name, f"{file.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# **Fine-tuning.** Now let the body learn as well: `unfreeze`. Its early layers see edges and colours,
# which serve for any picture; they should change hardly at all. The later layers see ears and
# snouts; they may change more. So each of the three *layer groups* gets a rate of its own, from the
# early body to the head:

# %%
learn.unfreeze()
fine = learn.fit(2, lr=[0.00005, 0.0005, 0.002], name="fine-tuning")

# %% [markdown]
# **Test-time augmentation.** One more step, without any training: show the network each validation
# picture as it is and in four augmented versions, and average what it says. Why could that help?

# %%
plain = learn.predict()
averaged = learn.predict(tta=4)
for label, found in {"as they are": plain, "with 4 versions": averaged}.items():
    right = (found.scores.argmax(1) == found.targets).float().mean()
    print(f"{label:16} accuracy {right:.4f}, loss {found.losses.mean():.4f}")

# %% [markdown]
# All steps in one table, each a single run. Compare the differences with the spread that you saw above
# (±), and with what one picture is worth: which of them are more than luck?

# %%
table = {
    "head only": history[-1],
    "augmented": augmented[-1],
    "restarts": restarted[-1],
    "fine-tuned": fine[-1],
}
for label, row in table.items():
    print(f"{label:12} accuracy {row['accuracy']:.4f}, valid loss {row['valid_loss']:.4f}")
print(f"one picture more or less: {1 / data.valid.num_examples:.4f}")

# %% [markdown]
# On an easy task like this the first step brings almost everything, and the rest moves a handful of
# pictures up or down: nobody should claim an order from one run of each. On a harder task the later
# steps bring more.
#
# **A leak.** What if pictures that are meant for checking slip into the training part? It happens more
# often than one would think: by copies, by a wrong split, by sorting. Here the network learns from
# one half of the validation pictures, and then each half is scored. Which half will look better, and
# which number is the true one?

# %%
rows = np.random.default_rng(0).permutation(data.valid.num_examples)
seen, unseen = (data.valid.subset(half) for half in np.array_split(rows, 2))
leaky = data.replace(train=seen, valid=unseen)
learner, _ = train_head(0, epochs=10, data=leaky, name="leak")
for label, part in {"seen in training": seen, "never seen": unseen}.items():
    print(f"{label:18} {learner.evaluate(part)['accuracy']:.4f}")

# %% [markdown]
# A number measured on pictures from the training is worth nothing, however good it looks.
#
# ## 7 · Why does it work?
#
# Four ideas carry everything that you have seen. We build each of them by hand.
#
# **Idea 1: walking downhill.** Training means: make the loss smaller by moving the weights. Take one
# weight `w` and the loss $w^2$, a parabola. Its slope at `w`, the *gradient*, is $2w$. *Gradient descent*
# takes a step against the slope, again and again. A step is the learning rate times the slope; with
# *momentum* a part of the last step is added to it, which we leave out at first:


# %% tags=["nbval-check-output"]
def descend(gradient, w, rate, steps, momentum=0.0):
    points, step = [w], 0.0
    for _ in range(steps):
        step = momentum * step - rate * gradient(w)
        w = w + step
        points.append(w)
    return points


rates = (0.05, 0.3, 0.95, 1.05)
paths = {f"rate {rate}": descend(lambda w: 2 * w, -2.0, rate, 10) for rate in rates}
for label, points in paths.items():
    print(f"{label:9}: w after 10 steps is {points[-1]:8.4f}")

# %% [markdown]
# Which of the four is too small, which is too large, and which one leaves the valley for good? The
# same as pictures. These are the three shapes of the curve in section 5.

# %%
ck.show_descent(lambda w: w**2, paths);

# %% [markdown]
# Now you, with your own `descend`. Predict first: which is the largest rate that still arrives? Does the
# start change it? In the *long bowl* there are two weights, and it is steep across and flat along: why
# must the rate be small there, and what does momentum change?
#
# Move the sliders by mouse, or with the arrow keys once one of them is chosen. (Where no sliders
# appear, as on a printed page, change the numbers in the cell: `ck.explore.descent(descend, rate=0.9)`.)

# %%
ck.explore.descent(descend)

# %% [markdown]
# Does torch do the same? Its optimizer takes the slope from the loss by itself:

# %%
w = torch.tensor(-2.0, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.3)
for _ in range(10):
    optimizer.zero_grad()
    (w**2).backward()
    optimizer.step()
assert abs(w.item() - paths["rate 0.3"][-1]) < 1e-6

# %% [markdown]
# **Idea 2: a small window that moves.** How does a network look at a picture? It lays a small square
# of numbers, a *kernel*, over a spot, multiplies number by number, and adds up. Then it moves on by
# one dot. That is a *convolution*. One step of it:

# %%
small = ck.read_picture(PATH / f"valid/cats/{name}", size=64)
grey = np.asarray(small.convert("L")).astype(float) / 255
kernel = np.array([[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]])
ck.show_kernel_step(grey, kernel, row=30, column=30);

# %% [markdown]
# This kernel subtracts what is on the left from what is on the right. Where in the picture will the
# result be large? Here is the whole convolution, two loops and one line:


# %%
def convolve(picture, kernel):
    height, width = picture.shape[0] - 2, picture.shape[1] - 2
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            window = picture[row : row + 3, column : column + 3]
            result[row, column] = (window * kernel).sum()
    return result


edges = convolve(grey, kernel)
as_batch = torch.tensor(grey)[None, None], torch.tensor(kernel)[None, None]
assert np.allclose(edges, F.conv2d(*as_batch)[0, 0].numpy())

# %%
ck.show_kernel(grey, kernel, edges);

# %% [markdown]
# It finds upright edges. In a network nobody writes the kernels: their numbers are weights, and
# gradient descent finds them. But here you may. Below are the nine numbers, to be typed, or moved with
# the arrow keys. What do you expect of nine times 1/9? Which numbers find level edges? Which leave the
# picture as it is? The buttons show some answers; try before you press. A picture of your own may take
# the cat's place. The convolution is the one that you wrote above. (Without buttons:
# `ck.explore.kernel(grey, convolve, values=np.ones((3, 3)) / 9)`.)

# %%
ck.explore.kernel(grey, convolve)

# %% [markdown]
# **Idea 3: bends add up to any curve.** Between the convolutions stands a function that looks too
# simple to be of use, the *ReLU*: keep what is positive, make the rest zero. But with enough of them,
# each with its own bend and slope, any curve can be followed. Here they follow a sine, bend by bend:


# %%
def follow(curve, x, bends):
    knots = np.linspace(x[0], x[-1], bends + 1)
    slopes = np.diff(curve(knots)) / np.diff(knots)
    changes = np.diff(slopes, prepend=0)  # how much the slope changes at each bend
    pieces = [change * np.maximum(0, x - knot) for change, knot in zip(changes, knots[:-1])]
    return np.array(pieces), curve(knots[0]) + sum(pieces)


x = np.linspace(-3, 3, 300)
for bends in (2, 4, 8, 16, 32):
    error = np.abs(follow(np.sin, x, bends)[1] - np.sin(x)).max()
    print(f"{bends:2} ReLUs: at most {error:.3f} off")

# %%
pieces, total = follow(np.sin, x, 6)
ck.show_relus(x, pieces, total, np.sin(x));

# %% [markdown]
# Add bends one by one. Which of the four curves needs the most of them, and where does the sum stay
# behind the longest? (Without sliders: `ck.explore.relus(follow, curve="step", bends=12)`.)

# %%
ck.explore.relus(follow)

# %% [markdown]
# For the sine, twice as many bends make about a quarter of the error, and that can go on as long as you
# like. Networks do it in thousands of dimensions, where the "curve" goes from the dots of a picture to
# "dog" or "cat". This is called *universal approximation*. It promises that good weights exist. That
# they can be *found*, and hold for new pictures, is what sections 2 to 6 were about.
#
# **Idea 4: layers upon layers.** A convolution of convolutions sees more than edges. A *layer* holds many
# kernels; what each of them makes of the picture is a *channel*, and one number of it is a *unit*. A
# few layers together are a *stage*. What makes the units light up? For a few channels in early and in
# late stages, the parts of the validation pictures that excite them most:

# %%
ck.show_layers(learn.model, data.valid, channels=2);

# %% [markdown]
# Go from top to bottom. Early units answer to an edge or a colour; later ones to textures, then to
# things like eyes, ears and snouts. Nobody told them to: it was the quickest way to a small loss.
# This is also why a body that was trained on other things was of so much use here.
#
# These are two channels a stage, and there are many more. Choose a stage and go through its
# channels: can you find one for eyes, one for noses, one that answers to the background alone? The
# upper row shows the patches, the lower row where they were cut out. Does a channel fire at cats,
# at dogs, or at both? (Without sliders: `ck.explore.layers(learn.model, data.valid, rank=5)`.)

# %%
ck.explore.layers(learn.model, data.valid)

# %% [markdown]
# ## 8 · The recipe
#
# What you have done, in eight steps. They serve for any picture classifier:
#
# 1. **Look** at the data, and write down a baseline that needs no network.
# 2. **Train the head** on precomputed features of a pretrained body, 2 or 3 epochs.
# 3. **Look at what is wrong**: five groups, confusion matrix, top losses; clean the data.
# 4. **Find the learning rate** by a sweep.
# 5. **Augment**, precompute off, train the head for 2 or 3 epochs more.
# 6. **Unfreeze**, with lower rates for the earlier layers.
# 7. **Train until the validation loss stops falling**; one cycle, or restarts with longer cycles.
# 8. **Average** by test-time augmentation; report mean and spread over several seeds.
#
# **Not only photographs.** Whatever can be drawn can be classified this way. Sounds become pictures
# when one draws which pitches are heard when (a *spectrogram*); people have recognised engines,
# birds and whales by them. The moves of a computer mouse, drawn as lines coloured by speed, tell
# people from robots. Positions on a board of Go are pictures of 19 by 19 dots. The question to ask
# is: could an expert see it in the picture? Then a network probably can.
#
# **Top-down.** Most courses begin with the mathematics and arrive at the first trained network weeks
# later. This one begins with the whole game, as one learns football by playing: first on a small
# field, then the rules, then each move. What was a box in this lesson, you open in later ones.

# %% [markdown]
# ## 9 · Your own pictures
#
# Put pictures into one folder a class, a few dozen each, and name the folder in the next cell. In
# JupyterLab drag them into the file browser on the left; in Colab use the folder symbol. To show that
# it works, we take a few pictures out of the validation part, as if they were yours:

# %%
import shutil

mine = PATH.parent.parent / "my_pictures"
for label in data.classes:
    (mine / label).mkdir(parents=True, exist_ok=True)
    for file in sorted((PATH / "valid" / label).glob("*.jpg"))[:40]:
        shutil.copy(file, mine / label / file.name)

# %%
my_data = ck.images(mine, size=size, batch_size=16)  # your folder here
my_learn = ck.image_learner(my_data, architecture, precompute=True)
my_learn.fit(3, lr=0.01, name="mine");

# %% [markdown]
# There was no `valid` folder, so a fifth of the pictures was set aside at random. With so few of them
# the accuracy is rough: one picture more or less changes it by several points.
#
# **Keep it, and use it elsewhere.** `export` writes one file with the weights, the names of the
# classes and the size of the pictures. `load_model` needs that file and nothing else:

# %%
learn.export(models / "dogs-or-cats.safetensors")
classify = ck.load_model(models / "dogs-or-cats.safetensors")
classify

# %%
new = sorted((PATH / "valid" / "dogs").glob("*.jpg"))[5]
answer = classify(new)
ck.show_pictures([new], titles=[f"{k} {v:.3f}" for k, v in list(answer.items())[:1]])
print({label: f"{probability:.4f}" for label, probability in answer.items()})

# %% [markdown]
# A picture of your own goes the same way: `classify("my_cat.jpg")`, or with the button below, which
# takes a file from your computer. The map in the middle shows which places speak for the answer; how
# it is made is the subject of lesson 7. Before you look: where should it be bright, on the animal or on
# the grass? And what speaks for the *other* class?

# %%
ck.explore.classify(classify, new)

# %% [markdown]
# What will it say of a picture that shows neither? Try a car, or your own face. Here is an empty grey
# square. How sure of it will the network be?

# %%
nothing = np.full((size, size, 3), 128, np.uint8)
from PIL import Image

print({label: f"{p:.4f}" for label, p in classify(Image.fromarray(nothing)).items()})

# %% [markdown]
# It can only answer "cats" or "dogs": it was never taught to say "I do not know". A probability says
# which of the classes it would rather be, not whether it is one of them.
#
# ## 10 · Before you go on
#
# **Exercises.** Write your answer in place of the dots and run the cell: `ck.check` says whether it is
# right, or what is off. `ck.hint("1.1")` gives a hint, `ck.solution("1.1")` a solution. Some answers
# are numbers; others are functions, in which you replace the dots behind `return`.

# %% exercise="1.1"

# %% exercise="1.2"

# %% exercise="1.3"

# %% exercise="1.4"

# %% exercise="1.5"

# %% exercise="1.6"

# %% [markdown]
# **Do you know it?** A mouse or the keyboard will do.

# %% quiz="1"

# %%
ck.progress();

# %% [markdown]
# **On your own.** Each of these is a small change to a cell above. Predict first, then run.
#
# * Train the head for 1, 3 and 10 epochs with three seeds each (`train_head(seed, epochs=10)`). From
#   where on is it only luck?
# * `lr=0.1` in the four statements: does it still train? Look at the sweep before you answer.
# * In the cell that makes `few`, write 20, 100 and 500 in place of 100 at its end; after each of them
#   run `train_head(0, data=few_data)`, three epochs. How does the accuracy grow?
# * Use `ck.Augment(rotate=90)` instead of `ck.side_on`. Does it help or hurt? Why?
# * With a graphics card: name another architecture, `convnext_tiny` say. What does it cost, and what
#   does it bring?
# * Take thirty pictures each of two things that you can photograph yourself, and go through the eight
#   steps with them.

# %% [markdown]
# **Sources.** One-cycle: arXiv 1708.07120. Cosine with restarts: 1608.03983. The learning-rate sweep:
# 1506.01186. ResNet: 1512.03385. How transferable features are: 1411.1792. Looking at layers:
# 1311.2901. The cats and dogs: Elson, Douceur, Howell and Saul, Asirra, CCS 2007. The course whose
# topics these lessons follow: fast.ai, Practical Deep Learning for Coders, 2018.
#
# The text of this lesson is under CC BY 4.0, its code under the MIT licence.
