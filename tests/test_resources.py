"""Scripts that import each other, joined into one module; and plotly.js, as npm has it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from prunelab import resources
from prunelab.resources import PACKAGE, joined_script
from support.node import node_module

# What a widget, the plots' library or a report carries, and what it must export.
ENTRIES = {
    "lab/widgets/plot.js": "export default { initialize, render };",
    "lab/widgets/plot_loader.js": "export default { initialize, render };",
    "lab/widgets/scrubber.js": "export default { render };",
    "lab/widgets/drawing.js": "export default { render };",
    "lab/widgets/download_bar.js": "export default { render };",
    "lab/widgets/batching.js": "export default { initialize };",
    "lab/page/status.js": "export default { render };",
    "lab/widgets/number_field.js": "export default render;",
    "lab/widgets/number_field_loader.js": "export default { initialize, render };",
    "exports/html_report.js": None,
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(entry="...", dom="...")``: scripts of these names; gives the first one's path."""

    def scripts(**texts: str) -> Path:
        paths = [tmp_path / f"{name}.js" for name in texts]
        for path, text in zip(paths, texts.values(), strict=True):
            path.write_text(text)
        return paths[0]

    return scripts


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_joined_script_imports_nothing_and_exports_what_its_reader_needs(entry: str) -> None:
    lines = joined_script(PACKAGE / entry).splitlines()
    statements = [line for line in lines if re.match(r"\s*(import|export)\b(?!\s*\()", line)]
    exported = ENTRIES[entry]
    assert len(statements) == (exported is not None)
    assert all(line.startswith(exported or "") for line in statements)


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_name_is_defined_twice_in_a_joined_script(entry: str) -> None:
    names = Counter(
        re.findall(r"^(?:async function|function|class|const|let) (\w+)", joined_script(PACKAGE / entry), re.M)
    )
    assert names and max(names.values()) == 1


STATIC = "share/jupyter/voila/templates/prunelab/static"  # scripts of pages as they are


def test_every_script_of_a_page_is_in_its_template() -> None:
    templates = "".join(
        path.read_text(encoding="utf-8") for path in (PACKAGE / STATIC).parent.glob("*.*") if path.is_file()
    )
    for path in (PACKAGE / STATIC).glob("*.js"):
        assert f"static/{path.name}" in templates, path


def test_every_script_of_the_package_is_part_of_one_that_is_carried() -> None:
    """A script that nobody imports would be checked and shipped, but never run."""
    carried = "".join(joined_script(PACKAGE / entry) for entry in ENTRIES)
    alone = {"bench/page.js", *(path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / STATIC).glob("*.js"))}
    for path in PACKAGE.rglob("*.js"):
        if path.relative_to(PACKAGE).as_posix() not in alone:
            assert path.read_text(encoding="utf-8").splitlines()[0] in carried, path


def test_each_script_comes_once_after_those_it_imports(write: Callable[..., Path]) -> None:
    entry = write(
        entry='// Entry.\n\nimport { both } from "./left.js";\nimport {\n  one,\n  other,\n} from "./right.js";\n\n'
        "export default function render() {\n  return [both, one, other];\n}\n",
        left='import { one } from "./right.js";\n\nexport const both = () => one();\n',
        right="export async function one() {}\nexport class other {}\nconst own = 1;\n",
    )
    assert joined_script(entry) == (
        "async function one() {}\nclass other {}\nconst own = 1;\n\n"
        "const both = () => one();\n\n"
        "// Entry.\n\n\nexport default function render() {\n  return [both, one, other];\n}\n"
    )


def test_only_whole_statements_are_taken_for_imports(write: Callable[..., Path]) -> None:
    text = (
        '// import { a } from "./a.js";\n'
        'const loaded = await import("./later.js");\n'
        "export default () => `export const ${loaded} `;\n"
    )
    assert joined_script(write(entry=text)) == text


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ('import all from "./part.js";', "no form of import or export"),
        ('import * as all from "./part.js";', "no form of import or export"),
        ('import { a as b } from "./part.js";', "no form of import or export"),
        ('import { a } from "package";', "no form of import or export"),
        ('import "./part.js";', "no form of import or export"),
        ("export { a };", "no form of import or export"),
        ("export let a = 1;", "no form of import or export"),
        ('export * from "./part.js";', "no form of import or export"),
        ('import { b } from "./part.js";', "./part.js exports no b"),
        ('import { hidden } from "./part.js";', "./part.js exports no hidden"),
        ('import { a } from "./part.js";\nconst a = 2;', "a is defined in part.js too"),
        ('import { a } from "./part.js";\nfunction hidden() {}', "hidden is defined in part.js too"),
        ("const { a } = {};", "can't be told by name"),
        ("const [a] = [];", "can't be told by name"),
        ('import { a } from "./entry.js";\nexport const a = 1;', "imports itself by way of"),
        ('import { a } from "./second.js";', "second.js: 'export default"),
    ],
)
def test_what_cannot_be_joined_is_refused(write: Callable[..., Path], statement: str, words: str) -> None:
    entry = write(
        entry=f"{statement}\n",
        part="export const a = 1;\nconst hidden = 2;\n",
        second="export const a = 1;\nexport default { a };\n",
    )
    with pytest.raises(ValueError, match=re.escape(words)):
        joined_script(entry)


def test_a_script_that_is_not_there_is_named(write: Callable[..., Path]) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.js"):
        joined_script(write(entry='import { a } from "./missing.js";\n'))


def test_plotly_js_is_the_cartesian_bundle_of_npm_unchanged() -> None:
    assert f"plotly.js (cartesian - minified) v{resources.PLOTLY_VERSION}\n".encode() in resources.plotly_script()[:200]
    needs = json.loads((PACKAGE.parent / "package.json").read_text())["devDependencies"]
    assert needs["plotly.js-cartesian-dist-min"] == resources.PLOTLY_VERSION
    original = node_module("plotly.js-cartesian-dist-min") / "plotly-cartesian.min.js"
    assert resources.plotly_script() == original.read_bytes()


def test_comments_stay_behind_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "page.js").write_text(
        "// What it is for.\n\n// more\n/**\n * @param {number} a\n */\n"
        "const f = (/** @type {number} */ a) => a; // kept\n"
        "const g = (\n  /** @type {number} */ b,\n) => b;\n  // indented\n"
        "/** @type {string} */\nconst text = 'a // b';\n"
    )
    assert joined_script(tmp_path / "page.js") == (
        "// What it is for.\n\nconst f = (/** @type {number} */ a) => a; // kept\n"
        "const g = (\n  /** @type {number} */ b,\n) => b;\nconst text = 'a // b';\n"
    )


@pytest.mark.parametrize("entry", ENTRIES)
def test_of_the_comments_only_the_first_line_of_each_file_is_carried(entry: str) -> None:
    firsts = {path.read_text(encoding="utf-8").splitlines()[0] for path in PACKAGE.rglob("*.js")}
    comments = [line for line in joined_script(PACKAGE / entry).splitlines() if re.match(r"\s*(//|\*|/\*\*$)", line)]
    assert comments and set(comments) <= firsts
