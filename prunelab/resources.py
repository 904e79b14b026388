"""Paths of the files that come with prunelab, checkout or installed package; scripts joined for a page."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

PACKAGE = Path(__file__).parent


def notebooks() -> Path:
    """Folder of the notebooks: inside an installed package, or at the top level of a checkout.

    Raises FileNotFoundError if it is in neither place: the installation is incomplete.
    """
    # The package first: other folders next to an installed package are not part of prunelab.
    places = (PACKAGE / "notebooks", PACKAGE.parent / "notebooks")
    for place in places:
        if (place / "dashboard.ipynb").is_file():
            return place
    looked = " nor ".join(str(place) for place in places)
    raise FileNotFoundError(f"dashboard.ipynb is neither in {looked}: install prunelab again, or check it out whole")


# plotly.js

# Environment variable, set by a server that serves plotly.js as a file (serve/voila_app.py): the version of that file.
SERVED_PLOTLY = "PRUNELAB_SERVED_PLOTLY"


PLOTLY_VERSION = "4.1.1"
_PLOTLY = PACKAGE / "assets" / "plotly.min.js.gz"  # its cartesian bundle, a third of the whole; see PLOTLY.md beside it


def plotly_script() -> bytes:
    """plotly.js, minified: what draws lines, bars and heat maps."""
    return gzip.decompress(_PLOTLY.read_bytes())


def plotly_module() -> bytes:
    """plotly.js as a module whose default export is Plotly."""
    return MODULE_BEGIN + plotly_script() + MODULE_END


# A local `module`: the bundle then exports to it, instead of registering with the `define` of RequireJS, where a page
# could not reach it.
MODULE_BEGIN = b"const module = { exports: {} }, exports = module.exports, define = undefined;\n"
MODULE_END = b"\nexport default module.exports;\n"


# Scripts

# The forms that our scripts keep to; whatever else begins with import or export is refused, not guessed at.
IMPORT = re.compile(r'^import \{\s+(\w+(?:,\s+\w+)*),?\s+\} from "(\.[\w./]+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async function|function|const|class) (\w+)", re.MULTILINE)
DEFAULT = re.compile(r"^export default ", re.MULTILINE)
DECLARED = re.compile(
    r"^(?:export )?(?:default )?(?:async function\*?|function\*?|class|const|let|var) (\W|\w+)", re.MULTILINE
)
COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*\*/[ \t]*)\n", re.MULTILINE | re.DOTALL)
STATEMENT = re.compile(r"^\s*((?:import|export)\b(?!\s*\().*)", re.MULTILINE)


def joined_script(entry: Path) -> str:
    """The script ``entry`` and all that it imports, as one module: what a widget or a page carries is a single file.

    Each script comes once and after those it imports, without its imports and its word ``export``; the default export
    of the entry stays. All then share one scope, so no two may define the same name. Comments on lines of their own
    stay behind, but for a file's first line: a page loads a script once for each widget.
    Raises ValueError for forms of import and export that are not ours (``import { a, b } from "./file.js";`` and
    ``export`` before a function, const or class), for a name that is not there or is there twice, and for circles.
    """
    texts: dict[Path, str] = {}
    exports: dict[Path, set[str]] = {}
    owners: dict[str, Path] = {}

    def add(file: Path, importers: tuple[Path, ...]) -> None:
        if file in importers:
            raise ValueError(f"{file.name}: imports itself by way of {' and '.join(each.name for each in importers)}")
        if file in texts:
            return
        text = file.read_text(encoding="utf-8")
        for names, source in IMPORT.findall(text):
            imported = (file.parent / source).resolve()
            add(imported, (*importers, file))
            for name in re.findall(r"\w+", names):
                if name not in exports[imported]:
                    raise ValueError(f"{file.name}: {source} exports no {name}")
        for name in DECLARED.findall(text):
            if not name.isidentifier():
                raise ValueError(f"{file.name}: what is taken apart at the top level can't be told by name")
            if name in owners:
                raise ValueError(f"{file.name}: {name} is defined in {owners[name].name} too")
            owners[name] = file
        exports[file] = set(EXPORT.findall(text))
        texts[file] = _without_imports(text, file, keeps_default=not importers)

    add(entry.resolve(), ())
    return "\n".join(texts.values())


def _without_imports(text: str, file: Path, *, keeps_default: bool) -> str:
    bare = IMPORT.sub("", text)
    bare = EXPORT.sub(lambda found: found[0].removeprefix("export "), bare)
    for found in STATEMENT.findall(bare):
        if not (keeps_default and DEFAULT.match(found)):
            raise ValueError(f"{file.name}: {found!r} is no form of import or export that can be joined")
    first, _, rest = bare.lstrip("\n").partition("\n")
    return f"{first}\n{COMMENT.sub('', rest)}"
