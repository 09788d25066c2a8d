"""Work that outlives a Colab runtime: checkpoints and data sets in a folder of Google Drive."""

from __future__ import annotations

import filecmp
import os
import shutil
import zipfile
from pathlib import Path

from coursekit import runtime
from coursekit.console import CourseError, note, progress, reason
from coursekit.data.cache import set_aside, writing
from coursekit.data.catalogue import catalogue
from coursekit.data.unpack import ArchiveError, unpacked

MOUNT = Path("/content/drive")


def keep_on_drive(folder: str = "coursekit") -> Kept:
    """Keep checkpoints and data sets in your Google Drive, so that the next runtime goes on.

    Run it before the first training. Google asks whether this notebook may use your whole Drive;
    the course only reads and writes ``folder`` in it. A checkpoint is one file there, a data set is
    one archive, for Drive is slow with many small files.

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
    if not isinstance(folder, str) or not set(folder.split("/")).isdisjoint({"", ".", ".."}):
        raise CourseError(
            f"{folder!r} names no folder in My Drive. Give a name such as 'coursekit'."
        )
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

    there, dead = [], False
    try:
        there = os.listdir(MOUNT)
    except FileNotFoundError:
        pass
    except OSError:  # a mount that has died is there, but cannot be looked into
        dead = True
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
    """A folder that outlives the runtime: ``checkpoints/`` and one archive a data set in ``data/``.

    The course reaches it by a link: where Drive vanishes, nothing can be written in its stead to
    the place where it has to come back.
    """

    def __init__(self, folder: Path):
        self.folder, self.link = folder, runtime.home() / "drive"
        if self.link.exists() and not self.link.is_symlink():
            raise CourseError(f"{self.link} is in the way of a link to Drive. Rename it.")
        try:
            for part in ("checkpoints", "data"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            self.link.parent.mkdir(parents=True, exist_ok=True)
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(folder)
            self._copy_trainings()
            back = [name for name in catalogue() if self._take_back(name)]
        except OSError as error:
            raise CourseError(
                f"{folder} cannot be written ({reason(error)}). Make room in your Drive and run "
                "this cell again, or go on without."
            ) from error
        os.environ["COURSEKIT_CHECKPOINTS"] = str(self.link / "checkpoints")
        fits = sum(1 for _ in (self.link / "checkpoints").glob("*/*/*"))
        print(f"In {folder}: trainings: {fits}; data sets taken back: {', '.join(back) or 'none'}.")

    def __repr__(self) -> str:
        return f"kept in {self.folder}"

    def finish(self) -> None:
        """Put the data sets fetched since into the folder and let go of Drive: all has arrived."""
        from google.colab import drive

        if not os.path.isdir(self.link):
            raise CourseError(
                "Drive is not there any more, and what was trained since it went is not in it. Run "
                "the cell with ck.keep_on_drive() again, then those after it."
            )
        for name in catalogue():
            self._put(name)
        os.environ.pop("COURSEKIT_CHECKPOINTS", None)
        self.link.unlink(missing_ok=True)
        drive.flush_and_unmount()
        print(f"Everything is in {self.folder.name} of your Drive; this notebook has let go of it.")

    def _copy_trainings(self) -> None:
        """Copy what was trained before; nothing is put over what is kept."""
        there, kept = runtime.checkpoints(), self.link / "checkpoints"
        if not there.is_dir() or there.resolve() == kept.resolve():
            return

        def copy(file: str, target: str) -> None:
            if not os.path.exists(target):
                shutil.copy2(file, target)
            elif not filecmp.cmp(file, target, shallow=False):
                note(f"{file} is not copied: {target} in Drive is another one, and counts.")

        shutil.copytree(there, kept, dirs_exist_ok=True, copy_function=copy)

    def _place(self, name: str) -> tuple[Path, Path]:
        """The archive of a data set in Drive, and its folder in this runtime."""
        return self.link / "data" / f"{name}.zip", runtime.home() / "full" / name

    def _put(self, name: str) -> None:
        """Write a data set as one archive, where there is none yet."""
        archive, folder = self._place(name)
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        try:
            if archive.exists() or not files:
                return
            with writing(archive) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as opened:
                for file in progress(files, label=f"{name} to Drive", unit=" files"):
                    opened.write(file, file.relative_to(folder))
        except OSError as error:
            note(f"{name} could not be kept in Drive ({reason(error)}), the trainings are.")

    def _take_back(self, name: str) -> bool:
        """Unpack a data set that Drive has and this runtime lacks; whether it did."""
        archive, folder = self._place(name)
        if folder.exists() or not archive.exists():
            return False
        try:
            with unpacked(archive, folder, archive.name) as place:
                if lacking := catalogue()[name].lacking(place):
                    raise ArchiveError(f"is not the published one, it lacks {lacking}")
                os.replace(place, folder)
            return True
        except ArchiveError as error:
            aside = set_aside(archive)
            note(
                f"{archive.name} in Drive {error}; it is now {aside.name}. {name} is fetched anew."
            )
            return False
