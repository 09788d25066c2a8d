"""The sample edition of nietzsche: one long text out of the manual that every Python carries.

The text differs a little from one version of Python to the next, its length does not.
"""

import ast
import contextlib
import re
from pathlib import Path

LENGTH = 320_000  # characters; every Python since 3.11 has more, repetitions left out
RUN = 5  # words; a paragraph that shares a third of its runs with earlier ones is a repetition
DRAWN = re.compile(r"^([*=~^\"-]{4,}|\s*[+|].*[+|]\s*)$\n?", re.MULTILINE)  # underlines, tables


def build(folder, *, seed=0, length=LENGTH):
    """Write ``manual.txt``, ``length`` characters, into ``folder``.

    The manual repeats itself: about a fifth of its paragraphs are copies of earlier ones, and
    others differ from them by a word. Each is kept once, or the end of the text, which a lesson
    puts aside for checking, would stand in its beginning already.

    Args:
        seed: has no effect; there is only one manual.
        length: of the text, in characters.
    """
    kept, size, seen = [], 0, set()
    for paragraph in _paragraphs():
        words = paragraph.split()
        runs = {tuple(words[at : at + RUN]) for at in range(max(1, len(words) - RUN + 1))}
        if words and len(runs & seen) < len(runs) / 3:
            kept.append(paragraph.strip("\n"))
            size += len(kept[-1]) + 2
        seen |= runs
        if size >= length:
            break
    text = "\n\n".join(kept)[:length]
    Path(folder, "manual.txt").write_bytes(text.encode())


def _paragraphs():
    """Yield the paragraphs of all topics and, should they be missing, of the library's help."""
    for text in (*_topics().values(), *_help_of_the_library()):
        yield from DRAWN.sub("", text.replace("\xa0", " ")).split("\n\n")


def _topics():
    """Make {topic: text} in order, empty in a Python that comes without its manual."""
    with contextlib.suppress(ImportError):
        from pydoc_data import topics

        found = getattr(topics, "topics", {})
        return {name: found[name] for name in sorted(found)}
    return {}


def _help_of_the_library():
    """Yield what the modules of the standard library say of themselves; none of them is run."""
    for file in sorted(Path(ast.__file__).parent.glob("*.py")):
        with contextlib.suppress(SyntaxError, UnicodeDecodeError):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                    yield ast.get_docstring(node) or ""
