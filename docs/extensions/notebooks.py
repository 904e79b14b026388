"""The notebooks that the package ships, as pages: they lie in ``notebooks/``, and Sphinx reads only its own folder.

Copies, not links: links from a page to a notebook are looked up where the file really is.
"""

import shutil
from pathlib import Path

from sphinx.application import Sphinx

PLACES = {"lessons": "tutorial/lessons", "gallery": "how-to/gallery"}


def bring(app: Sphinx) -> None:
    """Copy what changed; a copy without an original goes."""
    for folder, place in PLACES.items():
        target = Path(app.srcdir, place)
        target.mkdir(parents=True, exist_ok=True)
        originals = {path.name: path for path in (Path(app.srcdir).parent / "notebooks" / folder).glob("*.ipynb")}
        for copy in target.iterdir():
            if copy.name not in originals:
                copy.unlink()
        for name, original in originals.items():
            copy = target / name
            if not copy.exists() or copy.read_bytes() != original.read_bytes():  # else Sphinx would read it again
                shutil.copyfile(original, copy)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", bring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
