"""The sample edition of ml-latest-small: invented films, and raters whose tastes are known.

``ratings.csv`` and ``movies.csv`` lie as in the published set, CRLF line ends included. Beside
them, ``truth`` holds what made the ratings:

    films.csv    movieId, quality, slope (change over the whole span of time), appeal (how often it
                 is watched), then its place on each of the four TASTES.
    raters.csv   userId, bias, slope, then how much the rater cares for each of the four TASTES.
    ratings.csv  one row a rating, in the same order: the mood of that evening, the rating before
                 noise, and the mean that its noise, rounding and range leave, the best prediction.
    world.json   mean, noise and other numbers of the whole world.
"""

import json
import math
from pathlib import Path

import numpy as np

from worlds.files import write_table

RATERS, FILMS, RATINGS = 700, 800, 105_000
TASTES = ("pace", "lightness", "imagination", "tenderness")
WORLD = {"mean": 3.1, "noise": 0.7, "mood": 0.08, "trend": 0.15, "first": 1_483_228_800}
YEARS = 8  # from the first rating, in January 2017, to the last; all films are older
SECONDS = YEARS * 365 * 86_400

# How fast, light, imagined and tender the films of a genre are, and how many begin with it.
GENRES = {
    "Action": (1.0, 0.0, 0.2, -0.6, 10),
    "Adventure": (0.8, 0.4, 0.6, 0.0, 7),
    "Animation": (0.2, 0.9, 0.9, 0.5, 5),
    "Children": (0.1, 1.0, 0.5, 0.7, 5),
    "Comedy": (0.0, 1.1, -0.4, 0.1, 17),
    "Crime": (0.3, -0.7, -0.6, -0.5, 8),
    "Documentary": (-1.0, 0.0, -1.2, -0.2, 4),
    "Drama": (-0.9, -0.5, -0.6, 0.5, 19),
    "Fantasy": (0.2, 0.2, 1.3, 0.3, 5),
    "Horror": (0.5, -1.2, 0.6, -0.4, 6),
    "Romance": (-0.6, 0.5, -0.4, 1.2, 8),
    "Sci-Fi": (0.5, -0.3, 1.2, -0.5, 6),
    "Thriller": (0.7, -0.8, -0.2, -0.3, 8),
}


def _words(text):
    return text.split()


# {p} becomes an invented place, {n} an invented family name: every title holds one of them.
PLACES = _words(
    "Abberwick Ardenholt Brennoway Brindlemoor Calderquay Corvane Dunmarrow Eskerby "
    "Fallowmere Farnwhistle Glimmerfold Greywater Harrowick Hollenbay Inverlune "
    "Kestrelby Lantern-on-Sea Lowmarsh Marrowgate Merrowdale Nettlecombe Norrholm "
    "Orrimund Pellgrave Quillhaven Ravenstoke Saltmarrow Skelda Thistledown Umberleigh "
    "Velmora Wexcombe Winterbourne-Ash Yarrowfield"
)
NAMES = _words(
    "Abernale Ambrell Bellweather Brackenby Castellane Corrigold Dapplewood Delacroft "
    "Ellingsby Everdine Fennimott Garriwick Halvorane Hathersedge Inglebright Jessamore "
    "Kettleborn Larkspurre Lindqvale Montebrook Nightingall Oakenthwaite Pemberwell "
    "Quennelby Rosenquill Sandoval-Reed Tarrington Underhay Vantongeld Wetherspur "
    "Yellowlees Zimmerhay"
)
TITLES = {
    "Action": "Strike at {p}|The {n} Protocol|Full Throttle to {p}|{n} Fires Back|The Siege of {p}",
    "Adventure": "The Treasure of {p}|{n} Goes North|The Long Way to {p}|Beyond the {p} Pass|"
    "The Map of Captain {n}",
    "Animation": "The Fox of {p}|Little {n}|The Mice of {p} Mill|A Balloon over {p}",
    "Children": "The Secret Den at {p}|Grandpa {n} Can Fly|The {p} Puppy Club|A Pony for Miss {n}",
    "Comedy": "The {n} Wedding|Two Tickets to {p}|Oh, Mr. {n}!|My Other Cousin {n}|"
    "Nobody Told the {n}s|Upside Down in {p}|The Worst Hotel in {p}",
    "Crime": "The {n} Ledger|A Quiet Job in {p}|The Forger of {p}|Inspector {n}|Small Debts, {p}",
    "Documentary": "{p}: A Year on the Moor|The Bees of {p}|The Bridge at {p}|Who Was Ada {n}?",
    "Drama": "A Winter in {p}|The Daughters of {n}|Letters to {n}|The Orchards of {p}|"
    "What the {n}s Kept|The Ferryman of {p}|Leaving {p}|The Silence of Mrs. {n}",
    "Fantasy": "The Dragon of {p}|The Glass Crown of {p}|{n} and the Moon Door|The Witch of {p}",
    "Horror": "Nobody Sleeps in {p}|The {n} House|What Came to {p}|The Well at {p}",
    "Romance": "Dancing with {n}|A Summer in {p}|Love, {n}|The Baker of {p}|Yours Always, {n}",
    "Sci-Fi": "{p} Station|The Last Signal from {p}|Doctor {n}'s Orbit|The {n} Engine|Below {p}",
    "Thriller": "The {n} Tapes|No Road out of {p}|The Witness from {p}|Eleven Hours in {p}|"
    "The Second Mrs. {n}",
}


def build(folder, *, seed=0, raters=RATERS, films=FILMS, ratings=RATINGS):
    """Build the set into ``folder``; the same seed gives the same bytes.

    Args:
        seed: another seed, other films, tastes and ratings.
        raters, films: how many there are.
        ratings: about how many there are; nobody gives fewer than twenty.
    """
    rng = np.random.default_rng([seed, 5])
    film = make_films(rng, films)
    rater = make_raters(rng, raters)
    rows = choose(rng, film, rater, ratings)
    _write(Path(folder), film, rater, rate(rng, film, rater, rows))


def make_films(rng, count):
    """Make a dict of arrays, one row a film: title, genres, year, quality, slope, taste ..."""
    names = list(GENRES)
    table = np.array(list(GENRES.values()))
    first = rng.choice(len(names), count, p=table[:, 4] / table[:, 4].sum())
    genres, place = [], np.zeros((count, len(TASTES)))
    for number, genre in enumerate(first):
        alike = np.exp(1.5 * table[:, :4] @ table[genre, :4])
        alike[genre] = 0
        more = rng.choice(len(names), rng.integers(0, 3), replace=False, p=alike / alike.sum())
        mine = [genre, *more]
        genres.append("|".join(sorted(names[one] for one in mine)))
        place[number] = table[mine, :4].mean(0)
    place = place + 0.45 * rng.standard_normal(place.shape)
    place = (place - place.mean(0)) / place.std(0)
    quality = 0.42 * rng.standard_normal(count)
    rank = rng.permutation(count)  # a long tail: few films that all have seen
    appeal = 1.2 * quality - 0.8 * np.log(rank + 15) - 4 * (rank / count) ** 3
    years = 2016 - np.floor(rng.gamma(1.4, 12.0, count)).astype(int)
    return {
        "id": np.sort(rng.choice(np.arange(1, 4 * count), count, replace=False)),
        "title": _titles(rng, [names[one] for one in first], years),
        "genres": genres,
        "year": years,
        "quality": quality,
        "slope": 0.3 * rng.standard_normal(count),
        "appeal": appeal - appeal.mean(),
        "tastes": place,
    }


def _titles(rng, genres, years):
    """Invent one title a film, no two alike; an article stands behind, as in the published set."""
    taken, titles = set(), []
    for genre, year in zip(genres, years, strict=True):
        while True:
            title = rng.choice(TITLES[genre].split("|"))
            title = title.format(p=rng.choice(PLACES), n=rng.choice(NAMES))
            if title not in taken:
                break
        taken.add(title)
        article, _, rest = title.partition(" ")
        title = f"{rest}, {article}" if article in ("The", "A") else title
        titles.append(f"{title} ({year})")
    return titles


def make_raters(rng, count):
    """Make a dict of arrays, one row a rater: bias, slope, tastes, time and number of ratings."""
    return {
        "id": np.arange(1, count + 1),
        "bias": 0.38 * rng.standard_normal(count),
        "slope": 0.45 * rng.standard_normal(count),
        "tastes": 0.38 * rng.standard_normal((count, len(TASTES))),
        "begin": rng.beta(1.0, 1.4, count) * 0.92,
        "stay": 0.03 + rng.gamma(1.2, 0.25, count),
        "share": rng.lognormal(0, 0.75, count),
    }


def choose(rng, film, rater, ratings):
    """Make a dict of arrays, one row a rating, by rater: who, what, when (0..1), which evening.

    People watch what is popular and what they like; nobody rates a film twice.
    """
    who, what, when, evening = [], [], [], []
    room = len(film["id"]) // 2
    counts = rater["share"] / rater["share"].sum() * (ratings - 20 * len(rater["id"]))
    counts = np.minimum(20 + np.maximum(counts, 0).astype(int), room)
    for number, count in enumerate(counts):
        wish = film["appeal"] + film["tastes"] @ rater["tastes"][number]
        wish = wish + rng.gumbel(size=len(wish))
        seen = np.argsort(-wish, kind="stable")[:count]
        evenings = 1 + count // 12
        end = min(1.0, rater["begin"][number] + rater["stay"][number])
        times = np.sort(rng.uniform(rater["begin"][number], end, evenings))
        nights = rng.integers(0, evenings, count)
        who += [number] * count
        what += rng.permutation(seen).tolist()
        when += (times[nights] + rng.uniform(0, 3 * 3600, count) / SECONDS).clip(0, 1).tolist()
        evening += (len(evening) + nights).tolist()
    return {
        name: np.array(values)
        for name, values in zip(
            ("who", "what", "when", "evening"), (who, what, when, evening), strict=True
        )
    }


def rate(rng, film, rater, rows):
    """Add to ``rows`` the mood, the opinion before noise, its mean after rounding, the rating."""
    who, what, when = rows["who"], rows["what"], rows["when"] - 0.5
    mood = WORLD["mood"] * rng.standard_normal(rows["evening"].max() + 1)[rows["evening"]]
    opinion = (
        WORLD["mean"]
        + WORLD["trend"] * when
        + rater["bias"][who]
        + rater["slope"][who] * when
        + film["quality"][what]
        + film["slope"][what] * when
        + (rater["tastes"][who] * film["tastes"][what]).sum(1)
        + mood
    )
    said = opinion + WORLD["noise"] * rng.standard_normal(len(opinion))
    given = np.clip(np.round(2 * said) / 2, 0.5, 5.0)
    return rows | {"mood": mood, "opinion": opinion, "best": mean_rating(opinion), "rating": given}


def mean_rating(opinion, noise=WORLD["noise"]):
    """Mean rating, in half stars from 0.5 to 5, of somebody with this ``opinion``."""
    opinion = np.asarray(opinion, float)
    mean = np.full(opinion.shape, 0.5)
    for border in np.arange(0.75, 5.0, 0.5):  # half a star more where the noisy opinion passes it
        z = (opinion - border) / (noise * math.sqrt(2))
        mean += 0.25 * (1 + _erf(z))
    return mean


def _erf(z):
    return np.vectorize(math.erf)(z)


def _write(folder, film, rater, rows):
    """Write the published tables, by rater and film, and the truth beside them."""
    order = np.lexsort((film["id"][rows["what"]], rows["who"]))
    rows = {name: values[order] for name, values in rows.items()}
    users, items = rater["id"][rows["who"]], film["id"][rows["what"]]
    seconds = (WORLD["first"] + rows["when"] * SECONDS).astype(int)
    truth, tastes, end = folder / "truth", film["tastes"].T, "\r\n"
    films = zip(film["id"], film["quality"], film["slope"], film["appeal"], *tastes, strict=True)
    write_table(
        truth / "films.csv", ["movieId", "quality", "slope", "appeal", *TASTES], films, end=end
    )
    raters = zip(rater["id"], rater["bias"], rater["slope"], *rater["tastes"].T, strict=True)
    write_table(truth / "raters.csv", ["userId", "bias", "slope", *TASTES], raters, end=end)
    made = zip(rows["mood"], rows["opinion"], rows["best"], strict=True)
    write_table(truth / "ratings.csv", ["mood", "opinion", "best"], made, end=end)
    (truth / "world.json").write_text(json.dumps(WORLD | {"seconds": SECONDS}), "utf-8")
    movies = zip(film["id"], film["title"], film["genres"], strict=True)
    write_table(folder / "movies.csv", ["movieId", "title", "genres"], movies, end=end)
    stars = [f"{value:.1f}" for value in rows["rating"]]
    ratings = zip(users, items, stars, seconds, strict=True)
    header = ["userId", "movieId", "rating", "timestamp"]
    write_table(folder / "ratings.csv", header, ratings, end=end)
