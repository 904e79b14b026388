"""Whatever a student's function returns, a check says something and never raises."""

import asyncio
import functools
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunelab.lessons import check
from prunelab.lessons.checks import EXERCISES
from prunelab.lessons.result import HEADINGS, Result


class Hostile:
    """Raises at whatever is asked of it, also at ``isinstance``."""

    @property
    def __class__(self):
        raise RuntimeError("no")

    def __getattr__(self, name):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __len__ = __iter__ = __bool__ = __float__ = __eq__ = __hash__ = __repr__  # type: ignore[assignment]


class Meta(type):
    @property
    def __name__(cls):
        raise RuntimeError("no")


class Nameless(metaclass=Meta):
    pass


class Liar(torch.Tensor):
    """A tensor that answers every question wrongly."""

    @property
    def shape(self):
        return "a shape"


async def later():
    return 1.0


def one_by_one():
    yield 1.0


ODD = [
    None,
    ...,
    NotImplemented,
    True,
    0,
    -1,
    10**400,
    1e-320,
    math.nan,
    -math.inf,
    1j,
    "",
    "<script>alert(1)</script>",
    b"bytes",
    [],
    [[]],
    [None],
    [1, "x"],
    [10**400],
    {},
    {"fc1": 1},
    set(),
    {1.5},
    range(3),
    print,
    type,
    object(),
    Hostile(),
    [Hostile()],
    Nameless(),
    Nameless,
    np.float64(3),
    np.array([1, "a"], dtype=object),
    np.array("text"),
    np.zeros((2, 3), dtype=bool),
    np.datetime64("now"),
    torch.tensor([]),
    torch.tensor(math.nan),
    torch.ones(3, dtype=torch.complex64),
    torch.ones(2, 3, dtype=torch.float8_e4m3fn),
    torch.ones(3, 3).to_sparse(),
    torch.ones(3, device="meta"),
    torch.ones(2, requires_grad=True),
    torch.nn.Linear(2, 2),
    torch.ones(3).as_subclass(Liar),
    io.StringIO(),
    (torch.ones(2), None),
    Exception("returned, not raised"),
]
GARBAGE = st.recursive(
    st.integers() | st.floats() | st.text(max_size=5) | st.builds(lambda n: torch.arange(n), st.integers(0, 5)),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


def sound(result: Result) -> None:
    assert result.outcome in HEADINGS
    shown = result._repr_mimebundle_()
    assert result.says and "<script" not in shown["text/html"]
    assert bool(result) == (result.outcome == "right")


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("place", range(len(ODD)))
def test_odd_values_are_words(name: str, place: int) -> None:
    result = getattr(check, name)(lambda *arguments: ODD[place])

    sound(result)
    if name != "masked_step":  # may return anything, and has done nothing here
        assert result.outcome in ("wrong", "stopped", "not begun"), result
    assert result.function is EXERCISES[name].reference


@given(GARBAGE, st.sampled_from(sorted(EXERCISES)))
@settings(max_examples=60, deadline=None)
def test_any_garbage_is_words(value: Any, name: str) -> None:
    result = getattr(check, name)(lambda *arguments: value)

    sound(result)
    assert result.outcome != "right" or name == "masked_step"


@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_no_function_is_words(name: str) -> None:
    for value in [*ODD, asyncio, "threshold", Hostile]:
        result = getattr(check, name)(value)
        sound(result)
        assert result.outcome != "right"


@pytest.mark.parametrize("name", EXERCISES)
def test_functions_of_every_kind_are_called(name: str) -> None:
    """A partial, a method, a callable object and a lambda are as good as a def."""
    reference = EXERCISES[name].reference

    class Callable:
        def __call__(self, *arguments):
            return reference(*arguments)

        def method(self, *arguments):
            return reference(*arguments)

    functions = [functools.partial(lambda *a: reference(*a)), Callable(), Callable().method, lambda *a: reference(*a)]
    assert [getattr(check, name)(function).outcome for function in functions] == ["right"] * 4


@pytest.mark.parametrize("name", EXERCISES)
def test_every_argument_that_is_changed_in_place_is_named(name: str) -> None:
    exercise = EXERCISES[name]

    def changing(*arguments):
        result = exercise.reference(*arguments)
        for value in arguments:
            if type(value) is torch.Tensor:
                value.detach().zero_()
            elif type(value) is dict:
                value.clear()
            elif type(value) is list:
                value.append(value[0])
        return result

    result = getattr(check, name)(changing)

    if name in ("digit_points", "density_of_rounds"):  # numbers cannot be changed
        assert result.outcome == "right"
    elif name == "l1_penalty":  # autograd itself refuses weights that were changed
        assert result.outcome == "stopped"
    else:
        assert result.outcome == "wrong", result
        assert "in place" in result.says
        lists = name in ("entropy", "within_budget")
        assert ("new list" in result.says, "new tensor" in result.says) == (lists, not lists)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: 1.0, "yours takes (nothing)"),
        (lambda weights: 1.0, "yours takes (weights)"),
        (lambda a, b, c: 1.0, "yours takes (a, b, c)"),
        (lambda weights, quality: later, "a function (are its brackets missing?)"),
        (lambda weights, quality: one_by_one(), "write `return`, not `yield`"),
        (lambda weights, quality: "0.5", "the text '0.5'"),
        (lambda weights, quality: weights, "a tensor of shape (30, 20)"),
        (lambda weights, quality: [quality], "a list"),
        (lambda weights, quality: True, "it returns True".capitalize()),
        (lambda weights, quality: math.nan, "yours is NaN"),
    ],
)
def test_usual_slips_are_named(function, words: str) -> None:
    result = check.threshold(function)

    assert result.outcome == "wrong"
    assert words.casefold() in result.says.casefold()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda final, rounds: (final ** (k / rounds) for k in range(1, rounds + 1)), "not `(... for ...)`"),
        (lambda final, rounds: map(float, [final] * rounds), "a map (`list(...)` makes a list of it)"),
        (lambda final, rounds: [[final]] * rounds, "One of the items that it returns is a list"),
        (lambda final, rounds: [f"{final}"] * rounds, "One of the items that it returns is the text"),
        (lambda final, rounds: np.zeros((rounds, 1)), "an array of shape (2, 1), float64"),
        (lambda final, rounds: [0.5], "For 2 rounds it returns [0.5]; needed is one density a round"),
    ],
)
def test_what_is_no_list_of_numbers_is_named(function, words: str) -> None:
    result = check.density_of_rounds(function)
    assert result.outcome == "wrong" and words in result.says, result


def dead(incoming, outgoing):
    return ~(incoming.any(1) & outgoing.any(0))


@pytest.mark.parametrize(
    "numbers",
    [
        torch.where,
        lambda mask: np.where(mask.numpy()),
        lambda mask: np.flatnonzero(mask.numpy()),
        lambda mask: np.argwhere(mask.numpy()),
        torch.argwhere,
        torch.nonzero,
        lambda mask: mask.nonzero().tolist(),
        lambda mask: list(mask.nonzero()),
        lambda mask: mask.nonzero(as_tuple=True),
        lambda mask: {i for i, each in enumerate(mask) if each},
        lambda mask: mask.nonzero().flatten().double(),
    ],
)
def test_numbers_of_neurons_are_taken_in_every_form_in_which_they_are_found(numbers) -> None:
    result = check.dead_neurons(lambda incoming, outgoing: numbers(dead(incoming, outgoing)))
    assert result.outcome == "right", result


@pytest.mark.parametrize("form", [torch.Tensor.bool, torch.Tensor.tolist, torch.Tensor.numpy])
def test_a_mask_in_place_of_numbers_is_named(form) -> None:
    result = check.dead_neurons(lambda incoming, outgoing: form(dead(incoming, outgoing)))
    assert result.outcome == "wrong" and "`mask.nonzero().flatten()`" in result.says


@pytest.mark.parametrize(
    "pair",
    [
        lambda means, variances: np.stack([means, variances]),
        lambda means, variances: torch.stack([means, variances]),
        lambda means, variances: np.stack([means, variances]).tolist(),
        lambda means, variances: (means.numpy(), variances.tolist()),
    ],
)
def test_two_rows_are_means_and_variances_whoever_made_them(pair) -> None:
    result = check.renewed_statistics(lambda x: pair(x.mean(0), x.var(0, correction=0)))
    assert result.outcome == "right", result


def test_digits_that_are_not_rounded_are_right_in_single_precision_too() -> None:
    assert check.digit_points(lambda a, b, digits: (torch.tensor(b) - torch.tensor(a)) * digits)


def test_a_step_by_another_optimizer_differs_in_numbers() -> None:
    def masked_step(model, masks, optimizer, inputs, targets, loss):
        optimizer.state.clear()
        EXERCISES["masked_step"].reference(model, masks, optimizer, inputs, targets, loss)

    result = check.masked_step(masked_step)
    assert result.outcome == "wrong" and "in the root mean square, ours" in result.says


def test_a_coroutine_is_named_and_leaves_no_warning() -> None:
    async def threshold(weights, quality):
        return 1.0

    assert "not `async def`" in check.threshold(threshold).says


def test_a_way_through_without_a_return_is_named() -> None:
    def threshold(weights, quality):
        survivors = weights[weights != 0]
        if len(survivors) > 1:
            return quality * survivors.std(correction=0)

    result = check.threshold(threshold)
    assert result.outcome == "wrong" and "without a `return`" in result.says


def test_the_cell_run_twice_says_that_ours_stands_there() -> None:
    ours = check.threshold(lambda weights, quality: 3.0).function
    result = check.threshold(ours)

    assert result.outcome == "not begun" and "This is ours" in result.says


def test_a_failure_can_be_repeated_with_its_arguments() -> None:
    def mask(weights, threshold):
        return weights.abs() > threshold

    result = check.mask(mask)

    assert result.arguments is not None
    assert "(seed 2)" in result.says
    assert not torch.equal(mask(*result.arguments), EXERCISES["mask"].reference(*result.arguments))
