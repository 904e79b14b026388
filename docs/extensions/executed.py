"""Where the outputs of executed notebooks are kept: with the code that they came from, and no longer.

jupyter-cache knows a notebook by its cells. What a cell prints also depends on prunelab, so each state of the code has
a folder of its own; those of earlier ones are deleted.
"""

import hashlib
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config


def digest_of(package: Path) -> str:
    """Digest of all files of a package."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def keep_with_code(app: Sphinx, config: Config) -> None:
    if config.nb_execution_mode != "cache":
        return
    home = Path(app.srcdir) / "_build" / "executed"
    current = home / digest_of(Path(app.srcdir).parent / "prunelab")
    for earlier in home.glob("*"):
        if earlier != current:
            shutil.rmtree(earlier)
    config.nb_execution_cache_path = str(current)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", keep_with_code, priority=100)  # before myst-nb reads it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
