"""What the cells of a lesson share."""

import copy
import json
import pathlib
import pickle

import pytest

from prunelab import lesson_catalogue, lessons, resources
from prunelab.errors import LessonError, LessonWarning, PrunelabError


@pytest.fixture
def shipped(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Lesson 3 in version 2, as it would come with prunelab."""
    folder = tmp_path / "notebooks" / "lessons"
    folder.mkdir(parents=True)
    (folder / "03_cut_and_recover.ipynb").write_text(
        json.dumps({"metadata": {"prunelab": {"lesson": 3, "version": 2}}})
    )
    monkeypatch.setattr(resources, "notebooks", lambda: tmp_path / "notebooks")
    return folder


def test_what_is_set_on_a_lesson_is_there_later() -> None:
    lesson = lessons.start(3, cells={"dense": "Train the network"})
    lesson.dense = 5

    assert lesson.dense == 5
    assert repr(lesson) == "Lesson 3: Cut and recover"
    assert "Cut and recover" in lesson._repr_html_()


def test_what_is_missing_names_the_cell_that_makes_it() -> None:
    lesson = lessons.start(3, cells={"dense": "Train the network"})

    with pytest.raises(LessonError) as error:
        lesson.dense  # noqa: B018
    assert str(error.value) == 'lesson.dense is not there yet: run the cell "Train the network" first'
    with pytest.raises(LessonError, match="lesson.other is not there yet: run the cell that makes it first"):
        lesson.other  # noqa: B018
    assert not hasattr(lesson, "dense")
    assert isinstance(error.value, PrunelabError)
    assert error.value._render_traceback_() == [str(error.value)]


@pytest.mark.parametrize("name", ["_repr_png_", "_ipython_display_", "__deepcopy__", "_anything"])
def test_what_python_asks_of_any_object_is_no_missing_cell(name: str) -> None:
    with pytest.raises(AttributeError) as error:
        getattr(lessons.start(1), name)
    assert not isinstance(error.value, LessonError)


def test_a_lesson_can_be_copied_and_pickled() -> None:
    lesson = lessons.start(3, cells={"dense": "x"})
    lesson.cut = [1]

    for twin in (copy.deepcopy(lesson), pickle.loads(pickle.dumps(lesson))):
        assert twin.cut == [1]
        with pytest.raises(LessonError):
            twin.dense  # noqa: B018


@pytest.mark.parametrize("number", [-1, 14, 1.0, True, "3", None])
def test_a_lesson_that_does_not_exist_is_named(number: object) -> None:
    with pytest.raises(LessonError, match="there are 0 to 13"):
        lessons.start(number)  # type: ignore[arg-type]


def test_another_version_is_words_and_the_lesson_goes_on(shipped: pathlib.Path) -> None:
    with pytest.warns(LessonWarning, match="version 1 of lesson 3, .* comes with version 2.*prunelab lab"):
        assert lessons.start(3, version=1) is not None
    with pytest.warns(LessonWarning, match="version 3 of lesson 3, .* comes with version 2.*update prunelab"):
        lessons.start(3, version=3)
    lessons.start(3, version=2)
    lessons.start(3)


def test_without_the_shipped_notebook_a_lesson_goes_on(shipped: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lessons.start(4, version=1)

    def missing() -> pathlib.Path:
        raise FileNotFoundError("dashboard.ipynb is in neither place")

    monkeypatch.setattr(resources, "notebooks", missing)
    lessons.start(3, version=1)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"metadata": []}', '{"metadata": {"prunelab": {"version": true}}}', "[" * 100_000]
)
def test_a_notebook_that_says_no_version_has_none(content: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "03_x.ipynb"
    path.write_text(content)

    assert lesson_catalogue.version(path) == lesson_catalogue.NO_VERSION
    assert lesson_catalogue.version(tmp_path / "none.ipynb") == lesson_catalogue.NO_VERSION
