"""Keeps jsonschema from building a grammar of IRIs, which nothing in a server of ours asks it about.

jsonschema loads ``rfc3987_syntax`` where it is installed, and Jupyter's events require it. To build its grammar takes
0.9 s, most of the time in which a server is loaded, and 13 MB. To be imported before all that imports jsonschema.
"""

from __future__ import annotations

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None: it is as if it were not installed
