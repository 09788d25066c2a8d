"""What ``%load_ext coursekit`` does: figures, reloading, the seed, and a line about the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coursekit import runtime

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Prepare a notebook: figures between the cells, edited modules reloaded, the seed set."""
    shell.run_line_magic("matplotlib", "inline")
    reloads = "reloaded"
    try:
        if "autoreload" not in shell.magics_manager.magics["line"]:
            shell.run_line_magic("load_ext", "autoreload")
        shell.run_line_magic("autoreload", "2")
    except ImportError:  # Colab: that of IPython 7 needs imp, which Python 3.12 has dropped
        reloads = "not reloaded"
    runtime.seed()
    edition, by_name = runtime.edition()
    why = f"{'a' if edition == 'full' else 'no'} GPU can be used"
    print(runtime.machine())
    print(
        f"data: {edition} edition ({'asked for by COURSEKIT_DATA' if by_name else why})"
        f"{', quick profile' if runtime.quick() else ''}; "
        f"seed 42; edited modules are {reloads}"
    )
