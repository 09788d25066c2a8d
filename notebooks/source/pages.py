"""The lessons as pages to read and print: ``python -m notebooks.source.pages [folder]``.

Each stored notebook becomes one HTML page with everything in it. A figure's alternative text is the
sentence that its cell prints, and nothing is paler than a weak eye can read.
"""

import re
import sys
from pathlib import Path

from notebooks.source import build

# The exporter's own prompts and comments are too pale on their ground.
READABLE = """
<style>
:root {
  --jp-cell-inprompt-font-color: #30557f; --jp-cell-outprompt-font-color: #a63412;
  --jp-cell-prompt-not-active-font-color: #5a5a5a; --jp-cell-prompt-not-active-opacity: 1;
  --jp-mirror-editor-number-color: #006400; --jp-mirror-editor-comment-color: #2b6161;
  --jp-mirror-editor-operator-color: #7a00c2;
}
.jp-RenderedHTMLCommon a, a.anchor-link { color: #0b57a4 !important; }
@media print { details { display: block; } .jp-Cell { break-inside: avoid; } }
</style>
"""


def page(notebook):
    """Return the HTML of a notebook: pictures within, each with the sentence of its cell."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.from_dict(notebook)
    sentences = []
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        said = " ".join("".join(one.get("text", "") for one in outputs).split())
        sentences += [said for one in outputs if "image/png" in one.get("data", {})]
    exporter = HTMLExporter(exclude_anchor_links=True)
    text, _ = exporter.from_notebook_node(notebook)
    text = _described(text, sentences)
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    text = re.sub(r"<title>.*?</title>", lambda _: f"<title>{_escaped(title)}</title>", text)
    return text.replace("</head>", f"{READABLE}</head>", 1)


def _described(text, sentences):
    """Return the HTML with an alternative text for each picture of an output, in order."""
    left = iter(sentences)

    def described(found):
        return f'alt="{_escaped(next(left))}"'

    none = r'alt="No description has been provided for this image"'
    return re.sub(none, described, text)


def _escaped(text):
    import html

    return html.escape(text, quote=True)


def main(folder=build.ROOT / "build" / "pages"):
    """Write a page for every stored notebook."""
    import nbformat

    for source in build.lessons(build.ROOT):
        file = build.target(source)
        written = Path(folder) / f"{file.stem}.html"
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(page(nbformat.read(file, as_version=4)), "utf-8")
        print(written)


if __name__ == "__main__":
    main(*sys.argv[1:])
