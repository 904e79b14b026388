"""Predictions beside what came out."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunelab.lessons import check


def test_a_guess_that_is_not_made_is_not_begun() -> None:
    assert check.guess(None, 5).outcome == "not begun"
    assert check.guess(..., 5).outcome == "not begun"


def test_a_guess_within_is_right_and_says_both() -> None:
    result = check.guess(30, 31.7, within=2, unit="%")

    assert result.outcome == "right"
    assert result.says == "You guessed 30 %, and it is 31.7 %: close enough (within 2 %)."
    assert result.function is None
    assert check.guess(31.7, 31.7).says == "You guessed 31.7, and it is 31.7."


def test_a_guess_outside_says_how_far_and_in_which_direction() -> None:
    assert check.guess(90, 55.9, within=5).says == "You guessed 90, and it is 55.9: 34.1 too high."
    assert check.guess(10, 55.9, within=5).says.endswith("45.9 too low.")
    assert check.guess(90, 55.9, unit="%").says.endswith("34.1 points too high.")


def test_a_guess_cannot_fail_and_its_answer_has_the_digits_that_matter() -> None:
    result = check.guess(90, 95.766, within=2, unit="%")
    assert repr(result) == "A surprise: You guessed 90 %, and it is 95.8 %: 5.8 points too low."
    assert "<strong>A surprise.</strong>" in result._repr_mimebundle_()["text/html"]
    assert check.guess(1, 7.7796, within=0.5, unit="x").says == "You guessed 1 x, and it is 7.78 x: 6.78 x too low."
    assert check.guess(100, 77.2, within=10).says.startswith("You guessed 100, and it is 77")


@pytest.mark.parametrize("guess", [5, 5.0, np.float32(5), np.int64(5), torch.tensor(5), torch.tensor([5.0])])
def test_numbers_of_every_kind_are_numbers(guess) -> None:
    assert check.guess(guess, 5)
    assert check.guess(5, guess)


@pytest.mark.parametrize("guess", ["90", "about 5", True, [5], {}, object(), math.nan, math.inf, 1j, torch.ones(2)])
def test_a_guess_of_another_kind_is_words(guess) -> None:
    result = check.guess(guess, 5)

    assert result.outcome == "stopped"
    assert "number" in result.says


@pytest.mark.parametrize(
    ("actual", "said"),
    [
        ((), "What came out is missing, and a number is asked for: call it as `check.guess(guess, actual)`."),
        ((None,), "What came out is a NoneType, and a number is asked for: call it as"),
        ((torch.ones(2),), "What came out is a tensor of shape (2,)"),
        ((10**400,), "and a number is asked for: call it as"),
        ((5, 2), "A guess and what came out are compared: call it as `check.guess(guess, actual)`"),
    ],
)
def test_what_came_out_of_another_kind_is_words_too(actual, said) -> None:
    result = check.guess(0.5, *actual)
    assert result.outcome == "stopped" and said in result.says


def test_other_calls_that_cannot_be_are_words() -> None:
    assert check.guess().outcome == "not begun"
    assert check.guess(10**400, 5).outcome == "stopped"
    for within in (-1, None, math.nan, math.inf, "2"):
        assert check.guess(1, 2, within=within).says.startswith("`within` is ")
    assert check.guess(1, 2, within=np.float32(1)) and check.guess(1, 2, within=torch.tensor(1))


def test_words_and_yes_or_no_are_compared_as_such() -> None:
    assert check.guess(" Faster ", "faster").outcome == "right"
    assert check.guess("slower", "faster").says == "You guessed slower, and it is faster."
    assert check.guess(True, True).outcome == "right"
    assert check.guess(False, True).outcome == "wrong"
    assert check.guess(1, True).outcome == "stopped"
    assert check.guess(3, "faster").outcome == "stopped"


YES = [True, np.True_, np.array(True), torch.tensor(True), torch.tensor([True])]


@pytest.mark.parametrize("guess", YES)
@pytest.mark.parametrize("actual", YES)
def test_yes_is_yes_of_every_kind(guess, actual) -> None:
    assert check.guess(guess, actual).says == "You guessed True, and so it is."
    assert check.guess(False, actual).outcome == "wrong" == check.guess(guess, np.False_).outcome


def test_a_word_of_numpy_is_a_word() -> None:
    assert check.guess(np.str_("faster"), "faster") and check.guess("faster", np.str_("Faster "))


def test_no_word_is_no_guess() -> None:
    assert check.guess(" ", "faster").outcome == "not begun"


@pytest.mark.parametrize("actual", [math.nan, math.inf, np.float32("nan"), torch.tensor(math.nan)])
def test_a_guess_is_not_compared_with_what_is_no_number(actual) -> None:
    result = check.guess(50, actual, within=5, unit="%")
    assert result.outcome == "stopped" and "finite number" in result.says


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e5))
def test_right_is_whatever_lies_within(guess: float, actual: float, within: float) -> None:
    outcome = check.guess(guess, actual, within=within).outcome

    if abs(guess - actual) <= within:
        assert outcome == "right"
    elif abs(guess - actual) > within + 2e-9 * abs(actual):
        assert outcome == "wrong"


@pytest.mark.parametrize("guess", [(97, 5), "97,5"])
def test_a_decimal_comma_is_told_to_be_a_point(guess) -> None:
    result = check.guess(guess, 97.5)

    assert result.outcome == "stopped" and "`guess = 97.5`, with a point for the comma" in result.says


def test_large_whole_numbers_are_said_as_they_are() -> None:
    assert check.guess(100_000, 98_304, unit="bytes").says == (
        "You guessed 100000 bytes, and it is 98304 bytes: 1696 bytes too high."
    )
    assert check.guess(266_610, 266_610).says == "You guessed 266610, and it is 266610."
    assert "1e+300" in check.guess(1e300, 2).says
