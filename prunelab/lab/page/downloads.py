"""The files that the download buttons give, made from the lab's state."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from prunelab.formatting import file_part
from prunelab.lab.messages import LabState
from prunelab.lab.page.bridge import Soon
from prunelab.lab.widgets.download_bar import DownloadBar
from prunelab.results.subject import Subject
from prunelab.sessions.session import Session


@dataclass(frozen=True)
class Made:
    """A file, or, where ``mime`` is empty, a text for the clipboard."""

    filename: str
    mime: str
    content: bytes


ITEMS = (
    {"name": "link", "label": "Copy link", "tooltip": "A link to this page as it stands", "copy": True},
    {"name": "report", "label": "Report", "tooltip": "The run as one page that opens anywhere, offline"},
    {"name": "figures", "label": "Figures", "tooltip": "All pictures for print: PNG, SVG and PDF, zipped"},
    {"name": "data", "label": "Data", "tooltip": "Every snapshot as CSV, the recipe as JSON, zipped"},
    {"name": "model", "label": "Model", "tooltip": "The network as a packed file: prunelab.sparse.load"},
    {"name": "python", "label": "Python", "tooltip": "The lines of Python that do this run again"},
)
NEED_HISTORY = tuple(str(item["name"]) for item in ITEMS if item["name"] != "link")


def missing(state: LabState) -> dict[str, str]:
    """{button: why it is disabled now}."""
    if not state.history:
        return dict.fromkeys(NEED_HISTORY, "Nothing is trained yet")
    if state.viewed is not None:
        return {"model": "Only the network of the latest moment is there: go back to live first"}
    return {}


class Exporter:
    """Makes files and sends them to the pages that requested them. soon: runs a function on the widgets' thread.

    Figures for print take seconds: they are made one after the other on a separate thread, while the lab runs.
    """

    def __init__(self, downloads: DownloadBar, soon: Soon) -> None:
        self._downloads, self._soon = downloads, soon
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prunelab-exporter")
        self._requests: list[Future[None]] = []
        self._ended = False

    def later(self, name: str, state: LabState) -> None:
        """Make and send a file that needs only the state; returns at once. Ignored after ``end``."""
        if self._ended:
            return
        pending = [request for request in self._requests if not request.done()]
        self._requests = [*pending, self._thread.submit(self.send, name, state)]

    def send(self, name: str, state: LabState, session: Session | None = None) -> None:
        """Make and send a file now, or the error. session: where ``make`` needs one."""
        try:
            file = make(name, state, session)
        except Exception as error:  # shown beside the button; the run continues
            words = f"This could not be made: {error}"
            self._soon(lambda: self._downloads.send_error(name, words))
            return
        self._soon(lambda: self._downloads.send_file(name, file.filename, file.mime, file.content))

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all requests are answered; False if ``timeout`` seconds pass before that."""
        return not wait(self._requests, timeout).not_done

    def end(self) -> None:
        """Cancel pending requests and ignore new ones."""
        self._ended = True
        self._thread.shutdown(wait=False, cancel_futures=True)


def make(name: str, state: LabState, session: Session | None = None) -> Made:
    """The file of a button (except the link). session: for the model. Raises ValueError for an unknown name.

    Figures show the moment that the page shows; all else is of the whole run.
    """
    from prunelab import exports  # imports matplotlib and SciPy: only when needed
    from prunelab.sparse.packing import file as packing

    recipe, history, measured = state.recipe, state.history, state.measurement
    subject = state.subject or Subject.of(recipe)
    stem = "-".join(filter(None, ("prunelab", recipe.key, file_part(subject.model, 40), file_part(subject.data, 40))))
    if name == "report":
        return Made(f"{stem}.html", "text/html", exports.report(recipe, history, measured, subject).encode())
    if name == "figures":
        measurement = measured if state.viewed is None else None
        figures = exports.figures(recipe, state.past, measurement, tradeoff=state.tradeoff)
        return Made(f"{stem}-figures.zip", "application/zip", exports.zipped(figures))
    if name == "data":
        files = {"snapshots.csv": exports.snapshots_csv(history), "recipe.json": exports.recipe_json(recipe)}
        if subject.modules:
            files["modules.csv"] = exports.modules_csv(subject.modules)
        if measured is not None:
            files["measurement.csv"] = measured.to_csv()
        if state.tradeoff is not None:
            files["tradeoff.csv"] = state.tradeoff.to_csv()
        return Made(f"{stem}-data.zip", "application/zip", exports.zipped(files))
    if name == "model" and session is not None:
        packed = packing.packed(session.model, masks=session.masks)
        return Made(f"{stem}.prune", "application/octet-stream", packed)
    if name == "python":
        return Made(f"{stem}.py", "text/x-python", exports.snippet(recipe, history, subject).encode())
    raise ValueError(f"{name!r} is nothing that can be exported")
