"""Every exercise, checked: its stub, its solution, its mistakes, and whatever else a function may do."""

import inspect
import itertools

import numpy as np
import pytest
import torch

from prunelab.lessons.checks import EXERCISES
from prunelab.lessons.examination import check
from prunelab.lessons.exercise import Exercise, Mistake, equal

EACH = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=list(EXERCISES))
MISTAKES = [
    pytest.param(exercise, mistake, id=f"{exercise.name}-{place}")
    for exercise in EXERCISES.values()
    for place, mistake in enumerate(exercise.mistakes)
]


def made(source: str, name: str):
    """The function ``name`` of a source as a student's cell would make it."""
    space = {"torch": torch}
    exec(compile(source, f"<cell of {name}>", "exec"), space)
    return space[name]


@EACH
def test_the_untouched_stub_is_not_begun(exercise: Exercise) -> None:
    result = check(exercise, made(exercise.stub, exercise.name))

    assert result.outcome == "not begun"
    assert ("lacks a `return`" in result.says) is (exercise.name != "masked_step"), (
        "what a step returns does not matter"
    )
    assert not result
    assert result.function is exercise.reference


@EACH
def test_the_solution_as_it_is_shown_is_right(exercise: Exercise) -> None:
    function = made(f"import math\n{exercise.solution}", exercise.name)

    result = check(exercise, function)

    assert result.outcome == "right", result
    assert inspect.unwrap(result.function) is function


FORMS = [
    ("mask", torch.Tensor.numpy),
    ("random_mask", torch.Tensor.numpy),
    ("density_of_rounds", torch.tensor),
    ("density_of_rounds", np.array),
    ("dead_neurons", torch.tensor),
    ("dead_neurons", set),
    ("dead_neurons", lambda numbers: (np.array(numbers, dtype=int),)),  # as np.where gives them
    ("renewed_statistics", torch.stack),
    ("renewed_statistics", lambda pair: [each.numpy() for each in pair]),
    ("renewed_statistics", lambda pair: [each.tolist() for each in pair]),
    ("relative_distances", np.array),
    ("relative_distances", lambda distances: [float(each) for each in distances]),
    ("within_budget", lambda density: torch.tensor([density])),
]


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_lessons_go_on_with_every_form_of_a_right_answer(name, form) -> None:
    exercise = EXERCISES[name]
    result = check(exercise, lambda *arguments: form(exercise.reference(*arguments)))
    assert result.outcome == "right" and result.function is not None

    for trial in exercise.trials:
        yours, ours = result.function(*trial.arguments()), exercise.reference(*trial.arguments())
        assert type(yours) is type(ours)
        if isinstance(ours, list | tuple):
            assert len(yours) == len(ours) and [type(each) for each in yours] == [type(each) for each in ours]
    again = check(exercise, result.function)  # its cell, run once more
    assert again.outcome == "right"


@pytest.mark.parametrize(
    "form", [float, np.array, lambda number: np.array([number]), lambda number: torch.tensor([number])]
)
def test_lessons_go_on_with_every_form_of_a_number(form) -> None:
    functions = {}
    for name in ("threshold", "entropy"):
        reference = EXERCISES[name].reference
        result = check(EXERCISES[name], lambda *arguments, reference=reference: form(float(reference(*arguments))))
        assert result.outcome == "right"
        functions[name] = result.function

    weights = torch.tensor([[1.0, -2.0], [0.5, 0.0]])  # as the cells of lessons 2 and 11 use them
    mask = EXERCISES["mask"].reference(weights, functions["threshold"](weights, 1.0))
    assert mask.tolist() == [[False, True], [False, False]]
    assert f"{functions['entropy']([1, 1]):.1f} bits" == "1.0 bits"


@EACH
def test_others_that_are_as_right_are_accepted(exercise: Exercise) -> None:
    for function in exercise.also:
        assert check(exercise, function).outcome == "right"


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_a_mistake_gets_its_own_sentence(exercise: Exercise, mistake: Mistake) -> None:
    result = check(exercise, mistake.function)

    assert result.outcome == "wrong", result
    assert mistake.says in result.says
    assert result.function is exercise.reference
    assert result.arguments is not None


MORE = "That is not all"


@pytest.mark.parametrize(
    ("name", "function", "first"),
    [
        ("threshold", lambda weights, quality: quality * weights.var(correction=0), "This is the variance"),
        ("threshold", lambda weights, quality: quality * weights[weights != 0].var(), "This is the variance"),
        ("mask", lambda weights, threshold: weights.square() > threshold, "The squares are compared"),
        ("renewed_statistics", lambda activations: (activations.mean(0), activations.std(0)), "standard deviation"),
    ],
)
def test_of_two_mistakes_at_once_the_one_behind_most_wrong_answers_is_named(name, function, first) -> None:
    result = check(EXERCISES[name], function)
    assert result.outcome == "wrong" and first in result.says and MORE in result.says


def test_an_error_of_torch_comes_with_what_to_do() -> None:
    def masked_step(model, masks, optimizer, inputs, targets, loss):
        for name, mask in masks.items():
            model.get_parameter(name).mul_(mask)

    result = check(EXERCISES["masked_step"], masked_step)
    assert (
        result.outcome == "stopped" and "`with torch.no_grad():`" in result.says and "operation., in" not in result.says
    )


def step_that_clears_gradients_at_its_end(model, masks, optimizer, inputs, targets, loss):
    loss(model(inputs), targets).backward()
    optimizer.step()
    optimizer.zero_grad()
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name).mul_(mask)


def step_with_a_closure(model, masks, optimizer, inputs, targets, loss):
    def closure():
        model.zero_grad()
        value = loss(model(inputs), targets)
        value.backward()
        return value

    optimizer.step(closure)
    for name, parameter in model.named_parameters():
        if name in masks:
            parameter.data[~masks[name]] = 0
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize("step", [step_that_clears_gradients_at_its_end, step_with_a_closure])
def test_a_step_that_leaves_no_gradients_is_right_all_the_same(step) -> None:
    result = check(EXERCISES["masked_step"], step)
    assert result.outcome == "right", result


def test_an_error_of_torch_s_own_is_no_function_that_is_not_begun() -> None:
    def masked_step(model, masks, optimizer, inputs, targets, loss):
        optimizer.zero_grad()
        loss(targets, model(inputs)).backward()  # the other way round

    result = check(EXERCISES["masked_step"], masked_step)
    assert result.outcome == "stopped" and "not implemented for" in result.says


def penalty(magnitudes):
    return lambda weights, strength: strength * magnitudes(weights).sum()


@pytest.mark.parametrize(
    "magnitudes",
    [
        lambda w: torch.where(w > 0, w, -w),
        lambda w: torch.where(w >= 0, w, -w),
        lambda w: torch.maximum(w, -w),
        lambda w: w * w.detach().sign(),
        lambda w: w.relu() + (-w).relu(),
        lambda w: w.clamp(min=0) - w.clamp(max=0),
        lambda w: torch.linalg.vector_norm(w, 1),
        lambda w: (w * w + 1e-20).sqrt(),
    ],
)
def test_every_slope_of_a_magnitude_at_its_corner_is_right(magnitudes) -> None:
    result = check(EXERCISES["l1_penalty"], penalty(magnitudes))
    assert result.outcome == "right", result


@pytest.mark.parametrize("magnitudes", [lambda w: w.square().sqrt(), lambda w: w.square() / w.abs()])
def test_a_gradient_that_is_nan_is_said(magnitudes) -> None:
    result = check(EXERCISES["l1_penalty"], penalty(magnitudes))
    assert result.outcome == "wrong" and "NaN" in result.says, result


def test_a_slope_at_the_corner_that_no_magnitude_has_is_wrong() -> None:
    steep = penalty(lambda w: w.abs() + 3 * torch.where(w == 0, w, 0))
    assert check(EXERCISES["l1_penalty"], steep).outcome == "wrong"


def chosen(places_of):
    """A mask that keeps the places that ``places_of`` gives, out of all and a number."""

    def random_mask(weights, density, generator):
        mask = torch.zeros(weights.numel(), dtype=torch.bool)
        mask[places_of(weights.numel(), round(density * weights.numel()), generator)] = True
        return mask.reshape(weights.shape)

    return random_mask


@pytest.mark.parametrize(
    "places_of",
    [
        lambda n, kept, generator: torch.randperm(n, generator=generator)[n - kept :],
        lambda n, kept, generator: torch.rand(n, generator=generator).topk(kept).indices,
        lambda n, kept, generator: torch.rand(n, generator=generator).topk(kept, largest=False).indices,
        lambda n, kept, generator: torch.randn(n, generator=generator).topk(kept).indices,
        lambda n, kept, generator: torch.randn(n, generator=generator).abs().topk(kept).indices,
        lambda n, kept, generator: torch.randn(n, generator=generator).abs().argsort()[:kept],
        lambda n, kept, generator: torch.multinomial(torch.ones(n), kept, generator=generator),
        lambda n, kept, generator: np.random.default_rng(generator.initial_seed()).permutation(n)[:kept],
    ],
)
def test_every_way_of_drawing_lots_is_right(places_of) -> None:
    result = check(EXERCISES["random_mask"], chosen(places_of))
    assert result.outcome == "right", result


@pytest.mark.parametrize("number", [lambda n, kept: 10, lambda n, kept: kept // 2, lambda n, kept: kept + 20])
def test_another_number_of_lots_is_accused_of_nothing_else(number) -> None:
    places = chosen(lambda n, kept, generator: torch.randperm(n, generator=generator)[: number(n, kept)])
    result = check(EXERCISES["random_mask"], places)
    assert result.outcome == "wrong" and "another number than asked for" in result.says and MORE not in result.says


@EACH
def test_an_answer_of_no_known_kind_is_accused_of_nothing(exercise: Exercise) -> None:
    def strange(*arguments):
        value = exercise.calls(exercise.reference, arguments)
        return [value] if isinstance(value, torch.Tensor) else "strange"

    assert MORE not in check(exercise, strange).says


@EACH
def test_there_are_at_least_five_mistakes_and_each_sentence_is_its_own(exercise: Exercise) -> None:
    sentences = [mistake.says for mistake in exercise.mistakes]

    assert len(set(sentences)) == len(sentences)
    assert len(sentences) >= 5
    assert len(exercise.hints) >= 2
    for one, other in itertools.permutations(sentences, 2):
        assert one not in other


@EACH
def test_the_data_of_a_trial_are_equal_at_every_call_and_never_the_same_objects(exercise: Exercise) -> None:
    for trial in exercise.trials:
        one, other = trial.arguments(), trial.arguments()
        assert equal(one, other)
        for a, b in zip(one, other, strict=True):
            assert not isinstance(a, torch.Tensor) or a.data_ptr() != b.data_ptr()


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1.0, -1.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.complex64])
def test_a_value_that_became_nan_zero_or_another_is_a_change(value: float, dtype: torch.dtype) -> None:
    one, other = torch.tensor([0.0, value], dtype=dtype), torch.tensor([0.0, value], dtype=dtype)
    assert equal(one, other)
    for changed in (0.0, NAN, 7.0, 65504.0):  # the last: the largest of half precision
        if changed == value or (changed != changed and value != value):
            continue
        other[1] = changed
        assert not equal(one, other) and not equal(other, one)
        assert not equal({"model": [one]}, {"model": [other]})


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_whole_numbers_and_bools_are_compared_too(dtype: torch.dtype) -> None:
    one = torch.tensor([0, 1], dtype=dtype)
    assert equal(one, one.clone()) and not equal(one, 1 - one.long()) and not equal(one, one.flip(0))


def test_a_plain_nan_equals_itself_alone() -> None:
    assert equal(NAN, float("nan")) and equal((1.0, NAN), (1.0, float("nan")))
    assert not equal(NAN, 0.0) and not equal(0.0, NAN) and not equal(NAN, 1)


def test_nan_written_over_zeros_is_named_as_a_change() -> None:
    exercise = EXERCISES["threshold"]

    def threshold(weights, quality):
        value = exercise.reference(weights, quality)
        weights[weights == 0] = NAN  # "so that mean and deviation leave them out"
        return value

    result = check(exercise, threshold)
    assert result.outcome == "wrong" and "weights" in result.says and "chang" in result.says, result
