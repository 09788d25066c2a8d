"""Work that outlives a Colab runtime: checkpoints in a folder of Google Drive."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

from coursekit import runtime
from coursekit.arguments import checked
from coursekit.console import CourseError, note, reason

MOUNT = Path("/content/drive")


@checked
def keep_on_drive(folder: str = "coursekit") -> Kept:
    """Keep checkpoints and progress in your Google Drive, so that the next runtime goes on.

    Run it before the first training. Google asks whether this notebook may use your whole Drive;
    the course only uses ``folder`` in it, and deletes nothing there but its own old checkpoints.

    Args:
        folder: name of the folder in My Drive.

    Returns:
        Kept: call its ``finish()`` at the end, so that everything has arrived in your Drive.

    Raises:
        CourseError: this is not Colab, or Drive cannot be opened or written.
    """
    if runtime.host() != "colab":
        raise CourseError(
            "Google Drive can be opened in Colab only. Elsewhere set COURSEKIT_HOME to a folder "
            "that stays, before the notebook starts."
        )
    if not {"", ".", ".."}.isdisjoint(folder.split("/")):
        raise CourseError(f"{folder!r} names no folder in My Drive. Take one such as 'coursekit'.")
    print(
        "Google asks now whether this notebook may see and change all files of your Drive. "
        f"The course uses the folder {folder} only. Without it, everything works until the runtime "
        "ends.",
        flush=True,
    )
    _mount()
    return Kept(MOUNT / "MyDrive" / folder)


def _mount() -> None:
    from google.colab import drive

    try:
        there, dead = os.listdir(MOUNT), False
    except OSError as error:  # a mount that has died is there, but cannot be looked into
        there, dead = [], not isinstance(error, FileNotFoundError)
    if there and not os.path.ismount(MOUNT):
        raise CourseError(
            f"Something was written to {MOUNT} before Drive was there. Rename it with "
            f"!mv {MOUNT} {MOUNT}-before and run this cell again."
        )
    try:
        drive.mount(str(MOUNT), force_remount=dead)
    except Exception as error:  # it raises ValueError, MessageError and others
        raise CourseError(
            f"Drive was not opened ({reason(error)}). Run this cell again and allow it, or go on "
            "without."
        ) from error


class Kept:
    """A folder that outlives the runtime.

    The course reaches it by a link: where Drive vanishes, nothing can be written in its stead to
    the place where it has to come back.
    """

    def __init__(self, folder: Path):
        self.folder, self.link = folder, runtime.home() / "drive"
        if self.link.exists() and not self.link.is_symlink():
            raise CourseError(f"{self.link} is in the way of a link to Drive. Rename it.")
        kept = self.link / "checkpoints"
        try:
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            self.link.parent.mkdir(parents=True, exist_ok=True)
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(folder)
            before = runtime.checkpoints()
            if before.is_dir() and before.resolve() != kept.resolve():
                shutil.copytree(before, kept, dirs_exist_ok=True, copy_function=_copy_if_new)
        except OSError as error:
            raise CourseError(
                f"{folder} cannot be written ({reason(error)}). Make room in your Drive and run "
                "this cell again, or go on without."
            ) from error
        os.environ["COURSEKIT_CHECKPOINTS"] = str(kept)
        print(f"In {folder}: {sum(1 for _ in kept.glob('*/*/*'))} trainings.")

    def __repr__(self) -> str:
        return f"kept in {self.folder}"

    def finish(self) -> None:
        """Let go of Drive: all has arrived."""
        from google.colab import drive

        if not os.path.isdir(self.link):
            raise CourseError(
                "Drive is not there any more, and what was trained since it went is not in it. Run "
                "the cell with ck.keep_on_drive() again, then those after it."
            )
        os.environ.pop("COURSEKIT_CHECKPOINTS", None)
        self.link.unlink(missing_ok=True)
        drive.flush_and_unmount()
        print(f"Everything is in {self.folder.name} of your Drive; this notebook has let go of it.")


def _copy_if_new(file: str, target: str) -> None:
    """Copy what was trained before; nothing is put over what is kept."""
    if not os.path.exists(target):
        shutil.copy2(file, target)
    elif not filecmp.cmp(file, target, shallow=False):
        note(f"{file} is not copied: {target} in Drive is another one, and counts.")
