"""Pictures that cells of notebooks show, with the text alternative that stands in them.

myst-nb writes an SVG output into a file and shows it as an image; the words that it carries, as its title or label, are
lost on the way. They become the image's alternative. The state of the widgets, nearly a megabyte a page, would be for
scripts that these pages do not have: it is left out.
"""

from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx

SVG = "{http://www.w3.org/2000/svg}"


def words(svg: Path) -> str | None:
    """The text alternative of a drawing, or None if it has none."""
    root = ElementTree.parse(svg).getroot()
    return root.get("aria-label") or root.findtext(f"{SVG}title")


def speak(app: Sphinx, document: nodes.document) -> None:
    for image in document.findall(nodes.image):
        file = Path(app.srcdir, image["uri"].lstrip("/"))
        if file.suffix == ".svg" and not image.get("alt") and (alt := words(file)) is not None:
            image["alt"] = alt
    app.env.nb_metadata.get(app.env.docname, {}).get("js_files", {}).pop("ipywidgets_state", None)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", speak)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
