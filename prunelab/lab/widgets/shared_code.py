"""Code and style sheet that all widgets of a kind share: a page gets them once, as the state of one model.

anywidget sends a script with every widget. Ours send a small one that fetches the rest from that model
(shared_code.js): fifteen sliders would cost 180 KB otherwise.
"""

from __future__ import annotations

from typing import ClassVar, Self

import ipywidgets
import traitlets

from prunelab.lab.widgets.whole_state import WholeState


class SharedCode(WholeState, ipywidgets.Widget):
    """The code of one kind of widget, which refers to it by a trait ``library``. It has no view.

    Subclasses give both traits a default; ``shared()`` returns the instance of this process.
    """

    style = traitlets.Unicode(help="the style sheet of all widgets of this kind").tag(sync=True)
    code = traitlets.Unicode(help="a module that exports how to render one").tag(sync=True)

    _shared: ClassVar[SharedCode | None] = None

    @classmethod
    def shared(cls) -> Self:
        """The instance that all widgets of this process refer to: created on first use, and again if it was closed."""
        shared = vars(cls).get("_shared")
        if not isinstance(shared, cls) or shared.comm is None:
            cls._shared = shared = cls()
        return shared
