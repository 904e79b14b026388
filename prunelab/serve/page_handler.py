"""Voila's page, whose kernel is never told the token that its visitor came in with."""

from __future__ import annotations

from collections.abc import AsyncIterator

from voila.tornado.handler import TornadoVoilaHandler

from prunelab.serve.visitor import without_token


class PageHandler(TornadoVoilaHandler):  # type: ignore[misc]  # Voila has no types
    """Voila's handler. What it hands on to kernels, the query and the whole address, has no token."""

    async def get_generator(self, path: str | None = None) -> AsyncIterator[str]:
        """The page, part by part, for one who has been let in; see the base class."""
        request = self.request
        address, mark, query = (request.uri or "").partition("?")
        request.uri, request.query = f"{address}{mark}{without_token(query)}", without_token(request.query)
        async for part in super().get_generator(path):
            yield part
