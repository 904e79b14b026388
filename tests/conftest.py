"""What all tests share. Helpers lie in ``support``."""

import os

import pytest

pytest.register_assert_rewrite("support")

# Processes of pytest-xdist share the cores already: threads of torch beside them would wait for each other more than
# they work. Set before torch is loaded; kernels and commands that tests start inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
