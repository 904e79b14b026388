"""The lessons: each has its parts, runs from top to bottom untouched, and its exercises can be solved."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from prunelab import resources
from prunelab.lessons.checks import EXERCISES

LESSONS = sorted((resources.notebooks() / "lessons").glob("*.ipynb"))
WIDEST = 96  # characters of code: what JupyterLab shows at 1280 px without scrolling
WITHOUT_EXERCISE = (0, 13)  # the quick start, and the challenge, which is one
PICTURE = {"application/vnd.jupyter.widget-view+json", "image/svg+xml", "text/plain"}

each = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def title(cell) -> str:
    """What a cell says about itself: the comment in its first line."""
    return cell.source.partition("\n")[0].removeprefix("# ")


def calls(cell, namespace: str) -> list[ast.Call]:
    """The calls ``namespace.name(...)`` in a cell."""
    return [
        node
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == namespace
    ]


def checked(cell) -> list[str]:
    """Names of what a cell checks: exercises, "guess"."""
    return [call.func.attr for call in calls(cell, "check")]


def start(notebook) -> ast.Call:
    (call,) = [call for cell in code(notebook) for call in calls(cell, "lessons") if call.func.attr == "start"]
    return call


def execute(notebook, folder: Path):
    client = NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(folder)}})
    return client.execute()


def said(cell) -> str:
    """The words of a cell's last output."""
    return cell.outputs[-1].data["text/plain"]


# What a lesson has


@each
def test_a_lesson_is_kept_without_outputs_in_the_one_form_that_git_compares_well(path):
    notebook = read(path)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code(notebook))
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == json.dumps(raw, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


@each
def test_its_cells_have_names_and_the_file_says_which_lesson_it_is(path):
    notebook = read(path)
    names = [cell.id for cell in notebook.cells]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[a-z][a-z0-9-]*", name) for name in names)
    assert notebook.metadata.kernelspec.name == "python3" and notebook.metadata.language_info.name == "python"
    about, arguments = notebook.metadata.prunelab, start(notebook)
    version = next(word.value.value for word in arguments.keywords if word.arg == "version")
    assert (about.lesson, about.version) == (arguments.args[0].value, version)
    assert about.lesson == int(path.name[:2])


@each
def test_it_asks_for_a_prediction_before_each_answer(path):
    open_question = False
    for cell in code(read(path)):
        if re.search(r"^guess = \.\.\.", cell.source, re.MULTILINE):
            open_question = True
        if "guess" in checked(cell):
            assert open_question, f"{cell.id}: an answer without a question"
            open_question = False
    assert not open_question
    assert any("guess" in checked(cell) for cell in code(read(path)))


@each
def test_it_has_the_exercises_that_the_checks_know_with_their_stubs_hints_and_solutions(path):
    notebook = read(path)
    number = notebook.metadata.prunelab.lesson
    wanted = {name for name, exercise in EXERCISES.items() if exercise.lesson == number}
    found = {name: cell for cell in code(notebook) for name in checked(cell) if name != "guess"}
    assert set(found) == wanted and bool(wanted) != (number in WITHOUT_EXERCISE)
    helped = {call.func.attr for cell in code(notebook) for call in calls(cell, "hint")}
    assert bool(helped) == bool(wanted) and helped <= wanted
    for name, cell in found.items():
        assert cell.source.startswith(EXERCISES[name].stub), f"{cell.id}: its stub is not that of the check"
        assert f"{name} = result.function" in cell.source


@each
def test_it_ends_with_three_lines_and_its_sources(path):
    last = read(path).cells[-1]
    assert last.cell_type == "markdown"
    summary = last.source.partition("## In three lines")[2]
    assert len(re.findall(r"^- ", summary, re.MULTILINE)) == 3
    assert re.search(r"\*Sources?\b", summary)


@each
def test_the_cells_that_a_missing_result_names_are_there_and_make_it(path):
    notebook = read(path)
    named = next((word.value for word in start(notebook).keywords if word.arg == "cells"), None)
    for name, cell_title in ast.literal_eval(named).items() if named else ():
        (cell,) = [cell for cell in code(notebook) if title(cell) == cell_title]
        assert f"lesson.{name} = " in cell.source, f"{cell_title!r} does not set lesson.{name}"


@each
def test_its_code_is_narrow_enough_to_be_read_in_a_cell(path):
    for cell in code(read(path)):
        wide = [line for line in cell.source.splitlines() if len(line) > WIDEST]
        assert not wide, f"{cell.id}: {wide[0]}"


# What a lesson does


@each
@pytest.mark.timeout(600)
def test_untouched_it_runs_from_top_to_bottom_and_every_check_waits(path, tmp_path):
    notebook = execute(read(path), tmp_path)
    for cell in code(notebook):
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr", (cell.id, output)
        if checked(cell):
            assert said(cell).startswith("Not begun"), (cell.id, said(cell))
        if calls(cell, "pl") and "pl.show(" in cell.source:
            shown = [output.data for output in cell.outputs if "image/svg+xml" in output.get("data", ())]
            assert shown and all(set(data) == PICTURE for data in shown), cell.id
    assert notebook.metadata.widgets or all("pl.show(" not in cell.source for cell in code(notebook))


@each
@pytest.mark.timeout(600)
def test_with_our_solutions_every_exercise_is_right(path, tmp_path):
    notebook = read(path)
    exercises = [cell for cell in code(notebook) if set(checked(cell)) & set(EXERCISES)]
    if not exercises:
        assert notebook.metadata.prunelab.lesson in WITHOUT_EXERCISE
        return
    begin = next(cell for cell in code(notebook) if "lessons.start(" in cell.source)
    for cell in exercises:
        for name in set(checked(cell)) & set(EXERCISES):
            cell.source = cell.source.replace(EXERCISES[name].stub, EXERCISES[name].solution)
    notebook.cells = [begin, *exercises]
    execute(notebook, tmp_path)
    for cell in exercises:
        assert said(cell).startswith("Right"), (cell.id, said(cell))


def test_the_lessons_are_numbered_from_0_without_a_gap():
    assert [int(path.name[:2]) for path in LESSONS] == list(range(len(LESSONS)))
