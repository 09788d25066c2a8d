"""Pictures to learn from."""

import numpy
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory):
    """24 + 10 pictures of noise, 32 x 32, that is bluish or reddish, in train/ and valid/."""
    root = tmp_path_factory.mktemp("pictures")
    for part, count in (("train", 24), ("valid", 10)):
        for number in range(count):
            label = ("blue", "red")[number % 2]
            file = root / part / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            color = [(0.6, 0.8, 1), (1, 0.8, 0.6)][number % 2]
            noise = numpy.random.default_rng([number, count]).integers(0, 256, (32, 32, 3))
            Image.fromarray((noise * color).astype(numpy.uint8)).save(file)
    return root
