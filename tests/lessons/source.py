"""What a lesson defines, for tests of what it claims: its own code, trained over several seeds."""

import ast
import importlib.abc
import importlib.util
import re

from notebooks.source import build

SEEDS = (1, 2, 3)


class _Text(importlib.abc.InspectLoader):
    """Loads a module from a text."""

    def __init__(self, text):
        self.text = text

    def get_source(self, fullname):
        return self.text


def of_lesson(number, *names, until=None, **known):
    """Return a module of what a lesson's statements make of these names: functions, tables, ...

    Args:
        until: the name with which the lesson is left; a name may mean something else later.
        known: what the statements read of the rest of the notebook.
    """
    (file,) = (build.ROOT / "notebooks" / "source").glob(f"{number:02}_*.py")
    cells = [cell.source for cell in build.read(file) if cell.cell_type == "code"]
    plain = [cell for cell in cells if not re.search(r"^\s*[%!]", cell, re.MULTILINE)]
    taken, missing = ["import coursekit as ck"], set(names)
    for node in ast.parse("\n".join(plain)).body:
        bound = _bound(node)
        if bound & set(names) or isinstance(node, ast.Import | ast.ImportFrom):
            taken.append(ast.unparse(node))
        missing -= bound
        if until in bound:
            break
    assert not missing, f"{file.name} has no {missing}"
    spec = importlib.util.spec_from_loader(f"lesson_{number}", _Text("\n\n".join(taken)))
    module = importlib.util.module_from_spec(spec)
    vars(module).update(known)
    spec.loader.exec_module(module)
    return module


def _bound(node):
    """Return the names that a statement defines or changes."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = getattr(node, "targets", [])
    if isinstance(node, ast.AugAssign):
        targets = [node.target]
    names = {part.id for one in targets for part in ast.walk(one) if isinstance(part, ast.Name)}
    return names.union(*map(_bound, getattr(node, "body", [])))
