"""Everything in one file, and the same file every time."""

import io
import zipfile

import prunelab as pl
from prunelab.exports import bundle, report, snapshots_csv, snippet
from prunelab.exports.bundle import zipped


def test_everything_is_inside_and_the_readme_names_it(recipe, history, measurement, session, tmp_path):
    path = tmp_path / "packed.safetensors"
    pl.sparse.save(session.model, path)
    archive = zipfile.ZipFile(io.BytesIO(bundle(recipe, history, measurement, path.read_bytes(), formats=["svg"])))
    assert archive.testzip() is None
    names = archive.namelist()
    top = {name for name in names if "/" not in name}
    assert top == {
        "README.txt", "report.html", "recipe.json", "snapshots.csv", "measurement.csv", "reproduce.py",
        "model.prune",
    }  # fmt: skip
    assert {"figures/column/fc1-weights.svg", "figures/page/accuracy.svg"} <= set(names)
    readme = archive.read("README.txt").decode()
    assert all(name in readme for name in top - {"README.txt"}) and "figures/" in readme
    assert archive.read("report.html").decode() == report(recipe, history, measurement)
    assert archive.read("snapshots.csv").decode() == snapshots_csv(history)
    assert archive.read("measurement.csv").decode() == measurement.to_csv()
    assert archive.read("reproduce.py").decode() == snippet(recipe, history)
    assert pl.Recipe.from_json(archive.read("recipe.json").decode()) == recipe
    out = tmp_path / "model.prune"
    out.write_bytes(archive.read("model.prune"))
    weights = pl.sparse.load(out)
    assert all((weights[name] == value).all() for name, value in session.model.state_dict().items())


def test_what_was_not_made_is_not_promised(recipe, history):
    archive = zipfile.ZipFile(io.BytesIO(bundle(recipe, history[-1:], formats=[])))
    readme = archive.read("README.txt").decode()
    assert "figures/" not in readme
    assert "measurement.csv" not in archive.namelist() and "measurement.csv" not in readme
    assert "model.prune" not in archive.namelist() and "model.prune" not in readme


def test_equal_files_make_an_equal_archive_that_everyone_may_read():
    files = {"a.txt": "text" * 100, "b.png": bytes(100)}
    assert zipped(files) == zipped(files)
    archive = zipfile.ZipFile(io.BytesIO(zipped(files)))
    assert [archive.read(name) for name in files] == [b"text" * 100, bytes(100)]
    assert {info.external_attr >> 16 for info in archive.infolist()} == {0o644}
    assert archive.getinfo("a.txt").compress_size < 100
