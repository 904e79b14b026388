"""What all tests share. Helpers lie in ``support``."""

import pytest

pytest.register_assert_rewrite("support")
