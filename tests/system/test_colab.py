"""The lessons on a stand-in for Colab, with its Python and its versions; what it keeps for them."""

import os
import random
import re

import pytest

import coursekit
from notebooks.source import build
from tests.system import runtimes

pytestmark = pytest.mark.colab
LESSONS = build.lessons(build.ROOT)


def _standin(folder, host=runtimes.COLAB):
    """Return the stand-in without the course."""
    try:
        runtime = runtimes.Standin(folder, host)
    except runtimes.StandinError as reason:
        if os.environ.get("CI") and runtimes.python():
            pytest.fail(f"{reason}; a green run would say that the lessons run on Colab")
        pytest.skip(f"{reason}")
    runtime.forget_the_course()
    return runtime


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a home that all lessons share, so that a sample is unpacked once."""
    return tmp_path_factory.mktemp("standin")


@pytest.fixture(scope="module")
def course(folder):
    """Return a copy of the course, as git would bring it."""
    return runtimes.copied(folder)


@pytest.fixture(scope="module")
def ready(folder, course):
    """Return the stand-in for Colab with the course in it."""
    runtime = _standin(folder)
    code, printed = runtime.set_up(course)
    assert code == 0, printed
    return runtime


def _code(source):
    return [cell for cell in build.read(source) if cell.cell_type == "code"]


def _quick(folder):
    return {"COURSEKIT_QUICK": "1", "COURSEKIT_CHECKPOINTS": str(folder / "checkpoints")}


def test_set_up_twice_changes_nothing(folder, course, say):
    """A course that replaces torch breaks every other notebook, and the learner's patience."""
    fresh = _standin(folder)
    before, seconds = fresh.versions(), []
    for _ in range(2):
        code, printed = fresh.set_up(course)
        say(f"the set-up\n{printed}")
        assert code == 0
        assert fresh.versions() == before
        seconds.append(re.search(r"Ready in ([\d.]+) s\.", printed)[1])
    assert "coursekit is installed already" in printed
    say(f"the set-up: first {seconds[0]} s (wanted: at most 20), then {seconds[1]} s (under 5)")


@pytest.mark.parametrize("host", [runtimes.COLAB, runtimes.KAGGLE], ids=["Colab", "Kaggle"])
def test_the_first_lesson_runs_on_a_fresh_runtime(host, folder, course, tmp_path):
    """A first cell that gets no course, or lessons that need a restart of the kernel."""
    fresh, cells = _standin(folder, host), _code(LESSONS[0])
    assert cells[0].source == build.set_up(build.ROOT), "the first code cell gets the course"
    before = fresh.versions()
    fresh.run(cells, **runtimes.hosted(course), **_quick(tmp_path))
    assert fresh.versions() == before


@pytest.mark.parametrize("source", LESSONS[1:], ids=lambda file: file.stem)
def test_lessons_run(source, ready, tmp_path):
    """What runs in JupyterLab and dies on Colab: another numpy, another IPython."""
    ready.run(_code(source), **_quick(tmp_path))


def test_explorers_under_the_old_ipywidgets(ready, say):
    """An argument that only ipywidgets 8 knows: an explorer that no Colab can show."""
    own = ready.environment | {"PYTHONPATH": str(build.ROOT)}
    code, printed = runtimes.ran(ready.python, "-m", "tests.visuals.explorers", env=own)
    assert code == 0, printed
    driven = re.findall(r"^(\w+): \d+ moves under ipywidgets 7\.7\.1$", printed, re.MULTILINE)
    say(f"under ipywidgets 7.7.1: {', '.join(driven)}")
    assert set(driven) == {name for name in vars(coursekit.explore) if not name.startswith("_")}


def test_edited_modules_are_reloaded(ready):
    """IPython 7 on Python 3.13 cannot load autoreload; the learner edits and nothing changes."""
    assert ready.run(runtimes.RELOADING) == "333\n"


# Kept work ------------------------------------------------------------------------------------

# Writes down each epoch that is begun; after so many batches, a kernel dies or Drive vanishes.
FIRST = """
import os
import signal
import coursekit as ck

class Trouble(ck.Callback):
    def __init__(self, name):
        self.name = name.replace(" ", "-")

    def epoch_start(self, state):
        with open(os.environ["LOG"], "a") as log:
            log.write(f"{self.name} {state.epoch}\\n")

    def step_done(self, state):
        with open(os.environ["LOG"] + "-steps", "a") as steps:
            steps.write(".")
        if os.path.getsize(steps.name) == int(os.environ.get("AFTER", "0")):
            if os.environ["TROUBLE"] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            os.rename(os.environ["TROUBLE"], os.environ["TROUBLE"] + "-away")
            with open(os.environ["LOG"], "a") as log:
                log.write("away\\n")

def fit(self, *rest, name=None, callbacks=(), run=ck.Learner.fit, **options):
    trouble = [Trouble(name)] if name else []
    return run(self, *rest, name=name, callbacks=[*callbacks, *trouble], **options)

ck.Learner.fit = fit
"""
LAST = """
show = lambda learn: [{k: v for k, v in r.items() if k != "seconds"} for r in learn.history]
print(show(learn), learn.evaluate(), show(my_learn))
"""


class Lesson1:
    """Lesson 1 in the quick profile; its checkpoints lie behind a link, as they do in Drive."""

    def __init__(self, ready, folder):
        self.ready, self.log, self.drive = ready, folder / "log", folder / "drive"
        self.drive.mkdir(parents=True)
        (folder / "link").symlink_to(self.drive)
        self.where = {"COURSEKIT_CHECKPOINTS": str(folder / "link"), "LOG": str(self.log)}

    def run(self, after=0, trouble=""):
        """Run it from the top in a new kernel; return its last tables, None where killed."""
        trouble = {"AFTER": str(after), "TROUBLE": str(trouble), "COURSEKIT_QUICK": "1"}
        shown = ("ck.explore.", "ck.show_")  # what is only looked at is left out
        cells = [cell for cell in _code(LESSONS[0]) if not cell.source.startswith(shown)]
        return self.ready.run([FIRST, *cells, LAST], **self.where, **trouble)

    def epochs(self):
        """Return every epoch that was begun, of all runs, as "fit number"."""
        return self.log.read_text().splitlines()

    def steps(self):
        """Return how many batches were trained in all runs."""
        return self.log.with_name("log-steps").stat().st_size


@pytest.fixture(scope="module")
def uncut(ready, folder):
    """Return (lesson 1 that came to its end, its tables)."""
    lesson = Lesson1(ready, folder / "uncut")
    tables = lesson.run()
    assert len(lesson.epochs()) == len(set(lesson.epochs())) > 5
    return lesson, tables


@pytest.mark.parametrize("number", range(int(os.environ.get("KILLS", "1"))))
def test_lesson_1_killed_twice_goes_on(number, uncut, tmp_path, say):
    """Resuming that works for a toy and not for a lesson, with its recipe and stored features.

    The second time the newest checkpoint is cut short as well.
    """
    whole, tables = uncut
    draw = random.Random(f"{os.environ.get('SEED', '0')} {number}")
    half = whole.steps() // 2
    moments = [draw.randrange(1, half), draw.randrange(half, whole.steps())]
    lesson = Lesson1(whole.ready, tmp_path / "killed")
    assert [lesson.run(moment, "kill") for moment in moments] == [None, None]
    newest = max(lesson.drive.rglob("*.safetensors"), key=lambda file: file.stat().st_mtime)
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    assert lesson.run() == tables
    again = len(lesson.epochs()) - len(whole.epochs())
    say(f"killed after {moments} of {whole.steps()} batches: {again} epochs trained again")
    assert set(lesson.epochs()) == set(whole.epochs())
    assert 2 <= again <= 3, "the one that was cut each time, and the one whose checkpoint was"


def test_lesson_1_goes_on_without_drive(uncut, tmp_path):
    """Drive vanishes in the middle: the lesson dies, or what was kept before is lost, too."""
    whole, tables = uncut
    lesson = Lesson1(whole.ready, tmp_path / "drive vanishes")
    moment = whole.steps() * 2 // 3
    assert lesson.run(moment, lesson.drive) == tables
    assert not lesson.drive.exists(), "written to where Drive has to come back"
    lesson.drive.with_name("drive-away").rename(lesson.drive)
    before = lesson.epochs()
    assert lesson.run() == tables
    again = lesson.epochs()[len(before) :]
    begun = before[: before.index("away")]
    finished = {epoch.split()[0] for epoch in begun} - {begun[-1].split()[0]}
    assert len(finished) > 1
    assert not [epoch for epoch in again if epoch.split()[0] in finished]
    assert len(set(begun[:-1]) & set(again)) <= 1, "of the fit in progress only its last epoch"
