import os

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from prunelab import data, hardware
from prunelab.data import custom, mnist
from prunelab.recipe import DATASETS


def rows(x: torch.Tensor) -> list[bytes]:
    return sorted(sample.numpy().tobytes() for sample in x)


def test_digits_are_whole_images_in_range():
    digits = data.load("digits")
    assert digits.name == "digits" and digits.classes == 10 and digits.input_shape == (1, 8, 8)
    for x, y in ((digits.train_x, digits.train_y), (digits.test_x, digits.test_y)):
        assert x.dtype == torch.float32 and y.dtype == torch.int64 and len(x) == len(y)
        assert x.min() == 0 and x.max() == 1
        assert torch.equal(x * 16, (x * 16).round())


def test_the_digits_split_is_complete_disjoint_and_stratified():
    # Complete and disjoint together: the samples of every split, sorted, are the same 1,797 samples.
    splits = [data.load("digits", seed) for seed in (0, 1, 2)]
    parts = [rows(torch.cat([d.train_x, d.test_x])) for d in splits]
    assert len(parts[0]) == 1797 and parts[0] == parts[1] == parts[2]
    for d in splits:
        train, test = d.train_y.bincount(minlength=10), d.test_y.bincount(minlength=10)
        assert ((test / (train + test) - 0.2).abs() < 0.005).all()
        assert set(rows(d.train_x)).isdisjoint(rows(d.test_x))


def test_the_seed_decides_the_split_and_nothing_else_does():
    torch.manual_seed(1)
    np.random.seed(1)
    first = data.load("digits", seed=5)
    after = torch.rand(3), np.random.rand(3)
    torch.manual_seed(1)
    np.random.seed(1)
    assert torch.equal(after[0], torch.rand(3)), "the global random state was used"
    assert (after[1] == np.random.rand(3)).all(), "the global random state was used"
    assert torch.equal(first.test_x, data.load("digits", seed=5).test_x)
    assert not torch.equal(first.test_x, data.load("digits", seed=6).test_x)


FIRST_TEST_LABELS = [3, 7, 3, 9, 0, 8, 7, 0, 8, 0, 3, 3]


def test_a_split_stays_the_same_for_good():
    # A link says only the seed: were this to change, the numbers behind every link made so far would change too.
    assert data.load("digits", seed=0).test_y[:12].tolist() == FIRST_TEST_LABELS


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'cifar'.*digits, mnist"):
        data.load("cifar")


@pytest.mark.skipif(not os.environ.get("PRUNELAB_DATA"), reason="PRUNELAB_DATA names no MNIST")
def test_mnist_has_its_official_split():
    mnist = data.load("mnist", seed=3)
    assert mnist.train_x.shape == (60_000, 1, 28, 28) and mnist.test_x.shape == (10_000, 1, 28, 28)
    assert mnist.train_x.dtype == torch.float32 and mnist.train_y.dtype == torch.int64
    assert mnist.train_x.min() == 0 and mnist.train_x.max() == 1
    assert mnist.train_y[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test_y[:5].tolist() == [7, 2, 1, 0, 4]
    assert mnist.train_x.mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert mnist.classes == 10 and mnist.input_shape == (1, 28, 28)


def test_every_name_of_a_recipe_can_be_loaded(monkeypatch):
    tensors = (torch.zeros(1, 1, 28, 28), torch.zeros(1, dtype=torch.int64)) * 2
    monkeypatch.setattr(mnist, "read", lambda progress: tensors)
    assert [data.load(name).name for name in DATASETS] == list(DATASETS)


X = torch.rand(6, 3)
Y = torch.tensor([0, 1, 2, 0, 1, 2])
GOOD = (X, Y)


class Items(Dataset):
    """A map-style dataset of the given items."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class Endless(IterableDataset):
    def __iter__(self):
        yield X[0], 0


class Counted(Endless):
    def __len__(self):
        return 3


def test_own_takes_tensors_arrays_lists_and_datasets():
    forms = [
        GOOD,
        [X, Y],
        (X.numpy().astype(np.float64), Y.numpy().astype(np.uint8)),
        (X.tolist(), Y.tolist()),
        TensorDataset(X, Y),
        Items(*zip(X.numpy(), Y.tolist(), strict=True)),
        Items(*zip(X, Y.numpy(), strict=True)),
    ]
    for form in forms:
        mine = data.own(form, GOOD, name="mine")
        assert mine.train_x.dtype == torch.float32 and mine.train_y.dtype == torch.int64
        torch.testing.assert_close(mine.train_x, X, rtol=0, atol=1e-6)
        assert torch.equal(mine.train_y, Y)
        assert (mine.classes, mine.name, mine.input_shape) == (3, "mine", (3,))


def test_own_scales_bytes_and_detaches():
    pixels = torch.tensor([[0, 51], [255, 102]], dtype=torch.uint8)
    labels = torch.tensor([0, 1])
    for form in ((pixels, labels), TensorDataset(pixels, labels)):
        x = data.own(form, form).train_x
        torch.testing.assert_close(x, torch.tensor([[0.0, 0.2], [1.0, 0.4]]))
    grown = data.own((X.clone().requires_grad_(), Y), GOOD).train_x
    assert not grown.requires_grad


def test_own_reads_an_array_that_cannot_be_written():
    x = X.numpy().copy()
    x.setflags(write=False)
    assert torch.equal(data.own((x, Y), GOOD).train_x, X)


def test_own_counts_classes():
    assert data.own(GOOD, (X[:2], Y[:2])).classes == 3
    assert data.own(GOOD, GOOD, classes=7).classes == 7


def bad(x=X, **cells):
    x = x.clone()
    for value in cells.values():
        x[4, 1] = value
    return x


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((X, Y[:5]), "train: 6 samples in x, 5 labels in y"),
        ((X[:0], Y[:0]), r"train x: shape \(0, 3\).*at least one sample"),
        ((X[:, 0], Y), r"train x: shape \(6,\)"),
        ((X[:, :0], Y), r"train x: shape \(6, 0\)"),
        ((X, Y.float()), "train y: dtype torch.float32.*long"),
        ((X, Y.bool()), "train y: dtype torch.bool"),
        ((X, Y[:, None]), r"train y: shape \(6, 1\).*squeeze"),
        ((X, Y - 1), "train y: label -1 at index 0"),
        ((X, Y * 0), "all labels are 0"),
        ((X.bool(), Y), "train x: dtype torch.bool"),
        ((X.to(torch.complex64), Y), "train x: dtype torch.complex64"),
        ((bad(value=float("nan")), Y), "train x: sample 4 contains nan"),
        ((bad(value=-float("inf")), Y), "train x: sample 4 contains -inf"),
        ((bad(X.double(), value=1e300), Y), "train x: sample 4 contains inf as float32"),
        (Items(), "train: the dataset is empty"),
        (Items((X[0], 0), (X[1], 1), (X[2, :2], 1)), r"train: sample 2 has shape \(2,\), sample 0 has \(3,\)"),
        (Items((X[0], 0), (X[1], -3)), "label -3 at index 1"),
        (Items((X[0], 0), (X[1], 1.0)), "y of item 1: dtype torch.float"),
        (Items((X[0], 0), (X[1], True)), "y of item 1: dtype torch.bool"),
        (Items((X[0], torch.tensor([0, 1]))), r"y of item 0 has shape \(2,\).*argmax"),
        (Items((X[0], 0), (bad()[4] * float("nan"), 1)), "sample 1 contains nan"),
        (Items((X[0, 0], 0), (X[0, 1], 1)), "a sample is a single number"),
        ((np.ma.masked_less(X.numpy(), 2), Y), "train x: .* values are masked; fill them"),
        ((X, np.ma.masked_equal(Y.numpy(), 1)), "train y: .* values are masked"),
        (Items((np.ma.masked_array([1.0, 2.0], [False, True]), 0)), "x of item 0: 1 values are masked"),
    ],
)
def test_own_refuses_values_that_cannot_be_trained_on(train, message):
    with pytest.raises(ValueError, match=message):
        data.own(train, GOOD)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (X, "train: item 0 is Tensor"),
        (Endless(), "train: Endless is neither.*iterable"),
        (Counted(), "train: Counted is neither.*iterable"),
        (None, "NoneType"),
        (Items(X[0]), "item 0 is Tensor"),
        (Items(("a picture", 0)), "x of item 0 is str.*ToTensor"),
        ((np.array(["a", "b"]), [0, 1]), "train x: cannot be read as a tensor"),
        ((X, list("abcabc")), r"train y: cannot be read as a tensor \(<U1 is no type of numbers.*number such labels"),
        ((X.numpy().astype(object), Y), "train x: cannot be read as a tensor .object is no type of numbers"),
        ((X.to_sparse(), Y), r"train x: a tensor of layout torch.sparse_coo; .*to_dense"),
        ({"x": X, "y": Y}, "train: dict is neither a pair"),
        (TensorDataset(X, Y, Y), "item 0 is tuple of 3; it must be a pair"),
        (([[1.0], [1.0, 2.0]], [0, 1]), "train x: cannot be read as a tensor"),
    ],
)
def test_own_refuses_other_things(train, message):
    with pytest.raises(TypeError, match=message):
        data.own(train, GOOD)


@pytest.mark.parametrize("kind", [">f4", ">f8", "<f4", ">i8", ">u2"])
def test_numbers_of_any_byte_order_are_read(kind):
    x = np.arange(18).reshape(6, 3)
    mine = data.own((x.astype(kind), Y.numpy().astype(">i8")), (x.astype(kind), Y))
    assert np.array_equal(mine.train_x.numpy(), x) and torch.equal(mine.train_y, Y)


def test_a_mask_that_masks_nothing_and_a_number_of_numpy_are_no_mistakes():
    mine = data.own((np.ma.masked_array(X.numpy()), Y), GOOD, classes=np.int64(3))
    assert torch.equal(mine.train_x, X) and mine.classes == 3 and type(mine.classes) is int


@pytest.mark.parametrize("classes", [0, 1, 2.0, True])
def test_own_refuses_a_number_of_classes_that_is_none(classes):
    with pytest.raises(ValueError, match=f"classes = {classes}"):
        data.own(GOOD, GOOD, classes=classes)


def test_labels_outside_the_classes_name_the_offender():
    with pytest.raises(ValueError, match="train y: label 2 at index 2, but classes = 2 allows"):
        data.own(GOOD, GOOD, classes=2)
    with pytest.raises(ValueError, match="test y: label 5 at index 1.*end at 2.*classes="):
        data.own(GOOD, (X[:2], torch.tensor([0, 5])))


def test_train_and_test_samples_must_have_one_shape():
    with pytest.raises(ValueError, match=r"training sample has shape \(3,\), a test sample \(2,\)"):
        data.own(GOOD, (X[:, :2], Y))


def test_errors_of_the_test_set_say_test():
    with pytest.raises(ValueError, match="test: 6 samples in x"):
        data.own(GOOD, (X, Y[:2]))


def test_a_dataset_larger_than_memory_is_refused_before_it_is_read(monkeypatch):
    reads = []

    class Huge(Items):
        def __len__(self):
            return 1_000_000

        def __getitem__(self, i):
            reads.append(i)
            return X[0], 0

    monkeypatch.setattr(custom, "memory", lambda: 10 * 2**20)
    with pytest.raises(MemoryError, match=r"1000000 samples of shape \(3,\) need 0.0 GiB"):
        data.own(Huge(), GOOD)
    assert reads == [0]


def test_memory_is_known_here():
    free = hardware.memory()
    assert free is None or free > 2**20


def test_whole_numbers_stay_whole_as_token_ids():
    ids = torch.tensor([[3, 0], [1, 2], [9, 9]])
    labels = torch.tensor([0, 1, 1])
    unsigned = [(ids.numpy().astype(kind), labels) for kind in (np.uint16, np.uint32, np.uint64)]
    forms = [(ids, labels), (ids.int(), labels), (ids.to(torch.int16).numpy(), labels), TensorDataset(ids, labels)]
    for form in (*forms, *unsigned, (ids.to(torch.uint16), labels)):
        x = data.own(form, form).train_x
        assert x.dtype == torch.int64 and torch.equal(x, ids)


def test_values_are_taken_as_targets_of_any_shape():
    targets = [torch.rand(6), torch.rand(6, 2), torch.rand(6).double(), torch.randint(-2, 3, (6, 2, 2)), Y.bool()]
    for y in targets:
        for form in ((X, y), TensorDataset(X, y), (X.numpy(), y.numpy())):
            mine = data.own(form, form, values=True)
            assert mine.classes is None and mine.train_y.shape == y.shape
            assert mine.train_y.dtype == (torch.float32 if y.is_floating_point() else torch.int64)
            torch.testing.assert_close(mine.train_y, y.to(mine.train_y.dtype))
    assert data.own((X, Y), (X, Y)).digest != data.own((X, Y), (X, Y), values=True).digest


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ((X, torch.rand(5)), "train: 6 samples in x, 5 labels"),
        ((X, torch.tensor([0, 1, 2, 3, float("nan"), 5])), "train y: sample 4 contains nan"),
        ((X, torch.rand(6).to(torch.complex64)), "train y: dtype torch.complex64"),
        (Items((X[0], torch.rand(2)), (X[1], torch.rand(3))), r"y of item 1 has shape \(3,\), of item 0 \(2,\)"),
    ],
)
def test_values_that_cannot_be_compared_are_refused(part, message):
    with pytest.raises(ValueError, match=message):
        data.own(part, (X, torch.rand(6)), values=True)


def test_values_of_training_and_test_have_one_shape_and_no_number_of_classes():
    with pytest.raises(ValueError, match=r"training target has shape \(2,\), a test target \(\)"):
        data.own((X, torch.rand(6, 2)), (X, torch.rand(6)), values=True)
    with pytest.raises(ValueError, match="classes = 3, values = True"):
        data.own(GOOD, GOOD, classes=3, values=True)
    with pytest.raises(ValueError, match="classification only; .*loss='mse'"):
        data.own((X, torch.rand(6)), GOOD)


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize(
    ("dtypes", "message"),
    [
        ([torch.int64, torch.float32, torch.float32], "x of item 1 has dtype torch.float32, x of item 0 torch.int64"),
        ([torch.float32, torch.float32, torch.uint8], "x of item 2 has dtype torch.uint8, x of item 0 torch.float32"),
        ([torch.uint8, torch.int16], "x of item 1 has dtype torch.int16, x of item 0 torch.uint8"),
    ],
)
def test_items_of_several_types_are_refused(dtypes, message, values):
    # Fractions would be cut off in silence, or some samples divided by 255 and others not.
    items = Items(*((torch.tensor([2.9, 3.9]).to(dtype), i) for i, dtype in enumerate(dtypes)))
    with pytest.raises(ValueError, match=f"train: {message}.*one type"):
        data.own(items, items, values=values)


def test_items_that_differ_in_width_alone_are_read_as_one_type():
    x = torch.tensor([[0.5, 0.25], [1.5, 3.0]])
    for items in (Items((x[0], 0), (x[1].double(), 1)), Items((x[0].half().numpy(), 0), (x[1], 1))):
        assert torch.equal(data.own(items, items).train_x, x)
    whole = Items((torch.tensor([1, 2]), 0), (torch.tensor([3, 4]).short(), 1))
    assert data.own(whole, whole).train_x.tolist() == [[1, 2], [3, 4]]


def test_targets_of_several_types_lose_nothing():
    items = Items((X[0], 1), (X[1], 0.5), (X[2], True))
    assert data.own(items, items, values=True).train_y.tolist() == [1.0, 0.5, 1.0]


def test_train_and_test_must_have_one_type():
    whole = (X * 10).long()
    with pytest.raises(ValueError, match="a training sample is torch.int64, a test sample torch.float32; bring both"):
        data.own((whole, Y), GOOD)
    with pytest.raises(ValueError, match="a training target is torch.float32, a test target torch.int64; bring both"):
        data.own((X, torch.rand(6)), (X, Y), values=True)
    pixels = (X * 255).byte()
    assert data.own((pixels, Y), GOOD).train_x.dtype == torch.float32, "pixels are scaled, and floating point"


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        (Items((X[0, :0], 0), (X[1, :0], 1)), False, r"train: x of item 0 has shape \(0,\).*at least one value"),
        (Items((X[0], X[0, :0]), (X[1], X[1, :0])), True, r"train y: shape \(2, 0\).*at least one value"),
        ((X, X[:, :0]), True, r"train y: shape \(6, 0\).*at least one value"),
        ((X[:, :0], X), True, r"train x: shape \(6, 0\).*at least one value"),
    ],
)
def test_samples_and_targets_without_values_are_refused(part, values, message):
    with pytest.raises(ValueError, match=message):
        data.own(part, part, values=values)


SAMPLES, LABELS = torch.rand(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("parts", "classes", "message"),
    [
        ((SAMPLES, LABELS[:3], SAMPLES, LABELS), 3, "train: 6 samples in x, 3 labels in y"),
        ((SAMPLES, LABELS, SAMPLES, LABELS[:3]), 3, "test: 6 samples in x, 3 labels in y"),
        ((SAMPLES, LABELS, SAMPLES[:3], LABELS), 3, "test: 3 samples in x, 6 labels in y"),
        ((SAMPLES, LABELS, SAMPLES[:0], LABELS[:0]), 3, "test x: shape (0, 3)"),
        ((SAMPLES, LABELS, torch.full_like(SAMPLES, torch.nan), LABELS), 3, "test x: sample 0 contains nan as float32"),
        ((SAMPLES, SAMPLES, SAMPLES, SAMPLES.double() / 0), None, "test y: sample 0 contains inf as float64"),
        (
            (SAMPLES, LABELS + 5, SAMPLES, LABELS),
            3,
            "train y: label 5 at index 0, but classes = 3 allows labels from 0 to 2",
        ),
        (
            (SAMPLES, LABELS, SAMPLES, torch.where(LABELS == 1, -100, LABELS)),
            3,
            "test y: label -100 at index 1; labels begin at 0",
        ),
        ((SAMPLES, LABELS[:, None], SAMPLES, LABELS[:, None]), 3, "train y: shape (6, 1); it must be (samples,)"),
        ((SAMPLES, LABELS, SAMPLES[:, :2], LABELS), 3, "a training sample has shape (3,), a test sample (2,)"),
        (
            (SAMPLES, LABELS, SAMPLES.double(), LABELS),
            3,
            "a training sample is torch.float32, a test sample torch.float64",
        ),
    ],
)
def test_data_that_are_made_by_hand_are_checked_as_own_ones(parts, classes, message):
    with pytest.raises(ValueError) as error:
        data.Data("mine", *parts, classes)

    assert message in str(error.value)


@pytest.mark.parametrize("place", range(4))
def test_data_that_are_made_by_hand_are_tensors(place):
    parts = [SAMPLES, LABELS, SAMPLES, LABELS]
    parts[place] = parts[place].numpy()

    with pytest.raises(TypeError, match=r"is a ndarray: must be a tensor; prunelab\.data\.own"):
        data.Data("mine", *parts, 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64, torch.bool])
def test_data_of_any_type_are_told_apart_by_their_digest(dtype):
    x = (SAMPLES * 4).to(dtype)
    changed = x.clone()
    changed[2, 1] = 0 if x[2, 1] else 1
    first, same, other = (data.Data("mine", each, LABELS, each, LABELS, 3) for each in (x, x.clone(), changed))

    assert first.digest == same.digest != other.digest


@pytest.mark.parametrize("seed", [None, 0.5, -1, 2**32, True, "0"])
def test_a_seed_that_is_none_is_refused_in_words(seed):
    digits = data.load("digits", np.int64(0))
    assert torch.equal(data.hold_out(digits, seed=np.int64(3)).test_x, data.hold_out(digits, seed=3).test_x)

    for draws in (lambda: data.load("digits", seed), lambda: data.hold_out(digits, seed=seed)):
        with pytest.raises(ValueError, match="seed = .*: must be a whole number from 0"):
            draws()


@pytest.mark.parametrize("share", [float("nan"), float("inf"), "0.2", None, True])
def test_a_share_to_hold_out_that_is_no_number_is_refused_in_words(share):
    with pytest.raises(ValueError, match="share = .*: must be a number between 0 and 1"):
        data.hold_out(data.load("digits"), share)


@pytest.mark.parametrize("given", [((SAMPLES, LABELS), (SAMPLES, LABELS)), (SAMPLES, LABELS), "digits"])
def test_data_to_hold_out_from_that_are_none_yet_are_told_the_way(given):
    with pytest.raises(TypeError, match=r"make it one first, prunelab\.data\.own\(train, test\)"):
        data.hold_out(given)


@pytest.mark.parametrize("name", [["digits"], {"digits"}, None, 7])
def test_a_name_that_is_no_text_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="there is no such data set; known are digits, mnist"):
        data.load(name)
