"""``python -m worlds [NAME ...]`` builds data sets, or all, and packs them into the package."""

import sys
import tempfile
from pathlib import Path

from worlds import drawings, films, manual, miniatures, reviews, stores, tiles
from worlds.files import pack

WORLDS = {  # name of the data set: the module that builds it
    "dogscats": drawings,
    "planet": tiles,
    "rossmann": stores,
    "aclImdb": reviews,
    "ml-latest-small": films,
    "nietzsche": manual,
    "cifar10": miniatures,
}
SAMPLES = Path(__file__).parent.parent / "coursekit" / "data" / "samples"


def main(names, target=SAMPLES):
    """Build the data sets ``names`` and write NAME.tar.xz into the folder ``target``."""
    for name in names:
        archive = target / f"{name}.tar.xz"
        with tempfile.TemporaryDirectory() as folder:
            WORLDS[name].build(Path(folder))
            count = pack(Path(folder), archive)
        print(f"{name}: {count:,} files, {archive.stat().st_size / 1e6:.2f} MB", flush=True)
    size = sum(archive.stat().st_size for archive in target.glob("*.tar.xz"))
    print(f"all archives: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:] or WORLDS)
