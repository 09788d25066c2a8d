"""One reader of pictures: every kind of file, and the same pixels wherever a picture is read."""

import io
import struct
import zlib

import matplotlib.pyplot as plt
import numpy
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from coursekit.console import CourseError
from coursekit.data.images import images
from coursekit.data.picture import read_picture
from coursekit.learners.pictures import ImageClassifier
from coursekit.visuals.pictures import show_pictures
from tests.data.pictures import drawn, pixels, save


def as_mode(mode, picture):
    """A picture in a mode that files have, and what it must look like in RGB."""
    rgb, grey = picture.convert("RGB"), picture.convert("L")
    if mode in ("L", "1", "P", "CMYK", "YCbCr"):
        converted = rgb.convert(mode)
        return converted, converted.convert("RGB")
    if mode in ("I;16", "I", "F"):
        kind, scale = {"I;16": ("uint16", 257), "I": ("int32", 257), "F": ("float32", 1 / 255)}[
            mode
        ]
        values = (numpy.asarray(grey) * numpy.float64(scale)).astype(kind)
        return Image.fromarray(values), grey.convert("RGB")
    plain = rgb if mode == "RGBA" else grey
    layered, white = plain.copy(), plain.convert("RGB")
    alpha = Image.new("L", rgb.size, 255)
    alpha.paste(0, (0, 0, 10, 10))
    layered.putalpha(alpha)
    white.paste((255, 255, 255), (0, 0, 10, 10))
    return layered, white


MODES = [
    *(("png", mode) for mode in ("L", "1", "P", "LA", "RGBA", "I;16")),
    *(("tif", mode) for mode in ("L", "CMYK", "RGBA", "I;16", "I", "F")),
    ("gif", "P"),
    ("bmp", "L"),
    ("jpg", "L"),
    ("jpg", "CMYK"),  # which Adobe stores inverted
]


@pytest.mark.parametrize(("ending", "mode"), MODES)
def test_every_mode_becomes_eight_bit_rgb(tmp_path, ending, mode):
    """16 bits would be cut to black or white, transparent parts turn black, greys lack planes."""
    stored, wanted = as_mode(mode, drawn())
    quality = {"quality": 95} if ending == "jpg" else {}
    picture = read_picture(save(stored, tmp_path / f"x.{ending}", **quality))
    assert picture.mode == "RGB"
    difference = abs(pixels(picture) - pixels(wanted))
    assert difference.mean() < 2 if ending == "jpg" else difference.max() <= 1


def test_a_palette_with_transparency(tmp_path):
    """The transparent color of a palette would stay, in whatever color it was painted."""
    palette = drawn().convert("P")
    hole = palette.getpixel((0, 0))
    found = pixels(read_picture(save(palette, tmp_path / "x.png", transparency=hole)))
    seen = numpy.asarray(palette) != hole
    assert (found[~seen] == 255).all()
    assert (found[seen] == pixels(palette.convert("RGB"))[seen]).all()


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tif"])
def test_of_an_animation_the_first_frame(tmp_path, ending):
    """An animation would be refused, or its last frame be taken."""
    frames = [drawn(seed=number) for number in range(3)]
    options = {"save_all": True, "append_images": frames[1:]}
    options |= {"lossless": True} if ending == "webp" else {}
    picture = read_picture(save(frames[0], tmp_path / f"x.{ending}", **options))
    tolerance = 12 if ending == "gif" else 0  # a GIF has 256 colors
    assert abs(pixels(picture) - pixels(frames[0])).mean() <= tolerance


def turned(turn):
    """EXIF data that ask for a turn."""
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_photos_turned_by_exif_are_upright(tmp_path, turn, mode):
    """Phone pictures would lie on their side, or be turned twice."""
    plain = drawn(60, 40).convert(mode)
    file = save(plain, tmp_path / "x.jpg", exif=turned(turn), quality=95)
    wanted = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    assert (wanted.size == (60, 40)) == (turn < 5)
    assert (pixels(read_picture(file)) == pixels(wanted)).all()
    assert (pixels(read_picture(read_picture(file))) == pixels(wanted)).all()


@pytest.mark.parametrize("turn", [1, 6, 8])
@pytest.mark.parametrize("resize", ["crop", "squish"])
def test_exif_holds_in_draft_mode_too(tmp_path, turn, resize):
    """A JPEG decoded at a quarter of its size would keep its orientation unread."""
    file = save(drawn(800, 600), tmp_path / "x.jpg", exif=turned(turn), quality=95)
    whole = ImageOps.exif_transpose(Image.open(file))
    upright = save(whole, tmp_path / "upright.png")
    got = read_picture(file, size=64, resize=resize)
    wanted = read_picture(upright, size=64, resize=resize)
    assert abs(pixels(got) - pixels(wanted)).mean() < 1
    assert abs(pixels(got) - pixels(wanted)).max() <= 6


def test_a_tiff_turned_by_exif_is_turned_once(tmp_path):
    """PIL turns TIFF files itself while it loads them."""
    options = {"exif": turned(6), "compression": "tiff_lzw"}
    for mode in ("RGB", "L"):
        file = save(drawn(60, 40).convert(mode), tmp_path / f"{mode}.tif", **options)
        wanted = drawn(60, 40).convert(mode).convert("RGB").transpose(Image.Transpose.ROTATE_270)
        assert (pixels(read_picture(file)) == pixels(wanted)).all()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_does_not_cost_the_picture():
    """Cameras write broken EXIF; a picture whose pixels are whole would be left out."""
    exif = turned(6)
    exif[0x010F], exif[0x8769] = "maker", {0x9003: "2020:01:01 00:00:00"}
    whole, rng = exif.tobytes(), numpy.random.default_rng(0)
    for _ in range(300):
        spoilt = bytearray(whole)
        for place in rng.integers(6, len(whole), 5):
            spoilt[place] = rng.integers(256)
        stream = io.BytesIO()
        drawn(60, 40).convert("L").save(stream, "JPEG", exif=bytes(spoilt))
        assert read_picture(stream.getvalue(), size=16).size == (16, 16)


def test_the_pictures_of_the_caller_stay_as_they_are(tmp_path):
    """Draft mode or a turn would change a PIL.Image that the learner opened."""
    opened = Image.open(save(drawn(800, 600), tmp_path / "x.jpg", exif=turned(6)))
    assert read_picture(opened).size == (600, 800)
    read_picture(opened, size=32)
    assert opened.size == (800, 600)
    assert opened.getexif()[0x0112] == 6


@pytest.mark.parametrize("size", [(1, 200), (200, 1), (1, 1), (3, 1000)])
def test_pictures_one_pixel_wide(size):
    """A box of half a pixel would make PIL raise."""
    picture = Image.new("RGB", size, (10, 20, 30))
    assert (pixels(read_picture(picture, size=32)) == (10, 20, 30)).all()


def test_floats_on_any_scale(tmp_path):
    """A height map in meters, or with holes in it, would come out black."""
    meters = numpy.linspace(0, 8848, 1600, dtype=numpy.float32).reshape(40, 40)
    meters[0, 0] = numpy.nan
    greys = pixels(read_picture(save(Image.fromarray(meters), tmp_path / "x.tif")))
    assert abs(greys[..., 0] - numpy.nan_to_num(meters) * 255 / 65_535).max() <= 1
    large = read_picture(save(Image.fromarray(meters * 1e6), tmp_path / "y.tif"))
    assert pixels(large).max() == 255


@pytest.mark.parametrize(("width", "height"), [(90, 60), (60, 90), (33, 32), (20, 10)])
def test_crop_is_the_middle_square_and_squish_all_of_it(width, height):
    """The crop would be off its center, or the two be confused."""
    picture = drawn(width, height)
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    for resize, part in (("crop", box), ("squish", None)):
        wanted = picture.resize((16, 16), Image.Resampling.BILINEAR, box=part)
        got = read_picture(picture, size=16, resize=resize)
        assert abs(pixels(got) - pixels(wanted)).max() <= 1


# Arrays and tensors ----------------------------------------------------------------------------


def test_every_kind_of_array_becomes_the_same_picture(tmp_path):
    """Swapped axes or a lost scale in one of the accepted forms."""
    array = numpy.random.default_rng(0).integers(0, 256, (12, 16, 3), numpy.uint8)
    file = save(Image.fromarray(array), tmp_path / "x.png")
    tensor = torch.tensor(array).permute(2, 0, 1)
    forms = (file, str(file), file.read_bytes(), Image.fromarray(array), array, torch.tensor(array))
    for form in (*forms, tensor, tensor.float() / 255, tensor.half() / 255, array / 255):
        assert (pixels(read_picture(form)) == array).all()
    for form in (array[..., :1], array[..., 0], tensor[:1] / 255, array[..., 0].astype("int64")):
        assert (pixels(read_picture(form)) == array[..., :1]).all()
    greys = array[..., 0].astype("uint16") * 257
    assert (pixels(read_picture(greys)) == array[..., :1]).all()
    assert pixels(read_picture(numpy.array([[True, False]])))[0, :, 0].tolist() == [255, 0]
    assert (pixels(read_picture(numpy.full((2, 2, 4), [9, 9, 9, 0], "uint8"))) == 255).all()


# What is no picture ----------------------------------------------------------------------------


def png_of_declared_size(width, height):
    """The beginning of a PNG that says how large it is, and holds nothing."""

    def chunk(kind, content):
        summed = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + summed

    facts = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", facts) + ends


def encoded(picture, kind):
    """The bytes of a picture as a file."""
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (b"", "it is no picture"),
        (b"<html>404 not found</html>", "it is no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "it is no picture"),
        (encoded(drawn(400, 300), "JPEG")[:5000], "truncated"),
        (encoded(drawn(), "PNG").replace(b"\0\0\0\rIHDR", b"\0\0\0\1IHDR"), "IHDR"),
        (encoded(drawn(), "PPM"), "it is no picture"),  # a format that the course does not read
        (png_of_declared_size(40_000, 40_000), "75 million pixels"),
        (png_of_declared_size(10_000, 8_000), "75 million pixels"),
        ("nowhere.png", "no picture file nowhere.png"),
        ("/dev/stdin", "no picture file"),  # a pipe would be waited for
        ("a\0b.png", "no picture file"),
        ("https://example.org/cat.jpg", "no picture file https://example.org/cat.jpg"),
        (torch.rand(2, 3, 4, 4), r"\(2, 3, 4, 4\)"),
        (numpy.zeros((0, 4, 3), "uint8"), r"\(0, 4, 3\)"),
        (numpy.array([["a", "b"]]), "cannot be read"),
        (torch.randn(3, 40, 40), "from 0 to 1, and this array from -"),
        (numpy.full((4, 4), 200.0), "from 0 to 1, and this array from 200 to 200"),
        (numpy.full((4, 4), 60_000), "from 0 to 255, and this array"),
        (None, r"\(\)"),
    ],
)
def test_what_is_no_picture_is_refused(picture, says):
    """A traceback of PIL, a program run for PostScript, or a black or white square."""
    with pytest.raises(CourseError, match=says):
        read_picture(picture)


@pytest.mark.parametrize("options", [{"size": 0}, {"size": 10**6}, {"size": 9, "resize": "sqish"}])
def test_sizes_that_make_no_picture_are_refused(options):
    """The file would be called broken, or a misspelt word be taken for crop."""
    with pytest.raises(CourseError, match=r"size=|sqish.*squish"):
        read_picture(drawn(), **options)


# The same file, wherever it is read -------------------------------------------------------------


def kinds():
    """Files that two readers would easily read differently: (name, picture, options of saving)."""
    for mode in ("RGBA", "I;16"):
        yield f"{mode}.png".replace(";", ""), as_mode(mode, drawn())[0], {}
    yield "cmyk.jpg", as_mode("CMYK", drawn())[0], {}
    yield "turned.jpg", drawn(), {"exif": turned(6)}
    yield "palette.png", drawn().convert("P"), {"transparency": 3}
    frames = [drawn(seed=5), drawn(seed=6)]
    yield "animated.gif", frames[0], {"save_all": True, "append_images": frames[1:]}


@pytest.mark.parametrize(
    ("name", "picture", "options"), list(kinds()), ids=lambda value: str(value)[:20]
)
def test_training_display_upload_and_prediction_see_the_same_pixels(
    tmp_path, monkeypatch, name, picture, options
):
    """A transparent or 16-bit picture would be predicted from other pixels than are shown."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))
    file = save(picture, tmp_path / "pictures" / "a" / name, **options)
    save(drawn(), tmp_path / "pictures" / "b" / "b.png")
    data = images(tmp_path / "pictures", size=40, valid=0.5)
    part = data.train if f"a/{name}" in data.train.filenames else data.valid
    trained_on = part.inputs[part.filenames.index(f"a/{name}")]
    classifier = ImageClassifier(nn.Conv2d(3, 2, 1), "ab", size=40, multi_label=False)
    for found in (
        torch.tensor(show_pictures([file])[0].images[0].get_array()),  # shown
        torch.tensor(numpy.asarray(read_picture(file.read_bytes(), size=40))),  # uploaded
        classifier.pixels(file)[0].permute(1, 2, 0) * 255,  # predicted
        classifier.pixels(Image.open(file))[0].permute(1, 2, 0) * 255,
    ):
        assert (found.round().byte() == trained_on).all()
    plt.close("all")
