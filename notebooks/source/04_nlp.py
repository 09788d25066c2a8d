# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Lesson 4 · Did they like the film?
#
# {badges}
#
# By the end of this lesson you will have
#
# * turned film reviews into numbers, by rules for words and by pieces of words;
# * built naive Bayes by hand, and seen what counting words can and cannot do;
# * trained a language model that tells the next word, and let it write;
# * turned that model into a classifier of reviews, and measured what its reading was worth;
# * asked which words moved a verdict, and whether "not" is understood;
# * put an LSTM, a pair of them and a small transformer into one table.
#
# You need lesson 1 for the words *loss*, *epoch*, *learning rate* and *validation*. Without a graphics
# card the lesson works on 5,500 small reviews made for this course and takes two to three minutes of
# computing. With one it works on the published 100,000 reviews of IMDb, and the language model
# reads for hours rather than minutes; a run that is cut goes on where it was. Reading and thinking
# take about two hours.

# %%
# {set_up}

# %%
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

import coursekit as ck

PATH = ck.fetch("aclImdb")

# %% [markdown]
# ## 1 · Read first
#
# The reviews lie in folders, one file each: `train` and `test`, and in each of them `pos` and `neg`.
# `train/unsup` holds reviews without a label. Who could need those? Keep the question in mind.

# %%
for part in ("train/pos", "train/neg", "train/unsup", "test/pos", "test/neg"):
    files = sorted((PATH / part).glob("*.txt"))
    print(f"{part:12} {len(files):6,} files, such as {files[5].name}")

# %% [markdown]
# The number behind the underscore is the rating that the writer gave, 1 to 10; 0 means that it is not
# told. Read a few, slowly. Which words would you go by?

# %%
for file in sorted((PATH / "train/pos").glob("*.txt"))[3:5]:
    print("POSITIVE", file.name, "\n", file.read_text("utf-8")[:500], "\n")
for file in sorted((PATH / "train/neg").glob("*.txt"))[3:5]:
    print("NEGATIVE", file.name, "\n", file.read_text("utf-8")[:500], "\n")

# %% [markdown]
# People praise what they then reject, deny what they then affirm, quote others to disagree. In the
# small reviews of the sample about every second opinion comes in such a way; real reviews do it more
# rarely, and at greater length. So: can one tell praise from blame by counting words? A guess, please, before
# section 4: what share of reviews can be told that way?
#
# ## 2 · The whole game
#
# First a *language model*: a network that reads all training reviews, with or without label, and
# learns to say which word comes next. Nobody has to label anything for that. Then we take off its
# last layer, put a classifier on, and train that on the labelled reviews (arXiv:1801.06146).

# %%
sizes = ck.by_edition(
    PATH,
    full={"embedding_dim": 400, "hidden_size": 1152, "n_layers": 3, "dropout": 0.7},
    sample={"embedding_dim": 96, "n_layers": 1, "dropout": 0.3},
    quick={"embedding_dim": 128, "hidden_size": 128, "n_layers": 3, "dropout": 0.7},
)
rows, steps = ck.by_edition(PATH, full=(64, 70), sample=(32, 50))
batch, rate = ck.by_edition(PATH, full=(32, 0.004), sample=(16, 0.01))

# %%
stream = ck.language(PATH, batch_size=rows, seq_len=steps)
language = ck.language_learner(stream, **sizes)
told = language.fit(3, lr=rate, name="language")

# %% [markdown]
# `perplexity` is the number to look at: as if the model had to guess among so many words that are
# all equally likely. `accuracy` is the share of words that it names exactly. Now the classifier. Its
# body has learned to read; first only its new head is trained, then one layer below it, then all:


# %%
def fine_tune(learner, name, epochs=6, lr=rate):
    learner.freeze()
    learner.fit(1, lr, name=f"{name}, head")
    learner.freeze_to(-2)
    learner.fit(1, lr, name=f"{name}, last layer")
    learner.unfreeze()
    rates = [lr / 2] + [lr] * (len(learner.groups) - 1)  # one a layer group, the first with care
    return learner.fit(epochs, rates, name=f"{name}, all")


# %%
data = ck.text(PATH, vocabulary=stream, batch_size=batch)
learn = ck.text_learner(data, language, dropout=0.2)
history = fine_tune(learn, "classifier")

# %% [markdown]
# A tenth of the labelled reviews was set aside for the column `accuracy`. They are few here, so that
# column jumps; and we looked at it while we chose sizes and rates. The number that counts comes from
# the reviews in `test`, which neither model has read:

# %%
table = {"after reading": [learn.evaluate(data.test)["accuracy"]]}  # a list: more runs will follow
print(f"{data.test.num_examples:,} test reviews, {table['after reading'][0]:.1%} right")

# %% [markdown]
# Everything else in this lesson opens this box: what went in, what the two models are made of, and
# how much of the number is due to which part.
#
# ## 3 · From text to numbers
#
# **Words.** A network needs numbers. So a review is cut into *tokens*, and each different token gets a
# number. Cutting at spaces is not enough: `film.` and `film` would be two words, and so would `Film`.
# The rules of this course, for one piece of text (a word, or a run of signs):


# %%
import itertools
import re


def tokens_of(piece):
    if not re.match(r"\w", piece):  # signs: each by itself, a repeated one is marked
        runs = re.findall(r"((.)\2*)", piece)
        return [t for run, sign in runs for t in (["<rep>", sign] if len(run) > 1 else [sign])]
    short = re.sub(r"([^\W\d_])\1{2,}", r"\1", piece)  # sooooo -> so
    marks = ["<rep>"] if short != piece else []
    if len(short) > 1 and short[0].isupper():
        marks.append("<up>" if short.isupper() else "<cap>")
    return marks + re.sub(r"(\w)(n't.*|'.*)$", r"\1 \2", short.lower()).split()


# %%
def tokens(text):
    text = text.replace("<br />", " ").replace("’", "'")  # real reviews are pieces of web pages
    return [
        token for piece in re.findall(r"\w+(?:'\w+)*|[^\w\s]+", text) for token in tokens_of(piece)
    ]


# %% [markdown]
# What will become of this sentence? Count the tokens before you run it.

# %% tags=["nbval-check-output"]
sentence = "I WAS soooo bored!!! It isn't Anna's film, really."
print(tokens(sentence))

# %% [markdown]
# A capital letter became a mark, `<cap>` for one and `<up>` for a whole word of them (a word of one
# letter, such as `I`, gets none), so that `It` and `it` share what is learned about them, and little is
# lost: which letters inside a word are large, as in `McDonald`, and how often a sign was repeated.
# `<rep>` marks what was repeated. `n't` is a word of its own, so that `isn't` and `wasn't` share what
# is learned of "not".
#
# **The vocabulary** lists the tokens of the *training* part that occur at least twice, the most
# frequent first, 20,000 at most. Some marks stand before them: `<start>` begins each review, `<pad>`
# fills up short ones, and `<unk>`, unknown, stands for all words that are not in the list. Do the library's rules do the same as ours? One
# sentence would prove little, so we ask a thousand reviews:

# %%
vocabulary = stream.vocabulary
print(vocabulary, vocabulary.itos[:16])
names = data.train.filenames + data.test.filenames
texts = {name: (PATH / name).read_text("utf-8") for name in names}
same = [tokens(text) == vocabulary.split(text) for text in list(texts.values())[:1000]]
print(f"{sum(same):,} of {len(same):,} reviews are cut alike")
assert np.mean(same) > 0.99

# %% [markdown]
# Without the line of `tokens` that turns `<br />` into a space and the curly ’ into a straight one, more
# than half of the real reviews would be cut in another way: real text is never as clean as an example.
# What may still differ is a ’ that stands alone. Now from a text to numbers, and back:

# %%
numbers = vocabulary.encode("The acting was superb, but the zeppelin was not.")
print(numbers)
print(vocabulary.decode(numbers))

# %% [markdown]
# **Pieces of words.** Names, typing errors and languages with long words fill a vocabulary quickly. So
# most models of today use *byte pair encoding* (arXiv:1508.07909): begin with single letters, find
# the pair that stands side by side most often, make it one token, and go on. By hand, on four words
# with their counts:

# %% tags=["nbval-check-output"]
counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
words, merges = {word: list(word) for word in counts}, []
for _ in range(6):
    pairs = {}
    for word, parts in words.items():
        for pair in itertools.pairwise(parts):
            pairs[pair] = pairs.get(pair, 0) + counts[word]
    best = max(pairs, key=pairs.get)
    merges.append(best)
    for word, parts in words.items():
        text = "\0".join(parts).replace("\0".join(best), "".join(best))
        words[word] = text.split("\0")
print(merges, words, sep="\n")

# %% [markdown]
# After a few steps `est` is one token, though nobody told it about endings. Does the library find the
# same? (Where two pairs are equally frequent, each may take either.)

# %%
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

library = Tokenizer(models.BPE())
library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
lines = [" ".join([word] * count) for word, count in counts.items()]
library.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=16, show_progress=False))
print([library.encode(word).tokens for word in counts])

# %% [markdown]
# How long does a review become? The same sentence with vocabularies of three sizes (below some 260
# there are only single letters, since every byte must be written somehow):

# %%
some = [texts[name] for name in data.train.filenames[:2000]]
long_word = "An unforgettably predictable screenplay, and yet charming."
for most in (270, 400, 1000):
    pieces = ck.Vocabulary.learn(some, "subwords", max_size=most)
    print(f"{most:5} tokens: {len(pieces.encode_batch(some)[0]) / len(some):5.0f} a review", end=" ")
    print("|".join(pieces.split(long_word)))

# %% [markdown]
# A larger vocabulary gives shorter texts, and rarer tokens. Anything can be written, even a word that
# was never seen; so there is no `<unk>`. We stay with words here, because you can read them.
#
# **The batch of a language model.** All reviews are joined into one long text, which is cut into rows
# of equal length. A batch is a window that moves along all rows at once. A small one, of 24 words:

# %% tags=["nbval-check-output"]
joined = [f"w{number}" for number in range(25)]
grid = np.array(joined[:24]).reshape(3, 8)
targets = np.array(joined[1:25]).reshape(3, 8)
for start in (0, 4):
    print(pd.DataFrame(grid[:, start : start + 4]).to_string(header=False))
    print("   told to say", targets[:, start : start + 4].tolist(), "\n")

# %% [markdown]
# The target of each word is the word after it. And row by row, the second batch goes on where the
# first one ended: the network can remember what it has read. Nothing is filled up with padding.
# Our real batches, as a table:

# %%
x, y = stream.train.one_batch()
print(stream, tuple(x.shape))
pd.DataFrame([[vocabulary.itos[i] for i in row[:7]] for row in x[:5].tolist()])

# %%
batches = iter(stream.train)
(x, y), (x2, y2) = next(batches), next(batches)
assert torch.equal(x[:, 1:], y[:, :-1])  # the target is the text, one word later
assert torch.equal(y[:, -1], x2[:, 0])  # each row goes on

# %% [markdown]
# ## 4 · What counting words can do
#
# **Naive Bayes.** For each word: how large is its share of all words in good reviews, and in bad ones?
# The logarithm of the ratio is the word's vote. Add up the votes of a review, and you have a
# classifier, without any training loop. (Each count gets 1 added, so that no share is zero.)

# %%
from sklearn.feature_extraction.text import CountVectorizer


def texts_and_labels(part):
    return [texts[name] for name in part.filenames], part.targets.numpy()


reviews, labels = texts_and_labels(data.train)
test_reviews, test_labels = texts_and_labels(data.test)
counter = CountVectorizer(tokenizer=vocabulary.split, token_pattern=None, lowercase=False)
found = counter.fit_transform(reviews)

# %%
sums = np.stack([np.asarray(found[labels == k].sum(0))[0] + 1 for k in (0, 1)])
log_shares = np.log(sums / sums.sum(1, keepdims=True))  # (2 classes, words)
prior = np.log(np.bincount(labels) / len(labels))
scores = counter.transform(test_reviews) @ log_shares.T + prior
by_hand = (scores.argmax(1) == test_labels).mean()
print(f"naive Bayes by hand: {by_hand:.1%} of the test reviews")

# %%
from sklearn.naive_bayes import MultinomialNB

library = MultinomialNB().fit(found, labels)
assert np.allclose(library.feature_log_prob_, log_shares, atol=1e-5)
assert np.allclose(library.predict_joint_log_proba(counter.transform(test_reviews)), scores)
votes = log_shares[1] - log_shares[0]
words = counter.get_feature_names_out()
print("most for it    ", list(words[np.argsort(-votes)[:8]]))
print("most against it", list(words[np.argsort(votes)[:8]]))

# %% [markdown]
# Are these the words that you would have chosen? Now with pairs of neighbours as well ("not good" is
# one of them), with *logistic regression*, which learns the votes; and once with the columns
# multiplied by naive Bayes' votes before (Wang and Manning, 2012). Which one will be the best?

# %%
from sklearn.linear_model import LogisticRegression

pairs = CountVectorizer(
    tokenizer=vocabulary.split, token_pattern=None, lowercase=False, ngram_range=(1, 2)
)
a, b = pairs.fit_transform(reviews) > 0, pairs.transform(test_reviews) > 0
frequencies = [(a[labels == k].sum(0) + 1) / (a[labels == k].sum() + 1) for k in (0, 1)]
ratio = np.asarray(np.log(frequencies[1] / frequencies[0]))[0]
weights = np.clip(np.abs(ratio), 0.1, None) * np.sign(ratio)

# %%
table["always the same answer"] = [max(np.bincount(test_labels)) / len(test_labels)]
table["naive Bayes, words"] = [by_hand]
ways = {"words and pairs": (a, b), "words and pairs, weighted": (a * 1.0, b * 1.0)}
for name, (one, two) in ways.items():
    if "weighted" in name:
        one, two = one.multiply(weights).tocsr(), two.multiply(weights).tocsr()
    model = LogisticRegression(max_iter=1000).fit(one, labels)
    table[f"logistic, {name}"] = [model.score(two, test_labels)]
pd.Series({name: f"{runs[0]:.1%}" for name, runs in table.items()})

# %% [markdown]
# On real reviews counting goes far: the weighted version is a classic that is hard to beat. On the
# sample it cannot, by construction. Here is why. Two reviews of the very same words:

# %% tags=["nbval-check-output"]
one = "The opening was dull, but the ending was superb."
other = "The ending was superb, but the opening was dull."
print(sorted(tokens(one)) == sorted(tokens(other)))

# %% [markdown]
# Whoever counts single words must give them the same verdict, and is wrong once. Pairs of neighbours
# see a little order: "superb ." tells that the praise comes last. But put "all the way" behind both
# adjectives, and the two texts have the very same pairs as well. Order carries meaning. So we need a
# model that reads in order.
#
# ## 5 · The language model, opened
#
# **Perplexity.** Its loss is the cross-entropy that you know from lesson 1, only with as many classes as
# there are words. Perplexity is `exp` of it. How good would simple answers be?

# %%
ids = torch.from_numpy(stream.train.ids[:]).long()
valid_ids = torch.from_numpy(stream.valid.ids[:]).long()
frequency = (torch.bincount(ids, minlength=len(vocabulary)) + 1.0).log()
frequency = frequency - frequency.exp().sum().log()
print(f"all words equally likely: {len(vocabulary):,}")
print(f"as frequent as in the training part: {(-frequency[valid_ids].mean()).exp():.0f}")
measured = language.evaluate()
print(f"our model: {measured['perplexity']:.2f} = exp({measured['loss']:.4f})")
assert abs(np.exp(measured["loss"]) - measured["perplexity"]) < 1e-3 * measured["perplexity"]

# %% [markdown]
# What does it expect after the beginning of a sentence? Say your own next word first.


# %%
@torch.no_grad()
def next_words(numbers, model=language.model):
    model.eval()  # this also makes it forget what it read before
    whole = [vocabulary.stoi["<start>"], *numbers]
    ids = torch.tensor([whole], device=next(model.parameters()).device)
    return model(ids)[0, -1].softmax(0)  # a probability for each word


for text in ("The acting", "There is nothing", "The ending was", "My brother called it"):
    best = next_words(vocabulary.encode(text)).topk(5)
    shown = [f"{vocabulary.itos[i]} {p:.2f}" for p, i in zip(best.values, best.indices)]
    print(f"{text:22}", ", ".join(shown))

# %% [markdown]
# To continue a sentence, draw one of the words by its probability, put it behind, and ask again.
# `temperature` below 1 makes likely words likelier still. (The numbers go round, not the text: a mark
# such as `<cap>` is no text until the word after it has been drawn, and would be lost.)


# %%
def sharpen(p, temperature):
    p = p.cpu() ** (1 / temperature)
    p[: vocabulary.stoi["<start>"] + 1] = 0  # no unknown word, no padding, no new review
    return p / p.sum()


def go_on(text, words=40, temperature=0.8, seed=0):
    rng = torch.Generator().manual_seed(seed)
    numbers = vocabulary.encode(text)
    for _ in range(words):
        p = sharpen(next_words(numbers), temperature)
        numbers.append(torch.multinomial(p, 1, generator=rng).item())
    return vocabulary.decode(numbers)


print(go_on("I saw it"), go_on("The music", seed=1), sep="\n\n")

# %% [markdown]
# Now you. After `There is nothing`, will the most probable word be praise or blame, or neither? Type
# beginnings of your own, take words by the buttons, and watch how sure it is: where the grammar leaves
# one word only, one bar stands out; where a name or an adjective may come, the bars are many and small.
# (Without buttons, change `text=` in the call below and run the cell again.)

# %%
ck.explore.generate(next_words, vocabulary, sharpen, text="There is nothing", count=12)

# %% [markdown]
# Nobody told it what a sentence is. It learned grammar, phrases and what goes with what, because all
# of that helps to tell the next word. How does it do it?
#
# **An LSTM, step by step.** It reads word after word and keeps two vectors: `h`, what it says, and `c`,
# what it remembers. Three gates between 0 and 1 decide what is let in, kept and said:


# %%
def lstm_by_hand(x, w_in, w_state, b_in, b_state):
    h = c = torch.zeros(len(x), w_state.shape[1], device=x.device)
    said = []
    for word in x.unbind(1):  # x is (B, T, inputs)
        gates = word @ w_in.T + b_in + h @ w_state.T + b_state
        let_in, keep, new, say = gates.chunk(4, dim=1)
        c = keep.sigmoid() * c + let_in.sigmoid() * new.tanh()
        h = say.sigmoid() * c.tanh()
        said.append(h)
    return torch.stack(said, 1)


# %%
layer = language.model.encoder.layers[0].eval()
with torch.no_grad():
    vectors = language.model.encoder.embed(x[:2])
    by_hand = lstm_by_hand(vectors, *layer.parameters())
    assert torch.allclose(by_hand, layer(vectors)[0], atol=1e-5)

# %% [markdown]
# **Five dropouts.** A network with a good memory learns its texts by heart. The AWD-LSTM
# (arXiv:1708.02182) drops something in five places, at random, while it trains:
#
# | what | how |
# |---|---|
# | whole words | all places of a word are blank |
# | the input of the first layer | the same features at all times of a row |
# | the weights from state to state | a part of the matrix is zero |
# | what goes from layer to layer | the same features at all times (where there are two layers) |
# | the output | the same features at all times |
#
# "The same at all times" is the point: plain dropout would blank another feature at every word, and
# a memory would forget a little each time. One row, by hand and by the library:

# %%
from coursekit.models.text import variational_dropout

ones = torch.ones(2, 5, 6)
torch.manual_seed(0)
kept = torch.empty(2, 1, 6).bernoulli_(0.5)
dropped = ones * kept / 0.5
print(dropped[0])
torch.manual_seed(0)
assert torch.equal(dropped, variational_dropout(ones, 0.5))

# %% [markdown]
# The kept ones are doubled, so that sums stay the same on average. The weights from state to state,
# in training, with the same dice:

# %%
layer.train()
w_in, w_state, b_in, b_state = (part.detach() for part in layer.parameters())
weight_drop = 0.2 * language.model.encoder.dropout
torch.manual_seed(1)
with torch.no_grad():
    trained = layer(vectors, weight_drop=weight_drop)[0]
torch.manual_seed(1)
by_hand = lstm_by_hand(vectors, w_in, F.dropout(w_state, weight_drop), b_in, b_state)
assert torch.allclose(by_hand, trained, atol=1e-5)
layer.eval()
print(f"{weight_drop:.0%} of {w_state.numel():,} weights are left out in each batch")

# %% [markdown]
# **Tied weights.** The first layer turns a word into a vector, the last one turns a vector into a score
# for each word. One and the same matrix can do both (arXiv:1608.05859). How many weights does that
# save?

# %%
encoder, decoder = language.model.encoder, language.model.decoder
assert decoder.weight is encoder.embedding.weight
whole = sum(part.numel() for part in language.model.parameters())
print(f"{whole:,} weights; untied there would be {whole + decoder.weight.numel():,}")
with torch.no_grad():
    said = encoder(x[:2])[1]
    assert torch.allclose(
        said @ encoder.embedding.weight.T + decoder.bias, decoder(said), atol=1e-4
    )

# %% [markdown]
# **Two penalties and a brake.** Large vectors, and vectors that jump from word to word, are taxed
# (arXiv:1708.01009); `ck.language_learner` adds both to the loss. And a gradient that is longer than
# a limit is shortened, because one bad batch could otherwise throw the weights far away:

# %%
size = said.pow(2).mean()
change = (said[:, 1:] - said[:, :-1]).pow(2).mean()
print(f"added to the loss: 2 x {size:.4f} + 1 x {change:.4f}")
gradient = torch.tensor([3.0, 4.0])
length = gradient.norm()
shortened = gradient * min(1, 0.4 / length)
weight = torch.nn.Parameter(torch.zeros(2))
weight.grad = gradient.clone()
torch.nn.utils.clip_grad_norm_([weight], 0.4)
assert torch.allclose(shortened, weight.grad, atol=1e-5)

# %% [markdown]
# **Which rate?** The sweep of lesson 1 works here as well. Look in the picture for the rate that we used
# (`rate` in section 2): is it below or above the suggestion?

# %%
ck.seed()
sweep = ck.language_learner(stream, **sizes).find_lr(steps=60, lowest=1e-4, highest=3.0)
ck.show_sweep(sweep);

# %% [markdown]
# Ours is lower, to be on the safe side: the encoder will be needed later, and it has to train for three
# epochs without a batch that throws it off. Try the suggestion as an experiment.
#
# ## 6 · From reading to judging
#
# The classifier takes the encoder and looks at *all* the vectors it says, not only the last: a verdict
# may stand anywhere. It joins the last vector, the largest value of each feature, and the mean.
# Reviews are sorted by length, so that those of a batch are nearly as long as each other. The rest is
# filled up with `<pad>`, and this *padding* must not count:


# %%
def pool(vectors, lengths):
    joined = []
    for row, length in zip(vectors, lengths.tolist()):
        inside = row[:length]
        joined.append(torch.cat([inside[-1], inside.amax(0), inside.mean(0)]))
    return torch.stack(joined)


(ids, lengths), verdicts = data.test.one_batch()
with torch.no_grad():
    vectors = learn.model.encoder(ids)[0]
assert torch.allclose(pool(vectors, lengths), ck.concat_pool(vectors, lengths), atol=1e-5)
print(tuple(vectors.shape), "->", tuple(ck.concat_pool(vectors, lengths).shape))

# %% [markdown]
# **Gradual unfreezing.** The head starts from random weights. If everything trained at once, its first
# wild gradients would spoil what the encoder has learned. So `fine_tune` above trains the head alone,
# then one layer more, then all; and the embedding, which holds what is known of each single word, gets
# half the rate of the others. How many weights train in each of the three steps?

# %%
for group, name in ((-1, "head"), (-2, "and the last layer"), (0, "all")):
    learn.freeze_to(group)
    trained = sum(part.numel() for part in learn.model.parameters() if part.requires_grad)
    print(f"{name:20} {trained:10,} weights")

# %% [markdown]
# ## 7 · What was reading worth?
#
# The same network, the same reviews, the same `fine_tune` with its three steps and its rates; but from
# random weights, without a language model before. What do you expect: nothing lost, ten points, all?

# %%
new = {name: value for name, value in sizes.items() if name != "dropout"}


def trained(seed, encoder, name):
    ck.seed(seed)
    shape = new if encoder == "lstm" else None
    learner = ck.text_learner(data, encoder, sizes=shape, dropout=0.2)
    fine_tune(learner, f"{name} {seed}")
    return learner


# %%
# %%capture
scratch = [trained(seed, "lstm", "from nothing") for seed in (1, 2, 3)]
read = [learn] + [trained(seed, language, "after reading") for seed in (1, 2)]

# %%
for name, learners in {"from nothing": scratch, "after reading": read}.items():
    table[name] = [learner.evaluate(data.test)["accuracy"] for learner in learners]
    mean, std = np.mean(table[name]), np.std(table[name])
    print(f"{name:14} {mean:.3f} ± {std:.3f}", np.round(table[name], 3))

# %% [markdown]
# The only difference is what the encoder had read before, without any label. Look at the single runs
# and not at the means alone: from nothing one run may do as well as those that had read, and another
# one falls far behind; after reading all of them do well. (All three share one language model, so their
# spread is that of the second part only; a test of the course trains three language models.) Reading is
# cheap, labels are dear: that is the idea behind the large language models of today.
#
# Is this fair to the one that starts from nothing? There is nothing that gradual unfreezing could
# spare. Give it another schedule, all layers for eight epochs at half the rate:
# `ck.text_learner(data, "lstm", sizes=new, dropout=0.2).fit(8, rate / 2)`.
#
# How did the two learn? Read both curves: which one starts lower, and which one ends lower?

# %%
ck.show_histories(
    {"from nothing": scratch[0].history, "after reading": read[1].history}, value="valid_loss"
);

# %% [markdown]
# (Both curves begin after the two short fits of head and last layer.)
#
# ## 8 · Backwards as well
#
# A text can also be read from its end. A second language model does so, and a second classifier on top
# of it. Their probabilities are averaged. Both have read the same reviews: can two be better than one?

# %%
how = {"batch_size": rows, "seq_len": steps, "vocabulary": vocabulary}
stream_back = ck.language(PATH, **how, backward=True)
language_back = ck.language_learner(stream_back, **sizes)
told_back = language_back.fit(3, lr=rate, name="language, backward")
print(vocabulary.decode(stream_back.train.one_batch()[0][0][:20]))

# %%
data_back = ck.text(PATH, vocabulary=vocabulary, batch_size=batch, backward=True)
learn_back = ck.text_learner(data_back, language_back, dropout=0.2)
fine_tune(learn_back, "classifier, backward");

# %%
forward, backward = learn.predict(data.test), learn_back.predict(data_back.test)
assert data.test.filenames == data_back.test.filenames
both = (forward.probabilities + backward.probabilities) / 2
truth = forward.targets
for name, probabilities in {"backward": backward.probabilities, "both averaged": both}.items():
    table[name] = [(probabilities.argmax(1) == truth).float().mean().item()]
    print(f"{name:14} {table[name][0]:.3f}")
differ = (forward.probabilities.argmax(1) != backward.probabilities.argmax(1)).sum().item()
print(f"forward and backward disagree on {differ} of {len(truth):,} reviews")

# %% [markdown]
# Averaging two models helps where they make different mistakes and are about equally good. Compare the
# average with the *better* of the two, not with the first one. On the sample it does not have to win:
# these are single runs, a few of a thousand reviews make a difference of some thousandths, and above
# you saw how far three seeds lie apart.

# %% [markdown]
# ## 9 · A small transformer
#
# An LSTM carries what it has read along, word by word. A *transformer* (arXiv:1706.03762) lets every
# word look at every other one directly. You will build one in lesson 6; here a small one takes the
# place of the encoder, from random weights, in the same table. It has places for 512 tokens, so of a
# longer review it gets the last 512.

# %%
ck.seed()
shape = ck.by_edition(
    PATH, full={"embedding_dim": 128, "n_layers": 2}, sample={"embedding_dim": 64, "n_layers": 1}
)
cut = ck.text(PATH, vocabulary=vocabulary, batch_size=batch, max_length=512)
attentive = ck.text_learner(cut, "transformer", sizes=shape)
attentive.fit(8, rate / 5, name="transformer")
table["transformer, from nothing"] = [attentive.evaluate(cut.test)["accuracy"]]
print(f"{table['transformer, from nothing'][0]:.3f}")

# %% [markdown]
# It is compared with the LSTM that also started from nothing: neither had read before. Transformers
# know nothing of order by themselves and have to learn even that from the labelled reviews, of which
# there are few; that is why they are nearly always trained on large unlabelled texts first.
#
# ## 10 · Which words moved the verdict?
#
# **Gradient times input.** If the vector of a word were a little larger, how would the verdict change?
# That is a gradient. Times the vector itself, it says how much the word as a whole contributed. Blue
# words speak for a good film, orange and underlined ones against it; the strongest tenth of the words
# has the full colour, whatever its value:


# %%
def contributions(text, learner=learn):
    ids, lengths = vocabulary.padded_batch([text])
    model = learner.model.eval()
    vectors = model.encoder.embed(ids).detach().requires_grad_()
    with torch.backends.cudnn.flags(enabled=False):  # cuDNN has gradients in training only
        scores = model(ids, lengths, vectors=vectors)[0]
        (gradient,) = torch.autograd.grad(scores[1] - scores[0], vectors)
    words = [vocabulary.itos[number] for number in ids[0].tolist()]
    return words, (gradient * vectors)[0].sum(1).detach().cpu()


mixed = "The opening was hopelessly dull, but the ending was superb and took my breath away."
ck.show_text(*contributions(mixed), title="gradient times input: blue speaks for a good film");

# %% [markdown]
# **Leave one out.** A second way, slower and easier to believe: remove one word, and see how much the
# verdict changes.


# %%
@torch.no_grad()
def without_each(text, learner=learn):
    ids, lengths = vocabulary.padded_batch([text])
    model, count = learner.model.eval(), ids.shape[1]
    shorter = torch.stack([torch.cat([ids[0, :i], ids[0, i + 1 :]]) for i in range(count)])
    verdicts = model(shorter, (lengths - 1).expand(count))
    whole = model(ids, lengths)
    difference = (whole - verdicts)[:, 1] - (whole - verdicts)[:, 0]
    return [vocabulary.itos[number] for number in ids[0].tolist()], difference.cpu()


ck.show_text(*without_each(mixed), title="leave one out: blue speaks for a good film");

# %% [markdown]
# Do the two agree? They ask different questions, so they need not; where both point at a word, you may
# trust it more. What does the verdict hang on, single strong words, or also on `but`? And do commas and
# full stops light up? An LSTM carries along what it has read, and the sign that ends a clause is where
# it may settle its opinion of the whole clause. So the colours show where the network *decides*, which
# need not be where a person would look for the reason. Take them as a hint, not as an explanation.
#
# **Is "not" understood?** A test that anyone can write down: pairs of short reviews that differ in one
# clause, once plain, once negated. Both verdicts have to be right. A coin gets a quarter of the pairs.


# %%
@torch.no_grad()
def verdict(reviews, learner=learn):
    learner.model.eval()
    return learner.model(*vocabulary.padded_batch(reviews)).softmax(1)[:, 1].cpu().numpy()


# %%
good = ["superb", "moving", "gripping", "clever", "funny", "brilliant", "charming", "memorable"]
bad = ["dull", "boring", "tedious", "predictable", "weak", "silly", "flat", "pointless"]
frames = [
    "Nobody could call the story {}.",
    "The story was anything but {}.",
    "There is nothing {} about the story.",
    "I would never call the story {}.",
]
around = "I saw it at a small cinema in town. {}"  # a beginning as reviews have it, then the clause
means = np.array([True] * len(good) + [False] * len(bad))  # of the plain clause
plain = [around.format(f"The story was {word} from beginning to end.") for word in good + bad]


# %%
def by_counting(reviews):
    return library.predict_proba(counter.transform(reviews))[:, 1]


both_right = {}
for frame in frames:
    negated = [around.format(frame.format(word)) for word in good + bad]
    for name, says in {"our model": verdict, "naive Bayes": by_counting}.items():
        right = ((says(plain) > 0.5) == means) & ((says(negated) > 0.5) != means)
        both_right[frame, name] = right.mean()
pd.Series(both_right).unstack().map("{:.0%}".format)

# %% [markdown]
# Each line says in what share of sixteen pairs both were right. Naive Bayes adds the votes of all words,
# so a negation would have to outvote the word itself. For the network the phrases are not alike: some it
# reads rightly in most pairs. A share near one half means something else: the plain reviews are all
# right, and the negated ones get one and the same verdict, whatever the word. It takes the phrase as a
# sign of something, and does not turn what stands in it. To see that, print
# `verdict([around.format(frames[1].format(word)) for word in good + bad])`.
#
# Change `around` as well: end it with `" It was shot in black and white."`, a sentence that neither
# praises nor blames and that no review of the sample ends with. A good number on a test set holds for texts like
# those of the test set; what lies beside them has to be tested by itself, as here.
#
# **Which ways of speaking are hard?** The sample also tells what each review does (in `truth`, which no
# model has seen). A review has two or three opinions, and counts once for each of them. Which kind will be the hardest for counting, which one for the network?

# %%
known = PATH / "truth" / "reviews.csv"  # of the sample alone: nobody wrote it down for IMDb
if known.is_file():
    turns = pd.read_csv(known, index_col="review")["turns"].str.split()
    kinds = pd.DataFrame({"turn": turns[[n.replace("\\", "/") for n in data.test.filenames]]})
    kinds["our model"] = (forward.probabilities.argmax(1) == truth).tolist()
    kinds["naive Bayes"] = ((by_counting(test_reviews) > 0.5) == test_labels).tolist()
    by_turn = kinds.explode("turn").groupby("turn")
    correct = by_turn[["our model", "naive Bayes"]].mean().astype(float)
    print(correct.assign(opinions=by_turn.size()).sort_values("our model").round(2).to_string())

# %% [markdown]
# Where the words say the opposite of what is meant, counting falls close to a coin; the network loses far
# less.
# What is quoted, negated or meant as irony is still harder for it than what is said plainly.
#
# **The most wrong reviews.** Which test reviews was it surest of, and wrong?

# %%
worst = forward.losses.argsort(descending=True)[:3].tolist()
for row in worst:
    name, probability = data.test.filenames[row], forward.probabilities[row, 1]
    print(f"{name}, probability of a good film {probability:.3f}\n{texts[name][-600:]}\n")

# %%
hardest = forward.losses.argsort(descending=True).tolist()
names = [data.test.filenames[row] for row in hardest]
short = next(name for name in names if len(texts[name]) < 900)
ck.show_text(*contributions(texts[short]), title=short);

# %% [markdown]
# Read them in full before you blame the model. Would you have known?
#
# ## 11 · Type a review
#
# Save the classifier, read it back, and give it a text of your own. Forward and backward model together:

# %%
models = PATH.parent.parent / "models"
learn.save(models / "lesson4-reviews.safetensors")
again = ck.text_learner(data, "lstm", sizes=new)
again.load(models / "lesson4-reviews.safetensors")


@torch.no_grad()
def judge(review):
    ahead = again.model.eval()(*vocabulary.padded_batch([review])).softmax(1)
    back = learn_back.model.eval()(*vocabulary.padded_batch([review], backward=True)).softmax(1)
    return ((ahead + back) / 2)[0, 1].item()  # probability of a good film


# %%
for review in (
    "The plot was clever, but the acting was painfully dull.",
    "The acting was painfully dull, but the plot was clever.",
    "My aunt called it a masterpiece, and I cannot agree.",
    "There is nothing boring about the chase.",
):
    probability = judge(review)
    word = "unsure" if abs(probability - 0.5) < 0.1 else "good" if probability > 0.5 else "bad"
    print(f"{probability:.3f} {word:6} {review}")

# %% [markdown]
# Do not round a probability near a half to "good" or "bad": the model is telling you that it does not
# know. The first two have the same words, and a person tells them apart at once. A single sentence is
# not what it was trained on; put a second opinion into the same review and it grows surer.
#
# Type a review of your own, and another version of it beside. We begin with a plain one and a negated
# one: will the verdict turn, and which words will be blue, which orange? Then put a `not` behind the `was`
# of the plain one, and write that beside it. Will that turn it as well? (The
# colours are gradient times input of the forward model, the probability is that of both. Without a text field, call
# `judge("...")`, or give other texts below.)


# %%
def with_colours(review):
    return judge(review), *contributions(review, again)


first = "I saw it at a small cinema in town. "
one, other = "The story was superb from beginning to end.", "Nobody could call the story superb."
ck.explore.review(with_colours, text=first + one, beside=first + other)

# %% [markdown]
# A model knows the negations that it has read, and the reviews of the sample never put `not` right before
# the word. Which other phrases turn the verdict, and which do not?
#
# ## 12 · What goes wrong
#
# **A wrong rate.** The same fine-tuning, all layers at once, with a rate that is far too high and with
# one that is far too low. Which one forgets what was read?

# %%
tried = {}
for label, lr in {"far too high": 50 * rate, "as above": rate, "far too low": rate / 500}.items():
    ck.seed(0)
    learner = ck.text_learner(data, language, dropout=0.2)
    learner.unfreeze()
    tried[label] = learner.fit(3, lr, name=f"rate {label}")

# %%
ck.show_histories(tried, value="train_loss");

# %% [markdown]
# Far too high: the loss jumps, and what was read is thrown away. Far too low: in three epochs next to
# nothing has changed.
#
# **Too many epochs.** 150 reviews, twenty epochs, from nothing. How will the two curves part?

# %%
# %%capture
some_rows = np.random.default_rng(0).permutation(data.train.num_examples)[:150]
part = data.train.subset(some_rows)
few = data.replace(train=part)
ck.seed(0)
crammer = ck.text_learner(few, "lstm", sizes=new, dropout=0.2)
crammed = crammer.fit(20, rate / 2, name="too many epochs")

# %%
ck.show_history(crammed)
for name, part in {"the 150 it has learned from": few.train, "test": data.test}.items():
    print(f"{name:28} {crammer.evaluate(part)['accuracy']:.1%} right")

# %% [markdown]
# It has learned its reviews by heart, down to a loss of nearly nothing, and knows little of others. More
# epochs make it surer of itself, also where it is wrong: that is why the validation *loss* can climb
# while the accuracy beside it does not fall. Fewer epochs, more dropout, more reviews, or an encoder that has read.
#
# **Padding that counts.** Forget the lengths, and the mean is taken over padding as well; short reviews
# among long ones suffer most. The trained classifier, once with the true lengths, once as if every
# review of a batch were as long as the longest of 256:

# %%
wide = ck.text(PATH, vocabulary=vocabulary, batch_size=256).test
mixed_up = wide.subset(np.random.default_rng(0).permutation(wide.num_examples))
right = {"true lengths": 0, "padding counts": 0}
with torch.no_grad():
    for (ids, lengths), targets in mixed_up:
        longest = torch.full_like(lengths, ids.shape[1])
        for name, given in {"true lengths": lengths, "padding counts": longest}.items():
            right[name] += (learn.model(ids, given).argmax(1) == targets).sum().item()
print({name: f"{count / wide.num_examples:.1%}" for name, count in right.items()})

# %% [markdown]
# Nothing crashed, no message appeared; only the number is lower. Mistakes of this kind are found by
# checks like the `assert` under `pool`.
#
# **A leak.** Suppose that whoever gathered the reviews left the rating in the text: "My rating: 8 of
# 10". Nothing looks wrong; even counting words becomes a wonder. What will it be worth for reviews that
# come without a rating?

# %%
def with_rating(part):
    names = part.filenames[:2000]  # the number behind the underscore, such as pos/17_8.txt
    return [f"{texts[name]} My rating: {name[:-4].split('_')[-1]} of 10." for name in names]


leaky = CountVectorizer(tokenizer=vocabulary.split, token_pattern=None, lowercase=False)
leaking = LogisticRegression(max_iter=1000)
leaking.fit(leaky.fit_transform(with_rating(data.train)), labels[:2000])
for name, given in {"with": with_rating(data.test), "without": test_reviews[:2000]}.items():
    reached = leaking.score(leaky.transform(given), test_labels[:2000])
    print(f"test reviews {name:8} a rating: {reached:.1%} right")

# %% [markdown]
# The number explains everything, so the other words hardly got a vote. A result that is too good
# is a reason to look at the data: which words have the largest weights?
#
# ## 13 · One table
#
# All that was tried, on the same test reviews. The language models have a perplexity as well:

# %%
perplexities = {"after reading": told[-1], "backward": told_back[-1]}
result = pd.DataFrame(
    {
        "mean": {name: np.mean(runs) for name, runs in table.items()},
        "std": {name: f"± {np.std(runs):.3f}" for name, runs in table.items() if len(runs) > 1},
        "runs": {name: len(runs) for name, runs in table.items()},
        "perplexity": {name: f"{row['perplexity']:.2f}" for name, row in perplexities.items()},
    }
)
result.sort_values("mean").round(3).fillna("-")

# %% [markdown]
# `mean` is the share of the test reviews that are judged rightly. A dash means: one run, so no spread is
# known, or no language model. Single runs that lie closer than a spread of the others cannot be told
# apart.
#
# Published marks for all of IMDb: 0.866 for naive Bayes on words and pairs, 0.912 for a linear model on
# the counts weighted by its votes (Wang and Manning, 2012), 0.954 for two language models turned
# classifiers, forward and backward, averaged (arXiv:1801.06146).
#
# ## 14 · Before you go on
#
# **Exercises.** Write your answer in place of the dots and run the cell: `ck.check` says whether it is
# right, or what is off. `ck.hint("4.1")` gives a hint, `ck.solution("4.1")` a solution.

# %% exercise="4.1"

# %% exercise="4.2"

# %% exercise="4.3"

# %% exercise="4.4"

# %% exercise="4.5"

# %% exercise="4.6"

# %% [markdown]
# **Do you know it?** A mouse or the keyboard will do.

# %% quiz="4"

# %% [markdown]
# **On your own data.** `ck.text(my_texts, labels=my_labels)` takes a list of texts and a list of their
# labels: mails and their folders, tickets and their teams. If you have many texts without a label,
# start with `ck.language(all_my_texts)`. Here our encoder reads a few sentences that are new to it:

# %%
mine = [f"The {thing} was {word}." for thing in ("plot", "cast", "music") for word in good + bad]
mine_labels = ["praise" if any(word in text for word in good) else "blame" for text in mine]
my_data = ck.text(mine, labels=mine_labels, vocabulary=vocabulary, batch_size=8, valid=0.25)
my_learn = ck.text_learner(my_data, language, dropout=0.2)
fine_tune(my_learn, "mine");

# %%
ck.progress();

# %% [markdown]
# ## Sources
#
# * The reviews: Maas, Daly, Pham, Huang, Ng and Potts (2011), *Learning Word Vectors for Sentiment
#   Analysis*. The sample edition is made by a grammar that comes with the course.
# * Language model, then classifier: Howard and Ruder (2018), arXiv:1801.06146. AWD-LSTM: Merity,
#   Keskar and Socher (2017), arXiv:1708.02182; penalties: arXiv:1708.01009; tied weights: Press and
#   Wolf, arXiv:1608.05859; dropout that stays the same: Gal and Ghahramani, arXiv:1512.05287.
# * Naive Bayes' votes as weights: Wang and Manning (2012), *Baselines and Bigrams*. Byte pair encoding:
#   Sennrich, Haddow and Birch, arXiv:1508.07909. Transformer: Vaswani and others, arXiv:1706.03762.
