"""The one arithmetic of connections that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING


class Counted:
    """Something of which ``kept`` of ``total`` connections are kept."""

    if TYPE_CHECKING:  # a field of some, a property of others

        @property
        def kept(self) -> int: ...

        @property
        def total(self) -> int: ...

    @property
    def density(self) -> float:
        """kept / total, 0 to 1."""
        return self.kept / self.total

    @property
    def compression(self) -> float:
        """total / kept, at least 1."""
        return self.total / self.kept
