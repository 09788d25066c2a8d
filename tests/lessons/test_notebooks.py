"""The lessons, run cell by cell in the quick profile, and what every stored notebook must show."""

import re
import time

import pytest

from notebooks.source import build
from tests.conftest import asked
from tests.system import browser

ROOT = build.ROOT
LESSONS = build.lessons(ROOT)
names = pytest.mark.parametrize("source", LESSONS, ids=lambda file: file.stem)


@names
def test_quick_profile_runs(source, learner, say, request):
    """The trial run that other checks stand on; an open exercise that stops the lesson.

    Explorers and quizzes are widgets here, as in a learner's kernel.
    """
    if browser.CHROMIUM and "browser" in asked(request.config):
        pytest.skip("the browser runs it, in the same profile")
    cells = [cell for cell in build.read(source) if cell.cell_type == "code"]
    began = time.monotonic()
    widgets = {"COURSEKIT_WIDGETS": "on", "COURSEKIT_QUICK": "1"}
    build.run(cells, source.parent, **learner | widgets)
    say(f"{source.stem}, quick: {time.monotonic() - began:.0f} s")
    said = {c.metadata["exercise"]: c.outputs[-1].text for c in cells if "exercise" in c.metadata}
    assert said
    assert all(text.startswith(f"{number} is open") for number, text in said.items())


@names
def test_a_code_cell_is_short_enough_to_be_read(source):
    """A cell that fills the screen is run, and not read."""
    _, *code = [cell for cell in build.read(source) if cell.cell_type == "code"]
    counted = {c.metadata["place"]: len(re.findall(r"(?m)^.*\S", c.source)) for c in code}
    assert {place: lines for place, lines in counted.items() if lines > 15} == {}


def test_every_lesson_is_built_from_its_present_source(capsys):
    """Stored outputs of code that is no longer there."""
    assert LESSONS
    assert build.main(["--check"]) == 0, capsys.readouterr().out
    heavy = [file for file in map(build.target, LESSONS) if file.stat().st_size > 3e6]
    assert not heavy, "too heavy for a page that shows notebooks"
