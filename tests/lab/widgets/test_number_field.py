"""The number field's Python side: what it takes, what it refuses, how its track widens."""

import pytest
import traitlets

from prunelab.lab.widgets.number_field import NumberField


def field(**values):
    return NumberField(**{"description": "density", "low": 0, "high": 1, **values})


def test_a_value_is_kept_to_the_bit_whatever_the_step():
    number = field(value=0.1234567, step=0.05)
    assert number.value == 0.1234567 and isinstance(number.value, float)
    number.value = 1 / 3
    assert number.value == 1 / 3


@pytest.mark.parametrize("value", [-0.001, 1.001, float("nan"), float("inf")])
def test_what_is_out_of_range_is_refused_in_words_and_changes_nothing(value):
    number = field(value=0.5)
    with pytest.raises(traitlets.TraitError, match="density = .*: must be 0 to 1"):
        number.value = value
    assert number.value == 0.5
    with pytest.raises(traitlets.TraitError):
        field(value=value)


def test_the_lowest_value_itself_may_be_excluded():
    assert field(value=0).value == 0
    with pytest.raises(traitlets.TraitError):
        field(value=0, above=True)


def test_whole_numbers_are_ints_also_from_the_start_and_no_other_is_taken():
    number = NumberField(value=3, low=1, high=100, integer=True, min=1, max=10)
    assert type(number.value) is int
    number.value = 4.0  # as JSON may bring it
    assert number.value == 4 and type(number.value) is int
    with pytest.raises(traitlets.TraitError, match="whole number"):
        number.value = 4.5


def test_the_track_widens_for_what_lies_outside_and_stays_wide():
    number = NumberField(value=1.5, low=0, high=10, min=0, max=3)
    number.value = 7
    assert (number.min, number.max) == (0, 7)
    number.value = 1
    assert (number.min, number.max) == (0, 7)
    assert NumberField(value=0.001, low=0, high=1, min=0.005, logarithmic=True).min == 0.001


def test_a_hand_that_lets_go_is_told_once_and_only_by_its_own_message():
    number, told = field(value=0.5), []
    number.on_release(lambda: told.append(number.value))
    number.value = 0.6
    assert told == []
    number._handle_custom_msg({"kind": "released"}, [])
    number._handle_custom_msg({"kind": "something else"}, [])
    assert told == [0.6]
