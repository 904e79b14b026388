"""The table of the network's modules: pruned or not, and why."""

from __future__ import annotations

from html import escape

from prunelab.formatting import count
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.shared_looks import show
from prunelab.results.subject import Module, Subject

COLUMNS = ("module", "kind", "weights that count", "not counted", "pruned", "why")
NUMBERS = (2, 3)  # columns of numbers


class ModuleTable(basics.Accordion):
    """The modules of the network, folded; on the page only where there are some that are not pruned."""

    def __init__(self) -> None:
        self._table = basics.HTML()
        super().__init__(children=[self._table], titles=("",), selected_index=None)
        self.add_class("pl-modules")
        self._shown: tuple[Module, ...] | None = None
        self.show(None)

    def show(self, subject: Subject | None) -> None:
        """Show the modules of a subject. On the widgets' thread."""
        modules = () if subject is None else subject.modules
        if modules == self._shown:
            return
        self._shown = modules
        left_out = sum(not module.pruned for module in modules)
        self.titles = (f"{left_out} of {len(modules)} modules are not pruned, and why",)
        self._table.value = _table(modules) if left_out else ""
        show(self, left_out > 0)


def _table(modules: tuple[Module, ...]) -> str:
    rows = [
        (m.name or "the model itself", m.kind, count(m.counted), count(m.others), "yes" if m.pruned else "no", m.why)
        for m in modules
    ]
    kinds = [' class="pl-figure"' if i in NUMBERS else "" for i in range(len(COLUMNS))]
    heads = "".join(f'<th scope="col"{kind}>{head}</th>' for kind, head in zip(kinds, COLUMNS, strict=True))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(map(_row, rows))}</tbody></table>"
    return f'<div class="pl-scroll" tabindex="0" role="region" aria-label="modules">{table}</div>'


def _row(cells: tuple[str, ...]) -> str:
    kinds = [' class="pl-figure"' if i in NUMBERS else "" for i in range(len(cells))]
    return "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, cells, strict=True)) + "</tr>"
