"""The visitor without a browser, against a real workshop: it sees what a page would, and a full room's door."""

from __future__ import annotations

import asyncio

import pytest

from prunelab.bench.lab_client import AtTheDoor, LabClient
from support.servers import kernels, stop
from support.workshop import TOKEN, start_workshop


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = start_workshop(tmp_path_factory.mktemp("home"), places=1, pool=1)
    yield started
    stop(started)


def test_it_moves_the_slider_prunes_leaves_and_finds_its_lab_again(server):
    async def visits() -> None:
        lab = LabClient(f"{server.url}?token={TOKEN}")
        assert await lab.open("v=2&seed=3") > 0
        await lab.until_seed(3)
        for quality in (1.55, 1.6):
            assert await lab.slide(quality) > 0
            assert lab.attributes["preview"] == f"{quality:.2f}"
        with pytest.raises(AtTheDoor, match="number 1 in the queue"):
            await LabClient(f"{server.url}?token={TOKEN}").open()
        await lab.press("Prune")
        await lab.until(phase="pruned", state="ready")
        kept = lab.attributes["kept"]
        kernel = lab.kernel
        await lab.vanish()
        await lab.connect()
        assert (lab.kernel, lab.attributes["kept"], lab.attributes["phase"]) == (kernel, kept, "pruned")
        assert await lab.slide(1.7) > 0
        with pytest.raises(RuntimeError, match="no button 'Dance'"):
            await lab.press("Dance")
        await lab.leave()
        await lab.reopen()
        await lab.until(phase="pruned", state="ready")
        assert (lab.attributes["kept"], lab.title.endswith("seed 3")) == (kept, True)
        (own,) = [each for each in kernels(server) if lab.kernel in " ".join(each.cmdline())]
        own.kill()
        with pytest.raises(ConnectionError):
            await lab.until(state="never")
        await lab.vanish()

    asyncio.run(visits())
