# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Lesson 3 · What will the shop sell tomorrow?
#
# {badges}
#
# By the end of this lesson you will have
#
# * trained a network on a table of shops, days and sales, in a handful of statements;
# * joined seven tables without losing a row, and found the code that two of them spell differently;
# * turned dates into parts, and promotions and holidays into days since and days until;
# * split the rows so that the validation number can be believed, and measured what a careless split claims;
# * built embeddings and the network by hand, equal to the library's;
# * compared it fairly with means, a linear model, a forest and boosted trees;
# * asked it what it has learned, and written the file of predictions.
#
# You need what lesson 1 has taught: batch, loss, epoch, validation part. There are two editions of
# the data. The sample has invented shops whose sales are made of known effects and known noise, so
# we can check what is usually unknown: how good could any model be? It takes about three minutes of
# computing without a graphics card. The full edition is that of a real chain of drugstores.
# Reading and thinking take about two hours.

# %%
# {set_up}

# %% [markdown]
# ## 1 · The whole game
#
# One row is one shop on one day. We want to know `Sales`. Guess first: if you knew which shop and
# which day of the week, by how many percent would you be wrong on a usual day?

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import coursekit as ck
from coursekit.visuals.style import COLORS, use_style

PATH = ck.fetch("rossmann")
names = ["train", "test", "store", "store_states", "state_names", "googletrend", "weather"]
words = {"StateHoliday": str}
tables = {name: pd.read_csv(PATH / f"{name}.csv", dtype=words) for name in names}
tables["train"].head(3).T

# %%
first = tables["train"].query("Sales > 0").merge(tables["store"], how="left", on="Store")
first = first.join(ck.date_parts(first.Date)[["Month", "Year", "Week"]])
held_out = first.Date.between("2014-08-01", "2014-09-17").to_numpy()
categories = ["Store", "DayOfWeek", "StateHoliday", "StoreType", "Assortment", "Month", "Year"]
numbers = ["Promo", "SchoolHoliday", "CompetitionDistance", "Week"]

# %%
ck.seed()
columns = {"categories": categories, "continuous": numbers}
data = ck.table(first, "Sales", log_target=True, valid=held_out, **columns)
learn = ck.table_learner(data)
history = learn.fit(2, lr=0.01, weight_decay=1.0, name="first")

# %% [markdown]
# That is a forecast. `rmspe` is the *root mean square percentage error*: 0.1 means that a usual error
# is a tenth of the day's sales. `valid` names the rows that are held out, seven weeks of August and
# September 2014; the network has not learned from them. You will compute that number by hand, find
# out which columns it should have been given, and see what its boxes hold.
#
# ## 2 · Tables first
#
# Nobody should train on tables they have not looked at. How many rows has each, and where are gaps?

# %% tags=["nbval-check-output"]
for name, table in tables.items():
    gaps = table.isna().sum()
    holes = ", ".join(f"{c} {n:,}" for c, n in gaps[gaps > 0].items())
    print(f"{name:12} {len(table):9,} rows x {table.shape[1]:2}; gaps: {holes or 'none'}")

# %% [markdown]
# Gaps have reasons, and the reasons differ. A shop without coupons (`Promo2` is 0) has no first week
# of coupons, and a day without fog or rain has no `Events`: here a gap says "none". A rival whose
# opening or whose distance nobody wrote down, a weather station that did not report clouds, gusts or
# how far one could see, and in `test` the shop of which nobody knows whether it was open: here a gap
# says "unknown". No rule fits both kinds, so it takes a look at what is in the tables. Two rows and
# the range of each column:

# %% tags=["nbval-check-output"]
for name in names[1:]:
    table = tables[name]
    look = table.head(2).T.set_axis(["first row", "second row"], axis=1)
    ranges = table.describe().T.filter(["mean", "min", "max"]).round(1)
    print(f"\n{name}\n{look.join(ranges).to_string(na_rep='', max_colwidth=24)}")

# %% [markdown]
# `test` has no `Sales`: that is to be predicted. What else is missing there?

# %% tags=["nbval-check-output"]
print(sorted(set(tables["train"]) - set(tables["test"])))
print(tables["train"][["Sales", "Customers", "Open", "Promo", "SchoolHoliday"]].describe().round(1))

# %% tags=["nbval-check-output"]
shut = tables["train"].query("Open == 0")
odd = tables["train"].query("Open == 1 and Sales == 0")
print(
    f"closed: {len(shut):,} rows with sales of {shut.Sales.sum()}; open, nothing sold: {len(odd)}"
)
print(tables["train"].StateHoliday.value_counts().to_dict())

# %% [markdown]
# Closed days sell nothing, which needs no model; we learn from days with sales only. Among the state
# holidays, `a` is a public holiday, `b` Easter, `c` Christmas, and `0`, a text, is none.
#
# How does one shop look? Bars in orange are days with a promotion. What do you see besides them?

# %%
one = tables["train"].query("Store == 3 and Date >= '2015-05-04' and Date < '2015-06-29'")
one = one.sort_values("Date")
colours = np.where(one.Promo == 1, COLORS["orange"], COLORS["blue"])
with use_style():
    axis = plt.subplots(figsize=(10, 3.2), layout="constrained")[1]
    axis.bar(pd.to_datetime(one.Date), one.Sales, color=colours)
    axis.set(ylabel="sales of shop 3", title="orange: promotion, blue: none")
print(one[one.Sales > 0].groupby("Promo").Sales.mean().round().to_dict(), "on average, by promotion")

# %% [markdown]
# A rhythm of weeks: here a week of promotion follows each week without one, from Monday to Friday, and
# the promotion lifts every day of its week. On Sundays the shop is shut, and where a bar is missing
# within a week, it was shut for a public holiday.
#
# ## 3 · Joins, and a count after each
#
# The seven tables become one by *left joins*: every row of the sales stays, and the other table adds
# columns where it has something that fits. Two things go wrong with joins, and both in silence: rows
# that double, because the right side has a key twice, and rows that find nothing. So we count both,
# after every one:


# %% tags=["nbval-check-output"]
def join(left, right, on):
    joined = left.merge(right, how="left", on=on, validate="many_to_one", indicator=True)
    lost = joined[joined["_merge"] == "left_only"]
    print(f"{len(joined):,} rows; {len(lost):,} found nothing by {on}")
    return joined.drop(columns="_merge"), lost


both = pd.concat([tables["train"], tables["test"]], ignore_index=True)
both["Date"] = pd.to_datetime(both.Date)
joined, _ = join(both, tables["store"], ["Store"])
joined, _ = join(joined, tables["store_states"], ["Store"])

# %% [markdown]
# We put both parts below each other, since promotions and holidays of the test weeks are known in
# advance. `validate="many_to_one"` makes a doubled key an error. Now the weather: its table knows
# regions by name, `state_names` translates them. Will every row find its weather?

# %% tags=["nbval-check-output"]
weather = tables["weather"].merge(
    tables["state_names"], how="left", left_on="file", right_on="StateName"
)
weather["Date"] = pd.to_datetime(weather.Date)
wanted = ["Max_TemperatureC", "Mean_Humidity", "Precipitationmm", "CloudCover", "Events"]
_, lost = join(joined, weather[["State", "Date", *wanted]], ["State", "Date"])
print(lost.State.value_counts().to_dict())

# %% [markdown]
# All the rows that found nothing come from one code: the table of shops says `HB,NI`, two states at
# once, where the weather has `HB` and `NI`. Without the count we would have had gaps, filled them
# with medians, and never known. We call these shops `NI`, the larger of the two:

# %% tags=["nbval-check-output"]
joined["State"] = joined.State.replace("HB,NI", "NI")
joined, lost = join(joined, weather[["State", "Date", *wanted]], ["State", "Date"])
assert len(lost) == 0
assert len(joined) == len(both)

# %% [markdown]
# The last table says how much people searched for the chain, on a scale that ends at 100: a week a row,
# a region in the file name. A week begins on a Sunday, so each day needs the Sunday before it:

# %% tags=["nbval-check-output"]
searches = tables["googletrend"].copy()
searches["State"] = searches.file.str.removeprefix("Rossmann_DE").str.removeprefix("_")
searches["Sunday"] = pd.to_datetime(searches.week.str[:10])
joined["Sunday"] = joined.Date - pd.to_timedelta(joined.DayOfWeek % 7, unit="D")
joined, lost = join(joined, searches[["State", "Sunday", "trend"]], ["State", "Sunday"])
assert len(lost) == 0
country = searches[searches.State == ""].rename(columns={"trend": "trend_DE"})
joined, lost = join(joined, country[["Sunday", "trend_DE"]], ["Sunday"])

# %% [markdown]
# ## 4 · What a day knows
#
# A date is one number to a computer, and what matters lies in its parts: the month, the weekday, how
# far the year has gone. `ck.date_parts` takes it apart:

# %% tags=["nbval-check-output"]
parts = ck.date_parts(joined.Date)
frame = joined.join(parts)
assert (frame.Weekday + 1 == frame.DayOfWeek).all()
frame[["Date", *parts.columns]].iloc[0].astype(str).to_dict()

# %% [markdown]
# On the Saturday before a promotion, people may wait with their shopping. No column says so: `Promo` is
# 0 on that day as on any other Saturday. What is missing is *how many days until the next one*. By
# hand, for one shop, walking backwards through its days:


# %% tags=["nbval-check-output"]
def days_until(dates, happens):
    answer, following = [], None
    for date, event in zip(reversed(dates), reversed(happens)):
        following = date if event else following
        answer.append(np.nan if following is None else (following - date).days)
    return answer[::-1]


shop = frame[frame.Store == 3].sort_values("Date")
by_hand = days_until(list(shop.Date), list(shop.Promo == 1))
print([int(days) for days in by_hand[:21]])

# %% [markdown]
# `ck.elapsed` does it for all shops at once, forwards and backwards, without a loop. We let it stop
# at 30 days: whether the last holiday was 40 or 60 days ago should make no difference.

# %%
frame["Holiday"] = (frame.StateHoliday != "0").astype(int)
events = ["Promo", "Holiday", "SchoolHoliday"]
since = ck.elapsed(frame, events, by="Store", time="Date", cap=30)
np.testing.assert_array_equal(since.BeforePromo[shop.index], np.minimum(by_hand, 30))
frame = frame.join(since.fillna(30))
print(list(since.columns))

# %% [markdown]
# May we look ahead? At promotions and holidays, yes: they are planned months before. At sales or
# customers, never.
#
# Next, *rolling sums*: how many promotion days lie in the past seven days, and in the next seven, the
# day itself counted in both? We count days (`"7D"`), not rows: a shop that was rebuilt has months
# without rows. pandas only looks back; to look ahead we turn time around, so that what comes next lies
# behind.


# %% tags=["nbval-check-output"]
def past_week(days, event):
    return days.set_index("Date").groupby("Store")[event].rolling("7D").sum().to_numpy()


frame = frame.sort_values(["Store", "Date"]).reset_index(drop=True)
mirrored = frame.assign(Date=frame.Date.max() - (frame.Date - frame.Date.min()))
mirrored = mirrored.sort_values(["Store", "Date"])
for event in ["Promo", "Holiday"]:
    frame[f"{event}Past7"] = past_week(frame, event)
    frame.loc[mirrored.index, f"{event}Next7"] = past_week(mirrored, event)
print(frame.query("Store == 3")[["Date", "Promo", "PromoPast7", "PromoNext7"]].iloc[4:9])

# %% [markdown]
# Last, the rival. What matters is how many months ago it opened, and after two years people are
# used to it: we *cap* at 24. Before its opening it is -1, however long before. And some shops send
# coupons four times a year, from some week on, in months that `PromoInterval` names: is this one?

# %% tags=["nbval-check-output"]
opened = 12 * frame.CompetitionOpenSinceYear + frame.CompetitionOpenSinceMonth
frame["RivalMonths"] = (12 * frame.Year + frame.Month - opened).clip(-1, 24)
months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"]
frame["Coupons"] = 0
begun = 100 * frame.Year + frame.Week >= 100 * frame.Promo2SinceYear + frame.Promo2SinceWeek
for number, month in enumerate(months, 1):
    sent = frame.PromoInterval.fillna("").str.contains(month) & (frame.Month == number)
    frame.loc[sent & begun, "Coupons"] = 1
print(f"before the rival opened: {(frame.RivalMonths == -1).mean():.1%} of all rows")
print(f"in a month of coupons: {frame.Coupons.mean():.1%}")

# %% [markdown]
# ## 5 · Gaps, scales and unknown values
#
# A network needs numbers of similar size, and no gaps. The rules, all of them fitted on the training
# rows **only**: a gap becomes the median, and a new column says that there was one; then subtract the
# mean and divide by the standard deviation. Why only the training rows? Because whatever is computed
# from the validation rows tells the model something about them.

# %%
past = frame[frame.Sales > 0].reset_index(drop=True)
future = frame[frame.Sales.isna()].reset_index(drop=True)
year_ago = past.Date.between("2014-08-01", "2014-09-17").to_numpy()
categories = ["Store", "DayOfWeek", "Year", "Month", "StateHoliday", "StoreType", "Assortment"]
categories += ["State", "PromoInterval", "Events", "RivalMonths", "PromoPast7", "PromoNext7"]
numbers = ["Promo", "SchoolHoliday", "CompetitionDistance", "Max_TemperatureC"]
numbers += ["Precipitationmm", "trend", "trend_DE", "DayOfYear", "Coupons", "Day"]
numbers += [name for name in since if "School" not in name] + ["HolidayPast7", "HolidayNext7"]


# %%
def make(valid):
    return ck.table(
        past, "Sales", log_target=True, valid=valid, test=future,
        categories=categories, continuous=numbers,
    )


data = make(year_ago)
data

# %%
rows = past.iloc[data.rows["train"]]
median = rows.CompetitionDistance.median()
filled = rows.CompetitionDistance.fillna(median)
by_hand = (filled - filled.mean()) / filled.std(ddof=0)
place = data.continuous.index("CompetitionDistance")
theirs = np.asarray(data.train.inputs[1])[:, place]
assert np.allclose(by_hand, theirs, atol=1e-5)
print([name for name in data.continuous if name.endswith("is missing")])

# %% [markdown]
# **A category never seen before.** Categories become codes from 1 on, in order; a gap among them gets a
# code of its own. Code 0 is kept for whatever the training rows do not have: a shop that opens
# tomorrow, a kind of weather that never was. What will the network make of it? It looks up the mean of all that it knows.

# %%
strange = past.head(1).assign(Store=99999, Events="Frogs")
(codes, _), _ = data.encode(strange).one_batch()  # (categories, numbers), and no target
row = dict(zip(data.categories, codes[0].tolist()))
print(row)
assert row["Store"] == row["Events"] == 0

# %% [markdown]
# ## 6 · The right error, the right split
#
# A hundred euros too much is a lot for a small shop. So errors count in *percent*, and RMSPE squares
# them, takes the mean, and the root. And the network learns the **logarithm** of the sales: a
# difference of logarithms is nearly the error in percent, so that the usual squared loss fits.


# %%
def rmspe(truth, predicted):
    relative = (truth - predicted) / truth
    return float(np.sqrt((relative**2).mean()))


truth = data.real(data.valid.targets)
print(f"RMSPE, off by 10 % everywhere:      {rmspe(truth, 1.1 * truth):.3f}")
print(f"root of the mean squared logarithm: {np.sqrt(np.mean(np.log(1.1) ** 2)):.3f}")
guess = torch.tensor(1.1 * truth)
assert abs(rmspe(truth, 1.1 * truth) - ck.rmspe(guess, torch.tensor(truth))) < 1e-6

# %% [markdown]
# **Which rows to hold out?** The test weeks are 1 August to 17 September 2015. Three ways:
#
# * the same dates a *year earlier*;
# * the *last* weeks before the end, so that the model only knows the past;
# * *random* rows, as one does with pictures.
#
# Boosted trees learn quickly, so let them judge. (A *decision tree* asks one question about a column
# after the other. *Boosting* adds hundreds of small trees, each of which corrects what those before it
# got wrong. A *random forest*, later on, takes the mean of large trees that saw different rows.) Which
# of the three splits will show the smallest error? And which one should we believe?

# %%
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor


def matrix(batches):
    return np.hstack([np.asarray(part[:]) for part in batches.inputs])


def boosted(data, seed=0, some=300_000):
    rows = np.random.default_rng(seed).permutation(data.train.num_examples)[:some]
    model = HistGradientBoostingRegressor(max_iter=250, max_leaf_nodes=31, random_state=seed)
    return model.fit(matrix(data.train)[rows], data.train.targets.numpy()[rows])


# %%
def claim(held_out):
    part = make(held_out)
    predicted = np.exp(boosted(part).predict(matrix(part.valid)))
    return rmspe(part.real(part.valid.targets), predicted)


random_rows = np.random.default_rng(0).random(len(past)) < year_ago.mean()
splits = {"year earlier": year_ago, "last weeks": (past.Date > "2015-06-13").to_numpy()}
splits["random rows"] = random_rows
claims = {}
for name, held_out in splits.items():
    claims[name] = claim(held_out)
    print(f"{name:13} RMSPE {claims[name]:.4f}")

# %% [markdown]
# One model, three numbers. Which of them may be believed? With random rows, those of the same region
# on the same day, or of the same shop on the day before, are in the training part: whatever was going
# on there that week (a fair, road works), the model has seen it in the neighbours' sales. For a
# *future* week it has no neighbours. That is a **leak**, though no column is wrong.
#
# On the sample we can measure it. Its sales are effects that the tables tell, times the mood of the
# region in that week, times noise. A model of the future knows neither mood nor noise. So the least
# RMSPE that an honest model can reach on any rows is known. How far above it is each claim? We draw
# the random rows three times, since one draw may be luck:


# %%
def floor(rows):
    known = pd.read_csv(PATH / "truth" / "train.csv", parse_dates=["Date"])
    told = rows[["Store", "Date", "Sales"]].merge(known, how="left", on=["Store", "Date"])
    ratio = np.exp(told.expected) / told.Sales
    best = ratio.mean() / (ratio**2).mean()  # the factor that makes the squares smallest
    return rmspe(told.Sales, best * np.exp(told.expected))



# %%
has_truth = (PATH / "truth").exists()
for draw in (1, 2):
    name = f"random rows {draw + 1}"
    splits[name] = np.random.default_rng(draw).random(len(past)) < year_ago.mean()
    claims[name] = claim(splits[name])
for name, mask in splits.items():
    possible = f", possible {(best := floor(past[mask])):.4f}" if has_truth else ""
    ratio = f", that is {claims[name] / best:.3f} of it" if has_truth else ""
    print(f"{name:13} claimed {claims[name]:.4f}{possible}{ratio}")

# %% [markdown]
# On the sample, read the last column. Both splits by time claim several percent more than what is
# possible, as a model must that had to learn its effects from noisy sales. The random rows claim
# about what is possible, now and then less: no model gets there without peeping. The plain
# numbers would not have told: weeks differ in how hard they are. On the full edition nobody
# knows what is possible, so nobody would notice.
#
# From here on we hold out the same dates a year earlier: the season is that of the test weeks, and
# whole weeks are missing at once.
#
# ## 7 · An embedding is a look-up
#
# How does a network take a weekday? Not as the number 5: Friday is not five times Monday. One way is
# *one-hot*: a list of zeros with a single 1. That list times a matrix gives one row of the matrix:

# %%
torch.manual_seed(0)
weight = torch.randn(8, 3)  # eight codes (0 is unknown), three numbers each
friday = torch.zeros(8)
friday[5] = 1
product = friday @ weight
looked_up = weight[5]
library = torch.nn.functional.embedding(torch.tensor([5]), weight)[0]
assert torch.allclose(product, looked_up)
assert torch.allclose(product, library)
print(looked_up)

# %% [markdown]
# Three ways to the same numbers, and looking up needs no multiplication. So an **embedding** is a
# matrix whose rows are learned: gradient descent moves the row of Friday until it says what matters
# about Fridays. How many numbers for each? A rule of thumb: half as many as there are codes, code 0
# among them, rounded up, but not above fifty. We allow at most eight: what there is to tell about a shop (how large, what for,
# how it takes promotions) fits into a few numbers, and fewer weights learn less by heart.

# %%
widths = [min(8, ck.embedding_dim(len(values))) for values in data.categories.values()]
for (name, values), width in zip(data.categories.items(), widths):
    print(f"{name:14} {len(values):5} codes -> {width} numbers")

# %% [markdown]
# ## 8 · The network, box by box
#
# Look the categories up (dropout blanks a few of the looked-up numbers), put the numbers, after a
# batch norm of their own, beside them; then a linear layer, ReLU, batch norm, dropout, and again; at
# the end one number, squeezed into a range a little wider than that of the training rows, by a *sigmoid*,
# a curve that climbs from 0 to 1. Batch norm brings each unit to mean 0 and spread 1, then to a scale
# and a level that are learned; dropout switches a few units off at random while training, so that none
# is relied on too much.


# %%
def new_learner(data, seed, **options):
    ck.seed(seed)
    shape = {"hidden_sizes": (100, 50), "dropout": 0.05, "embedding_dims": widths} | options
    return ck.table_learner(data, **shape)


learn = new_learner(data, 1)
print(learn.model.layers)
print("range of the logarithm:", [round(end, 2) for end in learn.model.y_range])

# %% [markdown]
# By hand, for one batch, from the learner's own weights (a network that is not training uses the means
# and spreads that its batch norms noted down while training, and drops nothing):


# %%
def batch_norm(x, layer):
    centred = (x - layer.running_mean) / (layer.running_var + layer.eps).sqrt()
    return centred * layer.weight + layer.bias


def by_hand(model, codes, numbers):
    rows = [table.weight[code] for table, code in zip(model.embeddings, codes.T)]
    x = torch.cat([*rows, batch_norm(numbers, model.norm)], dim=1)
    for linear, norm in ((model.layers[0], model.layers[2]), (model.layers[4], model.layers[6])):
        x = batch_norm((x @ linear.weight.T + linear.bias).clamp(min=0), norm)
    score = (x @ model.layers[8].weight.T + model.layers[8].bias)[:, 0]
    low, high = model.y_range
    return low + (high - low) / (1 + (-score).exp())


# %%
(codes, values), _ = data.train.one_batch()
model = learn.model.eval()
with torch.no_grad():
    assert torch.allclose(by_hand(model, codes, values), model(codes, values), atol=1e-5)
print("equal for", len(codes), "rows;", sum(p.numel() for p in model.parameters()), "weights")

# %% [markdown]
# Which learning rate? You know the sweep from lesson 1.

# %%
sweep = learn.find_lr()
ck.show_sweep(sweep);
# %% [markdown]
# Then the training, three times with other seeds. The weight decay is high: it pulls weights towards
# zero, and a shop that is like the others needs no row that is far from theirs. Each step shrinks
# every weight by the rate times the decay: where the rate is highest, 0.01 times 1.0, a hundredth. The
# sweep ran with hardly any decay; at the higher rate that it suggests, each step would also shrink the
# weights more. So we stay below its suggestion. (At the end you can try what the suggestion itself would do.)

# %%
epochs = ck.by_edition(PATH, full=8, sample=6)
learners = [new_learner(data, seed) for seed in (1, 2, 3)]
histories = {
    f"seed {seed}": each.fit(epochs, lr=0.01, weight_decay=1.0, name=f"net-{seed}")
    for seed, each in enumerate(learners, 1)
}
learn = learners[0]

# %%
ck.show_history(histories["seed 1"]);
# %% [markdown]
# Read it aloud: the training loss of the first epoch is high, for it is the mean over an epoch in which
# the network began by knowing nothing; from the second one on it falls slowly. The validation loss
# falls to the end, does not turn upwards, and ends close to the training loss: little is learned by
# heart.
#
# `train loss` and `valid loss` are mean squares of the logarithms; their roots are about the RMSPE.
# Is our RMSPE that of the table? `predict` gives logarithms, `data.real` the sales:

# %%
net = [data.real(each.predict().scores) for each in learners]
errors = [rmspe(truth, predicted) for predicted in net]
assert abs(errors[0] - histories["seed 1"][-1]["rmspe"]) < 1e-5
print("RMSPE of three seeds:", [round(error, 4) for error in errors])

# %%
held = past.iloc[data.rows["valid"]].assign(predicted=net[0])
held["error"] = (held.predicted / held.Sales - 1).round(3)
worst = held.loc[held.error.abs().nlargest(30).index]
print(f"of the 30 worst days, {(worst.error > 0).mean():.0%} were predicted too high;", end=" ")
print(f"of all days {(held.error > 0).mean():.0%}")
if has_truth:
    known = pd.read_csv(PATH / "truth" / "train.csv", parse_dates=["Date"])
    luck = held.merge(known, how="left", on=["Store", "Date"]).eval("mood + noise")
    print(f"correlation of error and luck: {np.corrcoef(held.error, luck)[0, 1]:.2f}")
worst[["Store", "Date", "StateHoliday", "Promo", "Sales", "error"]].head(6)

# %% [markdown]
# Look at the worst days: is there a column that would have told? Most of them sold less than was
# predicted. That is in the nature of percent: the same hundred euros are a larger share of a bad day
# than of a good one. On the sample, mood and noise, of which no column tells, explain most of the
# errors: the more bad luck a day had, the more it was predicted too high. There is little left to
# find. On real data, this is where to look for the missing column.
#
# ## 9 · Against what?
#
# A number alone says little. The same rows, the same columns, the same error: what do simpler models
# reach? Put down your guess for each before you run it.

# %%
train_rows, valid_rows = (past.iloc[data.rows[part]] for part in ("train", "valid"))
keys = ["Store", "DayOfWeek", "Promo"]
logs = train_rows.assign(log=np.log(train_rows.Sales))
table = {}
for label, by in {"mean of shop and weekday": keys[:2], "... and promotion": keys}.items():
    means = logs.groupby(by).log.mean().rename("mean").reset_index()
    found = valid_rows.merge(means, how="left", on=by)["mean"].fillna(logs.log.mean())
    table[label] = rmspe(truth, np.exp(found.to_numpy()))
print({label: round(value, 4) for label, value in table.items()})

# %%
from scipy.sparse import hstack
from sklearn.linear_model import Ridge
from sklearn.preprocessing import OneHotEncoder

codes, values = (np.asarray(part[:]) for part in data.train.inputs)
valid_codes, valid_values = (np.asarray(part[:]) for part in data.valid.inputs)
hot = OneHotEncoder(handle_unknown="ignore").fit(codes)
linear = Ridge(alpha=1.0).fit(hstack([hot.transform(codes), values]), data.train.targets)
predicted = linear.predict(hstack([hot.transform(valid_codes), valid_values]))
table["linear"] = rmspe(truth, np.exp(predicted))


# %%
def forest(x, y, seed=0):
    some = min(1.0, 100_000 / len(y))
    how = {"min_samples_leaf": 3, "max_features": 0.4, "n_jobs": -1}
    model = RandomForestRegressor(15, max_samples=some, random_state=seed, **how)
    return model.fit(x, y)


x, valid_x, y = matrix(data.train), matrix(data.valid), data.train.targets.numpy()
woods = forest(x, y)
trees = np.exp(woods.predict(valid_x))
boost = np.exp(boosted(data).predict(valid_x))
table |= {"random forest": rmspe(truth, trees), "boosted trees": rmspe(truth, boost)}

# %%
table["network, mean of 3 seeds"] = np.mean(errors)
std = f" ± {np.std(errors):.4f}"
for label, value in table.items():
    print(f"{label:26} {value:.4f}{std if 'network' in label else ''}")
if has_truth:
    print(f"{'least that is possible':26} {floor(valid_rows):.4f}")
print("first:", min(table, key=table.get))
passed = [name for name, error in table.items() if error < table["... and promotion"]]
print("better than means of shop, weekday and promotion:", ", ".join(passed))

# %% [markdown]
# Read it honestly. A table of means, which needs no learning, is the bar that everything should pass;
# the last line says who does. On the sample the linear model, with all its columns, does not pass
# the means of shop, weekday and promotion: it adds effects up, so every shop gets the same weekdays
# and the same answer to a promotion, whatever kind of shop it is. And the first place goes to the
# boosted trees, not to the network, and by more than the spread between its seeds. On tables that is
# the usual result: boosted trees are hard to beat, and quick. What the network has besides is what it
# learned about the categories, and that can be taken elsewhere:
#
# ## 10 · Together
#
# Network and forest make different errors. How wrong will the mean of both be? We average the
# logarithms. And the mean of three networks that differ in their seed only?

# %%
together = np.exp(np.mean([np.log(one) for one in net], axis=0))
table["three networks"] = rmspe(truth, together)
table["networks and forest"] = rmspe(truth, np.sqrt(together * trees))
table["networks and boosted trees"] = rmspe(truth, np.sqrt(together * boost))
for label in list(table)[-3:]:
    print(f"{label:26} {table[label]:.4f}")

# %% [markdown]
# **Embeddings for the forest.** A forest sees the code of a shop, a number without meaning. Give it
# the rows that the network has learned instead:


# %%
def embedded(batches):
    codes, values = (torch.as_tensor(np.asarray(part[:])) for part in batches.inputs)
    with torch.no_grad():
        rows = learn.model.to("cpu").eval().embed(codes.long())
    return np.hstack([rows.numpy(), values.numpy()])


better = np.exp(forest(embedded(data.train), y).predict(embedded(data.valid)))
learn.model.to(learn.device)
table["forest on embeddings"] = rmspe(truth, better)
print(f"forest on codes {table['random forest']:.4f}, on embeddings {rmspe(truth, better):.4f}")

# %% [markdown]
# ## 11 · What has it learned?
#
# **Maps of categories.** Each weekday is a short list of numbers now, and so is each state and each
# shop. Drawn on the plane of their two widest directions, which days should lie together, and which
# apart? Choose another map, let the mouse rest on a point to read its name, and look for a shop by
# typing its number: are its neighbours of the same type?


# %%
def embedding(column):
    place = list(data.categories).index(column)
    return learn.model.embeddings[place].weight.detach()[1:].cpu()


# %%
days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
known = [days[code - 1] for code in data.categories["DayOfWeek"][1:]]
states = data.categories["State"][1:]
maps = {"weekdays": (embedding("DayOfWeek"), known), "states": (embedding("State"), states)}
kinds = tables["store"].set_index("Store").StoreType
maps["shops"] = embedding("Store"), [f"{n}, type {kinds[n]}" for n in data.categories["Store"][1:]]
ck.explore.embedding_map(maps)

# %% [markdown]
# Without the controls, `ck.explore.embedding_map(maps, which="shops", find="17,")` draws the same.
#
# What is the first direction of the states? On the sample we know what was planted: some states sell
# more in summer, some more in winter. The network never saw that list.

# %%
ck.explore.embedding_map(maps, which="states")

# %%
if has_truth:
    planted = json.loads((PATH / "truth" / "effects.json").read_text())["states"]
    summer = [planted["HB,NI" if state == "NI" else state][1] for state in states]
    for seed, each in enumerate(learners, 1):
        rows = each.model.embeddings[list(data.categories).index("State")].weight.detach()[1:]
        first = ck.principal_components(rows)[0][:, 0]
        print(f"seed {seed}: correlation {abs(np.corrcoef(first, summer)[0, 1]):.2f}")

# %% [markdown]
# It has found the summer business by itself, from sales alone, and with each seed again, if not always
# as clearly. (Left or right is arbitrary, so the sign of the correlation says nothing and is left out.)
#
# A map shows who is near whom, not why. For *why*, change one thing and look.
#
# **The effect of a column.** Take a few hundred rows of the validation part, set the weekday of all of
# them to Monday, and predict; then to Tuesday, and so on. The mean over the rows is called *partial
# dependence*.

# %%
few = valid_rows[valid_rows.DayOfWeek < 7]  # hardly any shop opens on Sundays
few = few.sample(min(300, len(few)), random_state=0)
open_days = list(range(1, 7))
effect = ck.predict_with(learn, few, "DayOfWeek", open_days)
ck.show_partial_dependence(effect, open_days, name="DayOfWeek", ticks=days[:6]);
# %%
by_hand = [data.real(learn.predict(data.encode(few.assign(Promo=on))).scores) for on in (0, 1)]
promotion = ck.predict_with(learn, few, "Promo", [0, 1])
assert np.allclose(by_hand, promotion)
print(f"a promotion adds {promotion[1].mean() / promotion[0].mean() - 1:.0%}")
rain = ck.predict_with(learn, few, "Precipitationmm", [0, 2, 5, 10, 15])
ck.show_partial_dependence(rain, [0, 2, 5, 10, 15], name="rain, millimetres");
# %% [markdown]
# Which other effects has it found? Predict for each: temperature, the months since the rival opened,
# the distance of the rival. Then choose the column. (Where Tab has led you to a list, the space bar
# opens it.) And does every kind of shop have the same week? The figure begins with that question, a
# line for each `StoreType`; choose `nothing` to see one line for all.

# %%
columns = ["DayOfWeek", "Promo", "Max_TemperatureC", "Precipitationmm", "CompetitionDistance"]
columns += ["RivalMonths", "StoreType", "Month", "StateHoliday", "AfterPromo", "BeforePromo"]
words = {"DayOfWeek": dict(enumerate(days, 1)), "Promo": {0: "none", 1: "promotion"}}
ck.explore.partial_dependence(learn, few, columns=columns, by="StoreType", words=words)

# %% [markdown]
# `ck.explore.partial_dependence(learn, few, column="Month", by="Promo")` draws another one without the controls.
# Lines that run apart say that one effect depends on another column: an *interaction*. On the
# sample, the Saturdays differ most; a model that only adds effects up cannot say that.
#
# **What if?** Now one shop on one day. The grey bar is the prediction for the day as it was, the orange
# one what was really sold. It begins with two changes, a Saturday and fifteen millimetres of rain, each
# of them drawn alone and both together; the button takes them back. Guess before you move: how many
# percent will a promotion do? And a rival that is only a hundred metres away? Choose another row: do the
# same changes do the same?

# %%
day = valid_rows[valid_rows.Store.isin(valid_rows.Store.unique()[:3])]
columns = ["DayOfWeek", "Promo", "AfterPromo", "BeforePromo", "StateHoliday"]
columns += ["Max_TemperatureC", "Precipitationmm", "CompetitionDistance", "RivalMonths"]
shown = ck.explore.what_if(learn, day, columns=columns, names=("Store", "Date"), words=words)
shown.set(DayOfWeek=6, Precipitationmm=15.0)

# %% [markdown]
# Without the controls, `.set` moves them: `shown.set(row=5, Promo=True)`. Two warnings. A slider moves one column only: a promotion with `AfterPromo` at 5 is a day
# that never was, and of what it has never seen a network speaks as freely as of what it knows. And
# the answer is what the *model* says: that shops far from a rival sell more does not prove that moving
# away from it would help.
#
# For the forest, scikit-learn has partial dependence under its own name. Equal?

# %%
from sklearn.inspection import partial_dependence, permutation_importance

column = list(data.categories).index("DayOfWeek")
some = valid_x[:200]
theirs = partial_dependence(woods, some, [column], kind="average", method="brute")
ours = []
for value in theirs["grid_values"][0]:
    changed = some.copy()
    changed[:, column] = value
    ours.append(woods.predict(changed).mean())
assert np.allclose(ours, theirs["average"][0], atol=1e-5)

# %% [markdown]
# **Importance.** Which columns does it lean on? Shuffle one column of the validation rows, so that it
# says nothing any more, and see how much worse the error gets. Columns that tell the same (three
# kinds of weather) have to be shuffled together, or each hides behind the others.

# %%
groups = {
    "shop": ["Store", "StoreType", "Assortment", "State", "CompetitionDistance", "PromoInterval"],
    "weekday": ["DayOfWeek"],
    "promotion": ["Promo", "BeforePromo", "AfterPromo", "PromoPast7", "PromoNext7"],
    "holidays": ["StateHoliday", "BeforeHoliday", "AfterHoliday", "HolidayPast7", "HolidayNext7"],
    "season": ["Month", "Day", "DayOfYear"],
    "weather": ["Max_TemperatureC", "Precipitationmm", "Events"],
    "searches": ["trend", "trend_DE"],
    "rival": ["RivalMonths"],
}

# %%
random = np.random.default_rng(0)
importance = {}
for name, columns in groups.items():
    shuffled = valid_rows.copy()
    order = random.permutation(len(shuffled))
    shuffled[columns] = shuffled[columns].iloc[order].set_axis(shuffled.index)
    predicted = data.real(learn.predict(data.encode(shuffled)).scores)
    importance[name] = rmspe(truth, predicted) - errors[0]

# %%
ranked = sorted(importance.items(), key=lambda pair: pair[1])
with use_style():
    axis = plt.subplots(figsize=(8, 3.2), layout="constrained")[1]
    axis.barh([name for name, _ in ranked], [gain for _, gain in ranked], color=COLORS["blue"])
    axis.set(xlabel="RMSPE added by shuffling")
print(", ".join(f"{name} {gain:.3f}" for name, gain in reversed(ranked)))

# %% [markdown]
# The figure and the line say the same: how much the error grows where each group of columns is
# shuffled. Shop, promotion and weekday carry the forecast. The weather adds next to nothing, though
# the curve of the rain above falls, and rightly so on the sample: on most days there is little rain,
# so a real effect can be too rare and too small to be seen in the error. Importance says how much is
# lost on these rows, not whether there is an effect.
#
# scikit-learn's own function does that for a forest, a column at a time; the same idea by hand must
# agree with it, but for the luck of the shuffling:

# %%
small, target = valid_x[:600], data.valid.targets.numpy()[:600]
theirs = permutation_importance(woods, small, target, n_repeats=5, random_state=0)
base, ours = woods.score(small, target), np.zeros(small.shape[1])
for number in range(small.shape[1]):
    for _ in range(5):
        changed = small.copy()
        changed[:, number] = random.permutation(changed[:, number])
        ours[number] += (base - woods.score(changed, target)) / 5
agreement = np.corrcoef(ours, theirs.importances_mean)[0, 1]
assert agreement > 0.98
print(f"correlation of both: {agreement:.3f}")

# %% [markdown]
# ## 12 · Leaks and drift
#
# **A column that knows too much.** `Customers` says how many people came. Give it to the boosted trees.
# What happens to the error, and why is that no success?

# %%
peeking = ck.table(
    past, "Sales", log_target=True, valid=year_ago,
    categories=categories, continuous=[*numbers, "Customers"],
)
predicted = np.exp(boosted(peeking).predict(matrix(peeking.valid)))
print(f"without Customers {table['boosted trees']:.4f}, with {rmspe(truth, predicted):.4f}")

# %% [markdown]
# Nobody knows tomorrow's customers today: the test table has no such column. When a result is too
# good, look for the column that could not be known.
#
# **Drift.** Are the test rows like the training rows? Train a classifier to tell them apart. Its *AUC*
# is the probability that it finds a test row more like the test than a training row: 1 is always, 0.5
# is a coin. Near 0.5 they are alike; if not, its most important columns say what has changed.

# %%
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.metrics import roc_auc_score

tell_apart = RandomForestClassifier(30, min_samples_leaf=5, random_state=0)
ahead = matrix(data.test)
order = np.random.default_rng(0)
pick = [part[order.permutation(len(part))[:2500]] for part in (x, ahead)]
both, label = np.vstack(pick), np.repeat([0, 1], [len(part) for part in pick])
columns = np.array([*data.categories, *data.continuous])
score = cross_val_predict(tell_apart, both, label, cv=3, method="predict_proba")[:, 1]
print(f"all columns: AUC {roc_auc_score(label, score):.3f}")

# %%
tell_apart.fit(both, label)
top = np.argsort(-tell_apart.feature_importances_)[:4]
print("it goes by", columns[top].tolist())
timeless = ~np.isin(columns, ["Year", "Month", "DayOfYear", "Day", "RivalMonths"])
score = cross_val_predict(tell_apart, both[:, timeless], label, cv=3, method="predict_proba")
print(f"without the calendar: AUC {roc_auc_score(label, score[:, 1]):.3f}")
tell_apart.fit(both[:, timeless], label)
top = np.argsort(-tell_apart.feature_importances_)[:5]
print("now it goes by", columns[timeless][top].tolist())

# %% [markdown]
# That the calendar tells the rows apart is no wonder: the test weeks are late summer of 2015. Without
# it the classifier is nearly as sure, and the last line says by what: what people searched for, how
# warm it was, how far the next holiday is, each of them a calendar in disguise. So it is fair to hold
# out the same season, as we do; and a column that always grows, such as the number of the day, would
# be asked for values that it never had.
#
# ## 13 · What goes wrong
#
# First the rate: a thousand times too high, right, and a hundred times too low. Which of the three curves
# will lie at the top, and which will end lowest? Then far too many epochs on a few rows.

# %%
wrong = {}
for name, rate in {"too high": 10.0, "right": 0.01, "too low": 0.0001}.items():
    learner = new_learner(data, 1)
    wrong[name] = learner.fit(2, rate, weight_decay=0.0, name=f"rate-{name}")

# %%
ck.show_histories(wrong, "rmspe")
print({name: round(history[-1]["rmspe"], 4) for name, history in wrong.items()})

# %% [markdown]
# And many epochs on a thousand rows, in batches of 64, so that there are many steps:

# %%
some = np.random.default_rng(0).permutation(data.train.num_examples)[:1000]
tiny = data.replace(train=data.train.subset(some))
tiny.train.batch_size = 64
long = new_learner(tiny, 1, dropout=0.0).fit(
    20, 0.01, weight_decay=0.0, schedule=ck.constant, name="too long"
)
ck.show_history(long);
# %% [markdown]
# With the rate far too high the weights jump out of every valley; far too low, they hardly leave the
# start. With few rows and many epochs the training loss goes on falling to the end, while the
# validation loss stopped falling long before and only sways: the gap between the two is what the
# network has learned by heart. Every epoch after the lowest one was for nothing.
#
# ## 14 · The prediction
#
# Two questions before the file is written. What about rows that say nothing about `Open`? We assume
# that they are open. If such a shop was closed, that costs nothing, for days without sales do not count
# in the RMSPE; if it was open, a prediction of 0 would be wrong by 100 %. And closed shops sell 0,
# whatever the model says.

# %%
scores = np.mean([each.predict(data.test).scores.numpy() for each in learners], axis=0)
answer = future[["Id"]].astype(int).assign(Sales=data.real(scores))
answer.loc[(future.Open == 0).to_numpy(), "Sales"] = 0
file = PATH.parent.parent / "lesson3_submission.csv"
answer.sort_values("Id").to_csv(file, index=False)
print(f"{len(answer):,} rows, {int(future.Open.isna().sum())} without a word on Open")
print("written to", file.name)  # print(file) says where: two folders above PATH
answer.sort_values("Id").head(3)

# %% [markdown]
# `print(file)` shows the whole path of the file, for you to download or to hand in.
#
# On the sample the future is known as well. Which of the splits has told the truth about it? To be
# fair, the same kind of model has to answer: the boosted trees, which made the claims of section 6.

# %%
if has_truth:
    known = pd.read_csv(PATH / "truth" / "test.csv")
    trees_say = np.exp(boosted(data).predict(matrix(data.test)))
    told = answer.assign(trees=trees_say, Date=future.Date, Store=future.Store)
    told = told.merge(known, on="Id", suffixes=("", "_true")).query("Sales_true > 0")
    ratio = np.exp(told.expected) / told.Sales_true
    best = rmspe(told.Sales_true, np.exp(told.expected) * ratio.mean() / (ratio**2).mean())

# %%
if has_truth:
    for name in ("trees", "Sales"):
        error = rmspe(told.Sales_true, told[name])
        print(f"test weeks, {name:5}  {error:.4f}, possible {best:.4f}: {error / best:.3f} of it")
    for name, mask in splits.items():
        best = floor(past[mask])
        print(f"{name:18} {claims[name]:.4f}, possible {best:.4f}: {claims[name] / best:.3f} of it")

# %% [markdown]
# (`Sales` are our three networks.) None of the plain claims is the error of the test weeks to the
# last digit, and none could be: the moods of single weeks move the level, and some weeks are harder.
# Compare the last column instead. The truth for the trees lies between the two splits by time, the
# year earlier a little too friendly and the last weeks a little too strict. The random rows, all three
# draws, promised what nobody can keep.
#
# **Keep it, and ask for one new day.** `save` writes the weights; a new learner with the same data
# reads them back and is asked about the first shop and day of the test table, with and without a
# promotion:

# %%
kept = learn.save(PATH.parent.parent / "models" / "lesson3.safetensors")
fresh = new_learner(data, 99)
fresh.load(kept)
day = future[(future.Store == future.Store.iloc[0])].head(1)
with_and_without = ck.predict_with(fresh, day, "Promo", [0, 1])[:, 0]
assert np.allclose(with_and_without, ck.predict_with(learn, day, "Promo", [0, 1])[:, 0])
print(f"without: {with_and_without[0]:,.0f}, with a promotion: {with_and_without[1]:,.0f}")

# %% [markdown]
# ## 15 · Before you go on
#
# **Exercises.** Write your answer in place of the dots and run the cell: `ck.check` says whether it is
# right, or what is off. `ck.hint("3.1")` gives a hint, `ck.solution("3.1")` a solution.

# %% exercise="3.1"

# %% exercise="3.2"

# %% exercise="3.3"

# %% exercise="3.4"

# %% exercise="3.5"

# %% exercise="3.6"

# %% [markdown]
# **To go further**, without a check: take `BeforePromo`, `AfterPromo`, `PromoPast7` and `PromoNext7` out of
# the lists and train again; on which weekday does the error grow most? And train with the rate that
# the sweep suggests, with three seeds: is the difference larger than that between the seeds?
#
# **Do you know it?** A mouse or the keyboard will do.

# %% quiz="3"

# %%
ck.progress();

# %% [markdown]
# **On your own data.** Any table with a date and something to predict will do: electricity, visits, bike
# rides. First put the date's parts in its place (`ck.date_parts`): as text it would become a category,
# and the days held out would all be unknown. `ck.table(frame, "target", valid=mask)` tells words from
# numbers by itself; hold out the last weeks; begin with the mean per group; ask of each column whether it is known beforehand.
#
# **Sources.** Entity embeddings: Guo and Berkhahn, arXiv 1604.06737. Batch norm: 1502.03167. Dropout:
# Srivastava et al., JMLR 15 (2014). Random forests and permutation importance: Breiman, Machine
# Learning 45 (2001). Partial dependence: Friedman, Annals of Statistics 29 (2001). Why trees do well
# on tables: Grinsztajn et al., arXiv 2207.08815. Data: Rossmann Store Sales, Kaggle (2015). The course whose topics these lessons
# follow: fast.ai, Practical Deep Learning for Coders, 2018.
#
# The text of this lesson is under CC BY 4.0, its code under the MIT licence.
