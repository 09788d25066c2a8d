"""Batches: every example once, from shared memory, and a fingerprint that can be trusted."""

import numpy
import pandas
import pytest
import torch

import coursekit as ck
from coursekit.console import CourseError
from coursekit.data import batches as batches_module


def numbered(count, **options):
    """Batches whose inputs and targets are the numbers of the examples."""
    x = torch.arange(count, dtype=torch.float32).view(-1, 1)
    return ck.Batches(x, torch.arange(count), **options)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 15, 16, 17, 18])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_example_comes_once_an_epoch(count, shuffle):
    """Guards against examples lost at the end, seen twice, or parted from their targets."""
    batches = numbered(count, batch_size=8, shuffle=shuffle)
    for _ in range(2):
        seen = list(batches)
        assert len(seen) == len(batches)
        assert all(torch.equal(x[:, 0].long(), y) for x, y in seen)
        assert sorted(number for _, y in seen for number in y.tolist()) == list(range(count))


def test_shuffled_anew_every_epoch_by_torchs_random_numbers():
    """Guards against one order for all epochs, or one that a seed cannot bring back."""
    batches = numbered(50, batch_size=8, shuffle=True)

    def order():
        return torch.cat([y for _, y in batches]).tolist()

    torch.manual_seed(0)
    first, second = order(), order()
    torch.manual_seed(0)
    assert order() == first != second
    torch.manual_seed(0)
    assert first == torch.randperm(50).tolist()


@pytest.mark.parametrize(
    ("count", "shuffle", "sizes"),
    [
        (17, True, [8, 9]),  # a batch norm cannot take a single example
        (17, False, [8, 8, 1]),
        (18, True, [8, 8, 2]),
        (1, True, [1]),
        (16, True, [8, 8]),
    ],
)
def test_a_last_single_example_is_joined_to_the_batch_before_it(count, shuffle, sizes):
    """Guards against "Expected more than 1 value per channel" at the end of an epoch."""
    assert [len(y) for _, y in numbered(count, batch_size=8, shuffle=shuffle)] == sizes


def test_a_subset_shares_the_memory_of_the_whole():
    """Guards against a copy of all pictures for every split."""
    array = numpy.arange(40, dtype=numpy.uint8).reshape(20, 2)
    whole = ck.Batches(array, torch.arange(20), batch_size=4)
    part = whole.subset([3, 5, 8]).subset([2, 0])
    assert part.num_examples == 2
    assert part.targets.tolist() == [8, 3]
    array[8] = 99
    assert part.one_batch()[0].tolist() == [[99, 99], [6, 7]]
    assert numpy.asarray(part.inputs).tolist() == [[99, 99], [6, 7]]
    assert whole.inputs.data_ptr() == torch.from_numpy(array).data_ptr()
    assert whole.num_examples == 20


def test_in_order_is_unshuffled_and_not_augmented():
    """Guards against predictions in another order than the targets."""
    whole = numbered(
        20, batch_size=8, shuffle=True, augment=lambda x: x + 100, transform=lambda x: x * 2
    )
    plain, moved = whole.sequential(), whole.sequential(augment=lambda x: x + 1)
    assert torch.cat([y for _, y in plain]).tolist() == list(range(20))
    assert plain.one_batch()[0][3].item() == 6
    assert moved.one_batch()[0][3].item() == 7
    assert whole.shuffle
    assert whole.one_batch()[0].min() >= 100


def test_no_targets():
    """Guards against a test part that cannot be predicted for want of labels."""
    batches = ck.Batches(torch.randn(5, 3), batch_size=2)
    assert [y for _, y in batches] == [None, None, None]
    assert batches.targets is None
    assert batches.subset([1, 2]).targets is None
    assert batches.fingerprint()
    learn = ck.Learner(ck.Data(batches, batches), torch.nn.Linear(3, 2), ck.cross_entropy)
    said = learn.predict(batches)
    assert said.scores.shape == (5, 2)
    assert said.targets is None


def test_tuples_of_inputs_and_targets():
    """Guards against a tuple of one that is unpacked, or parts that are shuffled apart."""
    x, y = torch.arange(9), torch.arange(9) * 2
    batches = ck.Batches((x, y.float()), (x, y), batch_size=4, shuffle=True)
    for (left, right), (one, two) in batches:
        assert torch.equal(left * 2, right.long())
        assert torch.equal(one, left)
        assert torch.equal(two, one * 2)
    single = ck.Batches((x,), batch_size=4)
    assert isinstance(single.one_batch()[0], tuple)
    assert isinstance(single.inputs, tuple)
    part = batches.subset([4, 2])
    assert [part.tolist() for part in part.targets] == [[4, 2], [8, 4]]


@pytest.mark.parametrize("mode", ["r", "c"])
@pytest.mark.filterwarnings("error")
def test_memory_mapped_arrays(tmp_path, mode):
    """Guards against an array read whole into memory, or changed on the disk, or a warning."""
    file = tmp_path / "pictures.npy"
    numpy.save(file, numpy.arange(24, dtype=numpy.uint8).reshape(6, 4))
    batches = ck.Batches(numpy.load(file, mmap_mode=mode), torch.arange(6), batch_size=4)
    x, _ = batches.one_batch()
    assert x.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]
    x += 1
    assert numpy.load(file)[0].tolist() == [0, 1, 2, 3]
    assert batches.fingerprint() == batches.subset(range(6)).fingerprint()


NUMBERS = [[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]]


@pytest.mark.parametrize(
    "inputs",
    [
        *(numpy.array(NUMBERS, kind) for kind in ("uint8", "uint16", "int32", "float16", "bool")),
        numpy.array(NUMBERS),
        numpy.array(NUMBERS, object),
        NUMBERS,
        [torch.tensor(row) for row in NUMBERS],
        pandas.DataFrame(NUMBERS, index=[7, 8, 9]),
        pandas.DataFrame({"a": [0.5, 2, 4], "b": pandas.array([1, 3, 5], "Int64")}),
    ],
)
@pytest.mark.parametrize("as_targets", [list, numpy.array, lambda y: pandas.Series(y, [4, 4, 5])])
def test_numbers_of_numpy_and_pandas_can_be_trained_on(inputs, as_targets):
    """float64 and int32 would fail in the middle of torch, a Series by its index."""
    names = pandas.Series([*"abc"], [5, 6, 7])
    batches = ck.Batches(inputs, as_targets([0, 1, 1]), batch_size=2, filenames=names)
    x, y = batches.one_batch()
    assert torch.equal(x.double(), torch.tensor(numpy.asarray(inputs, float)[:2]).double())
    assert y.tolist() == [0, 1]
    assert y.dtype == torch.int64
    assert x.dtype not in (torch.float64, torch.float16, torch.uint16)
    assert batches.subset([2]).filenames == ["c"]
    assert batches.fingerprint()


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([2, 0], [2, 0]),
        (range(1, 3), [1, 2]),
        (slice(3, None), [3, 4]),
        ([False, True, True, False, False], [1, 2]),
        (pandas.Series([1, 4], [8, 9]), [1, 4]),
        (torch.tensor([False, False, False, True, True]), [3, 4]),
        ([], []),
    ],
)
def test_subsets_by_numbers_masks_and_slices(rows, wanted):
    """A mask would be taken for the rows 0 and 1."""
    assert numbered(5).subset(rows).targets.tolist() == wanted
    assert numbered(9).subset(range(4, 9)).subset(rows).targets.tolist() == [4 + n for n in wanted]


# Fingerprints -----------------------------------------------------------------------------------


def double(x):
    """twice x."""
    return x * 2


def halve(x):
    """half of x."""
    return x / 2


def test_equal_batches_have_equal_fingerprints():
    """A fit that is never resumed, or gigabytes hashed in spite of a key."""
    how = {"batch_size": 8, "transform": double, "augment": ck.side_on}
    one = numbered(20, **how)
    assert one.fingerprint() == numbered(20, **how).fingerprint()
    zeros, ones = (ck.Batches(x, cache_key="the same") for x in torch.eye(2).view(2, 2, 1))
    assert zeros.fingerprint() == ones.fingerprint()
    assert one.fingerprint() == one.subset(range(20)).fingerprint()


def test_whatever_changes_the_batches_changes_the_fingerprint():
    """Guards against a fit resumed on other data."""
    x, y = torch.arange(20.0).view(-1, 1), torch.arange(20)
    changed, other = x.clone(), y.clone()
    changed[13] += 1e-6 * changed[13]
    other[3] = 4
    prints = [
        batches.fingerprint()
        for batches in (
            ck.Batches(x, y),
            ck.Batches(changed, y),
            ck.Batches(x, other),
            ck.Batches(x.double(), y),
            ck.Batches(x.view(10, 2), y[:10]),
            ck.Batches(x),
            ck.Batches(x, y, batch_size=32),
            ck.Batches(x, y, shuffle=True),
            ck.Batches(x, y, augment=ck.side_on),
            ck.Batches(x, y, augment=ck.top_down),
            ck.Batches(x, y, augment=ck.Augment(rotate=11)),
            ck.Batches(x, y, augment=double),
            ck.Batches(x, y, transform=double),
            ck.Batches(x, y, transform=halve),
            ck.Batches(x, y).subset(range(19)),
            ck.Batches(x, y).subset([1, 0, *range(2, 20)]),
            ck.Batches(x, y, cache_key="one"),
            ck.Batches(x, y, cache_key="two"),
        )
    ]
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize("chunk", [1, 8, 2**26])
def test_the_fingerprint_of_a_large_array_is_that_of_all_its_rows(monkeypatch, chunk):
    """A part of the rows that is never looked at."""
    monkeypatch.setattr(batches_module, "HASHED_AT_ONCE", chunk)
    array = torch.zeros(40, 3)
    prints = [ck.Batches(array).fingerprint()]
    for row in (0, 7, 39):
        array[row, 2] += row + 1
        prints.append(ck.Batches(array).fingerprint())
        prints.append(ck.Batches(array).subset([row]).fingerprint())
    assert len(set(prints)) == len(prints)


# Bad input --------------------------------------------------------------------------------------


WORDS = numpy.array(["cat", "dog", "cat"])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ck.Batches(torch.zeros(5, 2), torch.zeros(4)), r"differ in length \(\[4, 5\]\)"),
        (lambda: ck.Batches((torch.zeros(5), torch.zeros(6))), "differ in length"),
        (lambda: numbered(5, filenames=["a"]), r"differ in length \(\[1, 5\]\)"),
        (lambda: ck.Batches(()), "differ in length"),
        (lambda: ck.Batches(torch.zeros(3), WORDS), "targets hold .*cat.*factorize"),
        (lambda: ck.Batches(pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})), "inputs hold"),
        (lambda: ck.Batches(pandas.date_range("2020", periods=3)), "inputs hold"),
        (lambda: ck.Batches([[1, 2], [3]]), "Batches cannot use"),
        (lambda: ck.Batches(torch.tensor(1.0)), "inputs hold"),
        (lambda: ck.Batches("pictures"), "inputs hold .*pictures"),
        (lambda: numbered(5, batch_size=0), "batch_size=0 "),
        (lambda: numbered(5, augment="side_on"), "augment='side_on'"),
        (lambda: numbered(5).subset([5]), "row numbers below 5"),
        (lambda: numbered(5).subset([-1]), "row numbers below 5"),
        (lambda: numbered(5).subset([True, False]), "mask of 5"),
        (lambda: numbered(5).subset(["a"]), "row numbers"),
    ],
)
def test_bad_batches_are_refused(make, sentence):
    """Guards against an error in the middle of an epoch, or none at all."""
    with pytest.raises(CourseError, match=sentence):
        make()


def test_data_put_together_by_hand_have_no_attribute_of_a_reader():
    """A class of data that answers to every name, so that a misspelt one is None."""
    data = ck.Data(numbered(8), numbered(8))
    assert not hasattr(data, "vocabulary")
    assert getattr(data, "size", 224) == 224
    with pytest.raises(AttributeError, match="clases"):
        data.clases  # noqa: B018


def test_what_a_notebook_shows():
    """Guards against a page of numbers where a line was wanted."""
    batches = numbered(1234, batch_size=100, shuffle=True)
    assert repr(batches) == "Batches(1,234 examples, 13 batches of 100, shuffled)"
    data = ck.Data(batches, numbered(5), classes=("cats", "dogs"))
    assert repr(data) == "Data(train 1,234, valid 5; 2 classes: cats, dogs)"
    assert repr(ck.Data(batches, [])) == "Data(train 1,234)"
    fewer = data.replace(train=numbered(7))
    assert (fewer.train.num_examples, fewer.valid, fewer.classes) == (7, data.valid, data.classes)
