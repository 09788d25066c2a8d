"""What ``%load_ext coursekit`` does: figures, reloading, the seed, and a line about the machine."""

import importlib
import sys
import types

from coursekit import runtime


def load_ipython_extension(shell):
    """Prepare a notebook: figures between the cells, edited modules reloaded, the seed set.

    Args:
        shell: the IPython shell of the notebook.
    """
    shell.run_line_magic("matplotlib", "inline")
    reloads = _autoreload(shell)
    runtime.seed()
    edition, by_name = runtime.edition()
    why = "asked for by COURSEKIT_DATA" if by_name else _why(edition)
    print(runtime.machine())
    print(
        f"data: {edition} edition ({why}){', quick profile' if runtime.quick() else ''}; "
        f"seed 42; edited modules are {'' if reloads else 'not '}reloaded"
    )


def _why(edition):
    return "a GPU can be used" if edition == "full" else "no GPU can be used"


def _autoreload(shell):
    """Switch on IPython's autoreload; return whether that worked."""
    try:
        _lend_imp()
        if "autoreload" not in shell.magics_manager.magics["line"]:
            shell.extension_manager.load_extension("autoreload")
        shell.run_line_magic("autoreload", "2")
    except (ImportError, KeyError):
        return False
    return True


def _lend_imp():
    """Lend IPython 7 the one function of ``imp`` that it asks for, where Python has no imp.

    That is today's Colab. It is left there, so that ``%reload_ext autoreload`` works as well.
    """
    import IPython

    if IPython.version_info[0] < 8 and sys.version_info >= (3, 12) and "imp" not in sys.modules:
        imp = types.ModuleType("imp", "What IPython 7 needs of a module that Python has dropped.")
        imp.reload = importlib.reload
        sys.modules["imp"] = imp
