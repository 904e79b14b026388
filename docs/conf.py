"""How the documentation is built: Sphinx, furo and MyST. Everything comes from this checkout; nothing is fetched.

``make docs`` executes the notebooks, and keeps what they gave until the code changes. ``-D nb_execution_mode=off``
builds without that, as the tests do.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]

from prunelab import __version__  # noqa: E402
from prunelab.views import palette  # noqa: E402

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the notebooks' kernels: small networks are faster so

project = "prunelab"
author = copyright = "prunelab contributors"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "command_line",
    "docstrings",
    "executed",
    "mathml",
    "notebooks",
    "pictures",
    "recipe_fields",
    "signatures",
]
exclude_patterns = ["_build", "extensions", "static", "templates"]
templates_path = ["templates"]
nitpicky = True
# Other projects' names can't be looked up without a network: they are shown, not linked.
nitpick_ignore_regex = [
    ("py:.*", r"(torch|nn|numpy|np|pandas|pd|collections|concurrent|os|pathlib|t|threading|typing)\..*"),
    ("py:.*", r"Tensor|Module|prunelab\.sparse\.packing\.file\.M"),
]

# Pages

html_theme = "furo"
html_title = f"prunelab {version}"
html_static_path = ["static"]
html_css_files = ["prunelab.css"]
html_js_files = ["prunelab.js"]
html_favicon = "static/icon.svg"
html_logo = "static/icon.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_math_renderer = "mathml"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": palette.KEPT, "color-brand-content": palette.KEPT},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#56B4E9"},
}
copybutton_exclude = ".linenos, .gp, .go"

# Texts

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

# Names

autodoc_default_options = {
    "members": True,
    "inherited-members": "object,Exception,Mapping,Module,Sequential,UserWarning,VBox,tuple",
}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

# Notebooks

nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 180
nb_ipywidgets_js = {}  # by default from a CDN; without a kernel a widget says nothing anyway, its picture does
# Of the kinds that an output has, the one that needs neither a kernel nor scripts.
nb_mime_priority_overrides = [("html", "image/svg+xml", 1), ("html", "application/vnd.jupyter.widget-view+json", 99)]
