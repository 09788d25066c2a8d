"""What a lesson defines, for tests of what it claims: its own code, trained over several seeds."""

import ast
import importlib.abc
import importlib.util
import re

from notebooks.source import build

SEEDS = (1, 2, 3)
DEFINED = ast.FunctionDef | ast.ClassDef


class _Text(importlib.abc.InspectLoader):
    """Loads a module from a text."""

    def __init__(self, text):
        self.text = text

    def get_source(self, fullname):
        return self.text


def of_lesson(number, names, *, since=None, until=None, **known):
    """Return a module of what a lesson's statements make of these names: functions, tables, ...

    Args:
        names: separated by spaces.
        since, until: names where the lesson is entered and left, for a name that means something
            else before or later; functions and classes are found anywhere.
        known: what the statements read of the rest of the notebook.
    """
    (file,) = (build.ROOT / "notebooks" / "source").glob(f"{number:02}_*.py")
    code = [cell for cell in build.read(file) if cell.cell_type == "code"]
    cells = [cell.source for cell in code if "exercise" not in cell.metadata]
    code = re.sub(r"^(\s*)[%!].*", r"\1pass", "\n".join(cells), flags=re.MULTILINE)  # magics
    statements = ast.parse(code).body
    defined = {node.name for node in statements if isinstance(node, DEFINED)}
    names, inside, taken = set(names.split()), since is None, []
    missing = set(names)
    for node in statements:
        bound = _bound(node)
        inside = inside or since in bound
        found = bound & names
        if not isinstance(node, DEFINED):
            found = found - defined if inside else set()
        if found or isinstance(node, ast.Import | ast.ImportFrom):
            taken.append(ast.unparse(node))
            missing -= bound
        if until in bound:
            inside, since = False, None
    assert not missing, f"{file.name} has no {missing}"
    spec = importlib.util.spec_from_loader(f"lesson_{number}", _Text("\n\n".join(taken)))
    module = importlib.util.module_from_spec(spec)
    vars(module).update(known)
    spec.loader.exec_module(module)
    return module


def _bound(node):
    """Return the names that a statement defines or changes."""
    if isinstance(node, DEFINED):
        return {node.name}
    targets = getattr(node, "targets", [])
    if isinstance(node, ast.AugAssign):
        targets = [node.target]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        targets = [node.value.func]  # a method may change its object
    names = {part.id for one in targets for part in ast.walk(one) if isinstance(part, ast.Name)}
    return names.union(*map(_bound, getattr(node, "body", [])))
