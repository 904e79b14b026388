"""check, hint and solution: what they offer, and what they say of names and steps that are not there."""

import pytest

from prunelab.errors import LessonError
from prunelab.lessons import check, hint, solution
from prunelab.lessons.checks import EXERCISES
from prunelab.lessons.namespaces import Hints

NAMES = [
    *("digit_points", "threshold", "mask", "masked_step", "density_of_rounds", "random_mask", "l1_penalty"),
    *("adjusted_rate", "global_threshold", "dead_neurons", "renewed_statistics", "relative_distances", "entropy"),
    "within_budget",
]


def test_the_exercises_of_all_lessons_are_there() -> None:
    assert list(EXERCISES) == NAMES
    assert sorted(exercise.lesson for exercise in EXERCISES.values()) == [1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 12]
    for namespace in (check, hint, solution):
        assert set(NAMES) <= set(dir(namespace))
    assert "guess" in dir(check)


@pytest.mark.parametrize("namespace", [check, hint, solution])
def test_a_name_that_is_none_gets_the_nearest(namespace) -> None:
    with pytest.raises(LessonError, match="no exercise 'treshold'; did you mean 'threshold'?"):
        namespace.treshold  # noqa: B018
    with pytest.raises(AttributeError) as error:
        namespace._repr_html_  # noqa: B018
    assert not isinstance(error.value, LessonError)


@pytest.mark.parametrize("name", NAMES)
def test_hints_come_one_after_another_and_end_with_a_word(name: str) -> None:
    hints, steps = Hints(), EXERCISES[name].hints
    given = [getattr(hints, name)() for _ in range(len(steps) + 2)]

    for number, (note, text) in enumerate(zip(given, steps, strict=False), start=1):
        assert note.heading == f"Hint {number} of {len(steps)}"
        assert text in note.text
    for note in given[len(steps) :]:
        assert note.heading == "No more hints"
        assert f"solution.{name}()" in note.text
    assert getattr(hints, name)(1).heading == f"Hint 1 of {len(steps)}"


@pytest.mark.parametrize("step", [0, -1, True, 1.5, "1"])
def test_a_step_that_is_no_number_is_words(step: object) -> None:
    assert "takes a number from 1 to 3" in hint.threshold(step).text


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_is_folded_and_escaped_and_can_be_read_without_html(name: str) -> None:
    shown = getattr(solution, name)()._repr_mimebundle_()

    assert "<details>" in shown["text/html"] and "<script" not in shown["text/html"]
    assert EXERCISES[name].solution in shown["text/plain"]
    assert f"def {name}(" in shown["text/html"]


def test_a_solution_may_be_given_the_function_as_checks_are() -> None:
    assert solution.threshold(abs).code == solution.threshold().code


def test_each_says_what_it_does() -> None:
    assert "threshold(weights, quality)" in (check.threshold.__doc__ or "")
    assert check.threshold.__name__ == "threshold"


@pytest.mark.parametrize(("given", "named"), [((), {}), ((abs, 1.5), {}), ((abs,), {"weights": 1}), ((), {"f": abs})])
def test_a_check_that_is_called_otherwise_says_how(given, named) -> None:
    result = check.threshold(*given, **named)
    assert result.outcome == "stopped" and "call it as `check.threshold(threshold)`" in result.says
    assert result.function is EXERCISES["threshold"].reference


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), None, "5"])
def test_seconds_that_cannot_be_are_words(seconds) -> None:
    assert check.threshold(lambda weights, quality: 0.0, seconds=seconds).says.startswith("`seconds` is ")


def test_the_function_may_be_given_by_name() -> None:
    assert check.threshold(function=None).outcome == "not begun"
