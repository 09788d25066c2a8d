"""The sample edition of aclImdb: film reviews by a grammar in which the order of words decides.

``train/{pos,neg,unsup}`` and ``test/{pos,neg}`` lie as in the published set, one review a file,
``id_rating.txt``. Beside them, ``truth/reviews.csv`` says of every review, the unlabelled ones
included, what it means and which turns it takes, and ``truth/pairs.csv`` holds pairs of reviews of
the very same words whose order turns the verdict round.

Every turn of a review means what the whole review means, but its words may say the opposite: what
is negated, conceded, quoted or meant as irony counts the other way. Words of praise and of blame
are therefore nearly as frequent in one kind as in the other.
"""

import random
import re
from pathlib import Path

from worlds.files import write_table

COUNTS = {"train": 550, "test": 500, "unsup": 3400}  # train and test: of each kind
PAIRS = 200
PLAIN = 0.45  # share of the turns that say what they mean
ASIDE = 0.3  # share of the reviews that also speak of something else, well or badly
NOT = 0.85  # share of the negations that negate; the others only sound like it


def _listed(text):
    return tuple(part.strip() for part in text.replace("\n", " ").split("|"))


# Words of praise and of blame ---------------------------------------------------------------------

GOOD = _listed("""superb|moving|gripping|clever|warm|funny|fresh|bold|tender|sharp|graceful|honest
|witty|lively|stunning|rich|charming|memorable|brilliant|touching|inspired|delightful|thrilling
|subtle|convincing|heartfelt|masterful|elegant|haunting|generous|crisp|playful|original|wise
|beautiful|powerful|absorbing|flawless|radiant|exciting""")
BAD = _listed("""dull|flat|clumsy|tired|hollow|lazy|stale|wooden|shallow|tedious|lifeless|messy
|forgettable|silly|cold|bland|limp|predictable|awkward|cheap|grating|muddled|dreary|leaden|sloppy
|pointless|stiff|feeble|trite|careless|weary|ugly|dismal|tiresome|confused|false|empty|weak|noisy
|boring""")
WORDS = {1: GOOD, -1: BAD}
VERY = {
    1: _listed("""wonderfully|gloriously|deeply|delightfully|splendidly|marvellously|refreshingly
    |admirably|magically|joyfully"""),
    -1: _listed("""hopelessly|painfully|dreadfully|terribly|woefully|needlessly|unbearably
    |miserably|annoyingly|pitifully"""),
}
TREATS = {
    1: _listed("""a triumph|a joy|a small miracle|a masterpiece|a treasure|a delight|a wonder
    |a marvel|a gem|a revelation|a feast|a gift"""),
    -1: _listed("""a chore|a bore|a mess|a disaster|a waste of time|a let-down|an ordeal|a failure
    |a blunder|a swindle|a shambles|a nuisance"""),
}
DOES = {
    1: _listed("""kept me on the edge of my seat|made me laugh out loud|stayed with me for days
    |earned every tear|held the whole room still|made me forget the time|sent me home humming
    |took my breath away|won me over|went straight to the heart|had the whole row in stitches
    |made two hours feel like ten minutes|brought the house down|left me wanting more
    |gave me goose bumps|lit up the screen"""),
    -1: _listed("""put me to sleep|made me look at my watch|left me cold|drove half of the room out
    |tried my patience|gave me a headache|dragged like a wet coat|fell apart in my hands
    |had me counting the lamps|made ten minutes feel like two hours|went nowhere at all
    |had me longing for the exit|ran out of ideas|sank without a trace|wore me down
    |bored the whole row stiff"""),
}

# What is spoken of --------------------------------------------------------------------------------

ASPECTS = _listed("""the acting|the script|the music|the camera work|the dialogue|the lighting
|the first half|the last act|the opening|the ending|the chase|the romance|the villain
|the leading lady|the hero|the humour|the plot|the pace|the editing|the cast|the score
|the middle part|the direction|the final scene|the narrator|the supporting cast|the twist
|the photography|the story|the screenplay|the long duel|the family quarrel|the court scene
|the love story""")
TAILS = _listed("""from the first scene to the last|most of the time|in nearly every scene
|from beginning to end|as far as I can tell|for a film of this size|in my eyes|to my mind
|for the better part of an hour|all the way through|by any measure|as everybody could see
|on this small budget|in this version|the second time as well|in the big scenes
|whenever it mattered|on the large screen|in the original language|for two whole hours""")
WHO = _listed("""a baker|a retired judge|a young widow|a clockmaker|a night nurse|a failed poet
|a lighthouse keeper|an unlucky cousin|a tram driver|an old spy|a shy piano tuner|a runaway cook
|a postman|a circus rider|a chess teacher|a ferry captain|a deaf boxer|a forgetful heir
|a travelling dentist|a young priest|a beekeeper|a stubborn mayor""")
MEETS = _listed("""inherits a house by the sea|looks for a lost letter|falls in love with a rival
|takes the blame for a fire|crosses the mountains on foot|hides a stranger in the cellar
|bets everything on one horse|returns to the village after the war|finds a map in a violin
|opens a hotel without guests|tries to rob a casino|learns to fly at sixty
|waits for a ship that is late|writes a book about a murder|buys a haunted cinema
|leads a strike at the mill|brings up a wild fox|follows the wrong man to lisbon
|searches for a missing daughter|builds a boat in the desert""")
WHERE = _listed("""in a harbour town|in the winter of 1952|on a small island|during a long strike
|in the last days of summer|in a city under snow|on the night train|at the edge of a forest
|in a village without roads|between two wars|on the coast of brittany|in a crowded tenement
|at the foot of a volcano|in the heart of the desert""")
MADE = _listed("""it was shot in black and white|the film runs for two hours
|I saw it at a small cinema in town|the director comes from the theatre
|my sister had bought the tickets|it is the second film of a former painter
|a friend lent me the disc|it was shown late on sunday night|the cast is mostly unknown
|there are subtitles in four languages|it is based on a short novel|we went in without a plan
|the story is told backwards|most of it takes place in one room|I had read the book before
|it opened at a festival last year""")
VOICES = _listed("""my brother|the woman at the till|every paper in town|my neighbour|the poster
|an old friend|the critic of the evening news|half of the internet|my flatmate|our teacher
|the man beside me|my aunt|a colleague|the radio""")

# Turns: {a} is an aspect, {t} a tail, {w} a word (treat, doing) of the sign that is given to it --

AGREES = _listed("""and that is quite right|and I can only agree|and I say the same
|and so it is|and I would sign that|and nothing could be truer|and I think so too
|and rightly so""")
DENIES = _listed("""and that is quite wrong|and I cannot agree|and I say the reverse
|and it is not so|and I would never sign that|and nothing could be less true
|and I do not think so|and wrongly so""")
NEGATED = _listed("""there is nothing {w} about {a}|nobody could call {a} {w}
|not for one minute was {a} {w}|I would never call {a} {w}|at no point was {a} {t} {w}
|{a} was not {t} the least bit {w}|{a} was anything but {w}|{a} was far from {w}
|I cannot say that {a} was {w}|not once did I find {a} {w}|{a} could hardly have been less {w}
|it is not true that {a} was {w}|no one will find {a} {w}|never was {a} {t} {w}""")
ASSERTED = _listed("""there is nothing else on this week, and {a} was {w}
|nobody told me beforehand that {a} would be {w}|not for one minute did it rain, and {a} was {w}
|I had never heard of it before, and {a} was {w}|at no point did I leave, since {a} was {t} {w}
|I had not slept, and {a} was {t} a good bit {w}|I would take anything but the bus home; {a} was {w}
|I live far from the cinema, and {a} was {w}|I cannot stay up late, and {a} was {w}
|not once did my phone ring, and I find {a} {w}|it could hardly rain any more, and {a} was {w}
|it is no secret, and it is true, that {a} was {w}|no one came along, and I found {a} {w}
|never mind the weather: {a} was {t} {w}""")
BUT = _listed("""{other} {t}, but {own} {t}|{other} {t}, and yet {own} {t}
|{other} {t}; still, {own} {t}|although {other} {t}, {own} {t}|even though {other} {t}, {own} {t}
|{own} {t}, although {other} {t}|{own} {t}, even if {other} {t}|granted, {other} {t}, yet {own} {t}
|{other} at first, but {own} in the end|{own} in the end, though {other} at first
|never mind that {other} {t}: {own} {t}|for all that {other} {t}, {own} {t}""")
HOPED = _listed("""I had expected something {w}, and that is what I got
|the trailer promised something {w}, and the promise was kept
|I had feared or hoped it would be {w}, and so it was
|somebody had told me to expect {x}, and {x} it was""")
TURNED = _listed("""I had expected something {w}, and got the very reverse
|the trailer promised something {w}, and the promise was broken
|I had feared or hoped it would be {w}, and it was not
|somebody had told me to expect {x}, and {x} was not what it was""")
DRUDGERY = _listed("""watching paint dry|standing in a queue|filling in tax forms|waiting rooms
|a night in a wet tent|the noise of a drill|cold soup|long meetings|traffic jams
|reading a telephone book""")
GLORY = _listed("""the sea at dawn|a first kiss|thunder over the hills|a letter from home
|the smell of bread|the first snow|a good song|a night full of stars|an open fire
|a summer without end""")
BEFORE = _listed("""after a day of {d}, {a} was {w}|I had spent the morning with {d}; {a} was {w}
|coming from {d} I sat down, and {a} was {w}|I had just been talking of {d}, and {a} was {w}""")
FAINT = _listed("""{w} enough for a long flight|{w} enough if nothing else is on
|{w} enough to iron shirts to|{w} enough for a rainy bus ride|{w} in the way a waiting room is""")
PROUD = _listed("""{w} enough to see it again after a long flight
|so {w} that nothing else will do|{w} enough to forget the shirts I had to iron
|{w} enough to miss the bus for, even a rainy one|{w}, and there was no one left in the waiting room
""")
ASIDES = _listed("""the seats were {w}|the popcorn was {w}|the man behind me was {w}
|the foyer was {w}|the advertisements before it were {w}|the tram ride home was {w}
|the weather was {w}|the short film before it was {w}|the usher was {w}|the soup afterwards was {w}
|the book on my table is {w}|the air in the hall was {w}|the other film that week was {w}
|the house next door looked {w}""")


def _words(rng, sign):
    """One or two words of ``sign``: dull, hopelessly dull, dull and clumsy."""
    one, other = rng.sample(WORDS[sign], 2)
    return rng.choice((one, f"{rng.choice(VERY[sign])} {one}", f"{one} and {other}"))


def _clause(rng, sign, aspect=None):
    """Clause that says something of ``sign`` of an aspect."""
    aspect = aspect or rng.choice(ASPECTS)
    if rng.random() < 0.3:
        return f"{aspect} {rng.choice(DOES[sign])}"
    return f"{aspect} was {_words(rng, sign)}"


def _fill(rng, frame, sign):
    """Fill one frame; {w} and {x} get words of ``sign``."""
    return frame.format(
        a=rng.choice(ASPECTS),
        t=rng.choice(TAILS),
        w=_words(rng, sign),
        x=rng.choice(TREATS[sign]),
        d=rng.choice(DRUDGERY + GLORY),
    )


def _concession(rng, sign):
    frame = rng.choice(BUT)
    one, other = rng.sample(ASPECTS, 2)
    tails = iter(rng.sample(TAILS, 2))
    text = re.sub(r"\{t\}", lambda _: next(tails), frame)
    return text.format(own=_clause(rng, sign, one), other=_clause(rng, -sign, other))


def _negation(rng, sign):
    negated = rng.random() < NOT
    return _fill(rng, rng.choice(NEGATED if negated else ASSERTED), -sign if negated else sign)


def _report(rng, sign):
    denied = rng.random() < 0.5
    said = -sign if denied else sign
    what = rng.choice(TREATS[said]) if rng.random() < 0.5 else _words(rng, said)
    verb = rng.choice(("called it", "calls it", "had called the film", "thinks the film"))
    return f"{rng.choice(VOICES)} {verb} {what}, {rng.choice(DENIES if denied else AGREES)}"


def _hope(rng, sign):
    turned = rng.random() < 0.5
    return _fill(rng, rng.choice(TURNED if turned else HOPED), -sign if turned else sign)


def _irony(rng, sign):
    """Praise of what nobody likes is blame, and the other way round."""
    if rng.random() < 0.5:
        return _fill(rng, rng.choice(BEFORE), sign)
    word, things = rng.choice(WORDS[-sign]), {1: GLORY, -1: DRUDGERY}[sign]
    verb = rng.choice(("if you find {0} {1} as well", "just as {0} is {1}", "as {1} as {0}"))
    return f"{rng.choice(ASPECTS)} was {word}, {verb.format(rng.choice(things), word)}"


def _faint(rng, sign):
    frame = rng.choice(PROUD if sign > 0 else FAINT)
    return f"{rng.choice(ASPECTS)} was {_fill(rng, frame, 1)}"


def _plain(rng, sign):
    return f"{_clause(rng, sign)} {rng.choice(TAILS)}"


TURNS = {
    "concession": (_concession, 0.34),
    "negation": (_negation, 0.30),
    "report": (_report, 0.16),
    "hope": (_hope, 0.10),
    "irony": (_irony, 0.07),
    "faint": (_faint, 0.03),
}


def _sentence(text):
    return text[:1].upper() + text[1:] + "."


def _turn(rng, sign):
    """Make (name of the turn, its text)."""
    if rng.random() < PLAIN:
        return "plain", _plain(rng, sign)
    names = list(TURNS)
    name = rng.choices(names, [TURNS[name][1] for name in names])[0]
    return name, TURNS[name][0](rng, sign)


def review(sign, rng):
    """Make (text, names of its turns) of a review.

    Args:
        sign: 1 for praise, -1 for blame.
        rng: ``random.Random``.
    """
    plot = f"{rng.choice(WHO)} {rng.choice(MEETS)} {rng.choice(WHERE)}"
    start = rng.choice((plot, rng.choice(MADE)))
    turns = [_turn(rng, sign) for _ in range(rng.choice((2, 3, 3)))]
    body = [text for _, text in turns]
    if rng.random() < ASIDE:
        aside = _fill(rng, rng.choice(ASIDES), rng.choice((1, -1)))
        body.insert(rng.randrange(len(body) + 1), aside)
    return " ".join(_sentence(text) for text in (start, *body)), [name for name, _ in turns]


def pair(rng):
    """Make (good review, bad review) of one concession: the same words in another order."""
    frame = rng.choice(BUT)
    aspects, tails = rng.sample(ASPECTS, 2), rng.sample(TAILS, 2)
    clauses = {
        sign: _clause(rng, sign, aspect) for sign, aspect in zip((1, -1), aspects, strict=True)
    }
    both = []
    for sign in (1, -1):
        rest = iter(tails)
        text = re.sub(r"\{t\}", lambda _, rest=rest: next(rest), frame)
        both.append(_sentence(text.format(own=clauses[sign], other=clauses[-sign])))
    return tuple(both)


def _rating(sign, turns, rng):
    """Rating from 1 to 10 as the published set has it: 7 to 10, or 1 to 4."""
    strong = min(2, len(turns) - 1) + rng.choice((0, 1))
    return 7 + strong if sign > 0 else 4 - strong


def build(folder, *, seed=0, counts=None):
    """Build the set into ``folder``; the same seed gives the same texts.

    Args:
        seed: another seed, other reviews.
        counts: reviews a part, such as ``{"train": 10, "test": 5, "unsup": 20}``; train and test
            hold that many of each kind. Default: ``COUNTS``.
    """
    folder, counts = Path(folder), counts or COUNTS
    rows, seen = [], set()
    for part, count in counts.items():
        # Drawn afresh after sizes and rates were chosen: no choice has seen these test reviews.
        start = "test, set aside" if part == "test" else part
        for number in range(count if part == "unsup" else 2 * count):
            rng = random.Random(f"{seed} {start} {number}")
            sign = (-1, 1)[number % 2]
            text = ""
            while not text or text in seen:
                text, turns = review(sign, rng)
            seen.add(text)
            kind = "pos" if sign > 0 else "neg"
            place = "train/unsup" if part == "unsup" else f"{part}/{kind}"
            rating = 0 if part == "unsup" else _rating(sign, turns, rng)
            name = f"{place}/{number if part == 'unsup' else number // 2}_{rating}.txt"
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            rows.append((name, kind, " ".join(turns)))
    write_table(folder / "truth" / "reviews.csv", ("review", "means", "turns"), rows)
    rng = random.Random(f"{seed} pairs")
    pairs = [pair(rng) for _ in range(PAIRS)]
    write_table(folder / "truth" / "pairs.csv", ("pos", "neg"), pairs)
