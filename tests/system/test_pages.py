"""The lessons as pages: every figure has its sentence, and nothing keeps a reader out."""

import nbformat
import pytest

from notebooks.source import build, pages
from tests.system import browser

STORED = [build.target(source) for source in build.lessons(build.ROOT)]
files = pytest.mark.parametrize("file", STORED, ids=lambda f: str(f.relative_to(f.parents[1])))


def _said(cell):
    return " ".join("".join(output.get("text", "") for output in cell.outputs).split())


@files
def test_every_figure_has_its_sentence(file):
    """A figure that says nothing to who cannot see it."""
    for number, cell in enumerate(nbformat.read(file, as_version=4).cells):
        outputs = cell.get("outputs", [])
        if any("image/png" in output.get("data", {}) for output in outputs):
            assert len(_said(cell).split()) >= 5, f"cell {number}: {cell.source[-80:]!r}"


def test_a_page_gives_each_picture_its_own_sentence():
    """The sentence of one figure read out at the next one; a quote that ends the attribute."""
    cells = [nbformat.v4.new_markdown_cell('# A "lesson"')]
    for text in ('first "one"', "second"):
        picture = nbformat.v4.new_output("display_data", {"image/png": "aGVsbG8="})
        said = nbformat.v4.new_output("stream", text=f"{text}\n")
        cells.append(nbformat.v4.new_code_cell("x", outputs=[said, picture]))
    page = pages.page(nbformat.v4.new_notebook(cells=cells))
    assert page.index('alt="first &quot;one&quot;"') < page.index('alt="second"')
    assert "<title>A &quot;lesson&quot;</title>" in page
    assert "No description has been provided" not in page


@pytest.mark.browser
@browser.needs_chromium
@files
def test_axe_finds_nothing_serious(file, tmp_path, say):
    """Text too pale to read, a picture without words, a button without a name."""
    from axe_playwright_python.sync_playwright import Axe

    written = tmp_path / "page.html"
    written.write_text(pages.page(nbformat.read(file, as_version=4)), "utf-8")
    with browser.chromium() as page:
        page.route("**/*", _from_disk_only)
        page.goto(written.as_uri())
        found = Axe().run(page).response["violations"]
    say(
        f"{file.stem}: {[(one['impact'], one['id'], len(one['nodes'])) for one in found] or 'none'}"
    )
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]


def _from_disk_only(route):
    if route.request.url.startswith("file:"):
        route.continue_()
    else:
        route.abort()
