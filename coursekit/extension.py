"""What ``%load_ext coursekit`` does: figures, reloading, the seed, and a line about the machine."""

from coursekit import runtime


def load(shell):
    """Prepare a notebook: figures between the cells, edited modules reloaded, random numbers seeded.

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
    """Switch on IPython's autoreload where it works (it does not with IPython 7 on Python 3.12+)."""
    try:
        if "autoreload" not in shell.magics_manager.magics["line"]:
            shell.extension_manager.load_extension("autoreload")
        shell.run_line_magic("autoreload", "2")
    except (ImportError, KeyError):
        return False
    return True
