"""Disks in trouble, made by replacing what Python asks the operating system."""

import errno
import os

CALLS = ("lstat", "mkdir", "open", "listdir", "readlink", "replace", "rmdir", "scandir", "unlink")


def die(monkeypatch, folder, link=None):
    """Let a mount die, as Drive does in Colab: every look at it fails, and nothing is missing.

    Args:
        monkeypatch: what undoes it.
        folder: where it is mounted.
        link: a link that leads into it; it can be looked at itself, and not be followed.
    """
    inside = tuple(f"{place}{os.sep}" for place in (folder, link) if place)

    def dying(name, ends):
        real = getattr(os, name)

        def call(path=".", *rest, **options):
            if str(path) in ends or str(path).startswith(inside):
                raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), str(path))
            return real(path, *rest, **options)

        monkeypatch.setattr(os, name, call)

    for name in CALLS:
        dying(name, {str(folder)})
    dying("stat", {str(folder), str(link)})
