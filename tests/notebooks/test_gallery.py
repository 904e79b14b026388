"""Notebooks of the gallery run from top to bottom, in a kernel of their own, and show what their texts say."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from prunelab import resources

GALLERY = sorted((resources.notebooks() / "gallery").glob("*.ipynb"))


def ran(path: Path, tmp_path: Path, question: str):
    """(the notebook with its outputs, what the expression ``question`` is after its last cell)."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({question}))"))
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    *cells, answer = notebook.cells
    return cells, json.loads(answer.outputs[0].text)


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells and all(cell.outputs == [] and cell.execution_count is None for cell in cells)


def test_four_models_of_ones_own_are_pruned_and_lose_little(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    question = '[results, readers, lab.state.trouble, lab.status.cards[0]["name"]]'
    cells, (results, readers, trouble, card) = ran(
        resources.notebooks() / "gallery/own_models.ipynb", tmp_path, question
    )
    assert [(name, result["metric"]) for name, result in results.items()] == [
        ("CNN", "accuracy"),
        ("residual", "accuracy"),
        ("LSTM", "accuracy"),
        ("table", "R2"),
    ]
    for name, result in results.items():
        assert result["zeros"] and result["density"] < 0.16, name
        assert result["dense"] > 0.9 and result["pruned"] > result["dense"] - 0.04, (name, result)
    assert min(readers[:5]) > max(readers[5:]), "the columns that say nothing are read least"
    assert trouble is None and card == "R2"
    text = "".join(o.get("text", "") for cell in cells if cell.cell_type == "code" for o in cell.outputs)
    assert text.count("  pruned: ") == 4 and text.count("not pruned") == 5, "embedding, biases, two of them the LSTM's"
    shown = [o for cell in cells if cell.cell_type == "code" for o in cell.outputs if "data" in o]
    assert sum("application/vnd.jupyter.widget-view+json" in output.data for output in shown) == 5
