"""What ``%load_ext coursekit`` does: figures, reloading, the seed, and a line about the machine."""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING

from coursekit import runtime

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Prepare a notebook: figures between the cells, edited modules reloaded, the seed set."""
    shell.run_line_magic("matplotlib", "inline")
    reloads = _reload_edited_modules(shell)
    runtime.seed()
    edition, by_name = runtime.edition()
    why = f"{'a' if edition == 'full' else 'no'} GPU can be used"
    print(runtime.machine())
    print(
        f"data: {edition} edition ({'asked for by COURSEKIT_DATA' if by_name else why})"
        f"{', quick profile' if runtime.quick() else ''}; "
        f"seed 42; edited modules are {'' if reloads else 'not '}reloaded"
    )


def _reload_edited_modules(shell: InteractiveShell) -> bool:
    """Switch on IPython's autoreload; False where that fails.

    Today's Colab pairs IPython 7.34 with Python 3.13. That IPython imports ``imp``, which Python
    has dropped, for nothing but ``reload``; the stand-in stays for ``%reload_ext autoreload``.
    """
    import IPython

    try:
        if IPython.version_info[0] < 8 and sys.version_info >= (3, 12):
            imp = sys.modules.setdefault("imp", types.ModuleType("imp"))
            imp.reload = importlib.reload
        if "autoreload" not in shell.magics_manager.magics["line"]:
            shell.run_line_magic("load_ext", "autoreload")
        shell.run_line_magic("autoreload", "2")
    except (ImportError, KeyError):
        return False
    return True
