"""Paths of the files that come with prunelab, in a checkout and in an installed package."""

from __future__ import annotations

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
