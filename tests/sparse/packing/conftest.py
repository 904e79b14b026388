"""A packed file to read and to damage."""

import pytest

from prunelab.sparse.packing.file import packed
from support.packed_files import everything


@pytest.fixture(scope="module")
def whole():
    state = everything()
    return packed(state), state
