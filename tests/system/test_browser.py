"""The lessons in a real browser: Shift+Enter to the end, then every explorer by mouse and keys."""

import shutil

import pytest

from coursekit.exercises.quiz import questions as questions_of
from notebooks.source import build
from tests.system import browser

LESSONS = build.lessons(build.ROOT)
names = pytest.mark.parametrize("source", LESSONS, ids=[source.stem for source in LESSONS])
pytestmark = [pytest.mark.browser, browser.needs_chromium]


@pytest.fixture
def lab(sample_home, tmp_path):
    """Return a function that opens a lesson in JupyterLab, in the quick profile."""
    environment = {
        "COURSEKIT_HOME": str(sample_home),
        "COURSEKIT_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "COURSEKIT_DATA": "sample",
        "COURSEKIT_DEVICE": "cpu",
        "COURSEKIT_QUICK": "1",
        "COURSEKIT_PROGRESS": "off",
        "MPLCONFIGDIR": str(build.ROOT / "build" / "matplotlib"),
    }
    folder = tmp_path / "lessons"
    folder.mkdir()
    for source in LESSONS:
        shutil.copy(build.target(source), folder)
    with browser.jupyterlab(folder, environment) as lab, browser.chromium() as page:
        yield lambda source: browser.Lab(page, *lab, folder / build.target(source).name)


@names
def test_every_explorer_answers(source, lab, say):
    """What works when it is called by code, and stays still under a hand."""
    opened = lab(source)
    opened.run_from_the_top()
    assert opened.complaints() == []
    said = opened.page.locator(".jp-OutputArea-output pre").all_inner_texts()
    cells = build.read(source)
    for number in (c.metadata["exercise"] for c in cells if "exercise" in c.metadata):
        assert any(text.startswith(f"{number} is open") for text in said), f"exercise {number}"
    _wait_for_explorers(opened, source)
    moved = {}
    for name, shown in opened.explorers().items():
        shown.screenshot(f"{source.stem[:2]}-{name}-before")
        done = SPECIAL[name](opened, shown) if name in SPECIAL else None
        mouse = "nothing but text" if shown.only_text() else shown.by_mouse()
        moved[name] = done or (mouse, shown.by_keyboard())
        shown.screenshot(f"{source.stem[:2]}-{name}-after")
    say(f"{source.stem}: {moved}")
    assert moved, "a lesson without an explorer"
    still = {name: how for name, how in moved.items() if None in how}
    assert not still, f"(by mouse, by keyboard): {still}"
    _take_the_quiz(opened, source)
    assert opened.complaints() == []


def _wait_for_explorers(opened, source):
    """Wait until as many explorers are there as the lesson calls."""
    calls = source.read_text("utf-8").count("\nck.explore.")
    opened.page.wait_for_function(
        "calls => document.querySelectorAll('.coursekit-explorer').length >= calls", arg=calls
    )


def _take_the_quiz(opened, source):
    """Answer every question, the first one wrongly at first; the score must say so."""
    questions = questions_of(int(source.name[:2]))
    quiz = opened.page.locator(".coursekit-quiz")
    groups = quiz.locator(".widget-radio-box, .jupyter-widget-radio-box")
    cut = "labels => labels.filter(l => l.scrollHeight > l.clientHeight + 1).map(l => l.innerText)"
    assert groups.locator("label").evaluate_all(cut) == [], "an answer runs into the next one"
    wrong = [not answer.right for answer in questions[0].answers.values()].index(True)
    _choose(opened, groups.nth(0).locator("input").nth(wrong), by_mouse=True)
    quiz.get_by_text("Not quite:").wait_for()
    for place, question in enumerate(questions):
        right = [answer.right for answer in question.answers.values()].index(True)
        choice = groups.nth(place).locator("input").nth(right)
        _choose(opened, choice, by_mouse=place % 2)
    quiz.get_by_text(f"{len(questions)} of {len(questions)} right so far.").wait_for()
    browser.Shown(opened, quiz).screenshot(f"{source.stem[:2]}-quiz")


def _choose(opened, choice, *, by_mouse):
    """Choose an answer; where a picture above grew meanwhile and the click missed, once more."""
    for _ in range(5):
        if by_mouse:
            choice.click()
        else:
            choice.focus()
            opened.page.keyboard.press("Space")
        if choice.is_checked():
            return
    raise AssertionError("a radio button that cannot be chosen")


# Explorers that are used to the end ---------------------------------------------------------------


def _clean(opened, shown):
    """Drop one picture, relabel one, keep the rest, read what is said, and take one back."""
    assert shown.changes(shown.root.get_by_role("button", name="Drop").click)
    assert shown.changes(shown.root.get_by_role("button", name="Give it the new label").click)
    keep = shown.root.get_by_role("button", name="Keep")
    for _ in range(60):
        if not keep.is_enabled():
            break
        assert shown.changes(keep.click)
    said = shown.state()
    assert "1 relabeled, 1 dropped" in said
    assert ".csv" in said
    assert shown.changes(shown.root.get_by_role("button", name="Undo").click)


def _upload(opened, shown):
    """Give it a picture of our own, and then a file that is none, after which all goes on."""
    button = shown.root.locator(".widget-upload, .jupyter-widget-upload")

    def choose(file, press):
        with opened.page.expect_file_chooser() as chooser:
            press()
        chooser.value.set_files(file)

    def key():
        button.focus()
        opened.page.keyboard.press("Space")

    pictures = sorted(browser.SCREENSHOTS.glob("*.png"))
    assert shown.changes(lambda: choose(pictures[0], button.click))
    none = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no picture at all"}
    assert shown.changes(lambda: choose(none, button.click))
    assert shown.changes(lambda: choose(pictures[-1], key))
    controls = shown.root.locator(f"{browser.SLIDERS}, select, input[type=number]")
    return None if controls.count() else ("upload", "upload")


def _write_and_stop(opened, shown):
    """Let it write, stop it, and see that it has stopped."""
    write = shown.root.get_by_role("button", name="Write")
    assert shown.changes(write.click)
    shown.root.get_by_role("button", name="Stop").click()
    opened.page.wait_for_timeout(1500)
    stopped = shown.state()
    opened.page.wait_for_timeout(1500)
    assert shown.state() == stopped, "it goes on writing"


SPECIAL = {
    "cleaner": _clean,
    "classify": _upload,
    "grad_cam": _upload,
    "kernel": _upload,
    "generate": _write_and_stop,
}
