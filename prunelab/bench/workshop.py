"""A class in a workshop: many visitors come, move their sliders while some train, are thrown out and come back.

The visitors are protocol clients (``lab_client.py``) on the same machine: what they compute is taken from the server.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from prunelab.bench.lab_client import AtTheDoor, LabClient
from prunelab.bench.statistics import percentile
from prunelab.bench.table import Row, Say
from prunelab.lab.worker.limits import Limits
from prunelab.serve.process import answers
from prunelab.serve.voila import HOST, free_port
from prunelab.workshop.command import Secrets, argv, environment
from prunelab.workshop.room import KEEP
from prunelab.workshop.sizing import Size

QUIET = 15.0  # seconds after the last visit in which the server gives back what only refers to itself
TIMEOUT = 120.0  # seconds for the server to start, and for memory to come back
MEGABYTE = 1e6
RETURN = 30.0  # seconds for a lab that is taken up again
SAVING = 3.0  # seconds for a lab to be saved
ARRIVAL = 1.0  # seconds between two visitors who come
BETWEEN_MOVES = 2.0  # seconds between two moves of one visitor's slider, on average
EPOCHS = 5  # of the networks that visitors begin with
LONG = 10_000  # epochs: longer than any measurement
TOKEN = "bench"


@dataclass
class Served:
    """A running workshop. url: for visitors."""

    url: str
    process: psutil.Popen
    argv: Sequence[str]
    env: dict[str, str]

    def memory(self) -> float:
        """Megabytes of the server and all its kernels; what they share is counted once."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(_proportional(each) for each in family)

    def kernels(self) -> dict[str, psutil.Process]:
        """Its kernels by their ids."""
        found = {}
        for child in self.process.children(recursive=True):
            try:
                words = " ".join(child.cmdline())
            except psutil.NoSuchProcess:
                continue
            if "ipykernel_launcher" in words and "/kernel-" in words:
                found[words.rpartition("/kernel-")[2].partition(".json")[0]] = child
        return found

    async def start(self) -> None:
        """Start it, again if it has ended. Raises RuntimeError if it does not."""
        self.process = psutil.Popen(list(self.argv), env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        probe = f"{self.url.partition('?')[0]}voila/static/voila.js"
        deadline = time.monotonic() + TIMEOUT
        while not await asyncio.to_thread(answers, probe):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the workshop did not start; prunelab workshop --verbose says why")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End it with all its kernels."""
        family = self.process.children(recursive=True)
        self.process.terminate()
        await asyncio.to_thread(psutil.wait_procs, [self.process, *family], 20)
        for left in (self.process, *family):
            if left.is_running():
                left.kill()
        self.process.wait()


def rows(*, quick: bool, say: Say) -> list[Row]:
    """Measure. quick: a class of four instead of thirty. Raises RuntimeError if the server does not start."""
    return asyncio.run(_rows(4 if quick else 30, 1 if quick else 5, 5 if quick else 200, 10 if quick else 60, say))


async def _rows(visitors: int, trainers: int, visits: int, seconds: float, say: Say) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="prunelab-bench-") as folder:
        async with _served(Path(folder), visitors) as server:
            await _visit(LabClient(server.url))  # trains the network that all begin with
            await asyncio.sleep(KEEP + 2)  # its place is kept for so long
            empty = server.memory()
            say(f"{visitors} visitors come")
            labs, usable = await _arrivals(server, visitors)
            results = [_row("until a lab can be used", usable, "s", note="one visitor a second")]
            say("they move their sliders, and some train")
            idle = await _moves(labs, seconds / 2)
            await _together(_trains(lab) for lab in labs[:trainers])
            training = await _moves(labs[trainers:], seconds)
            many = f"{visitors} visitors"
            results += [
                _row(f"slider to preview, {many}, nobody trains", idle, "ms"),
                _row(f"slider to preview, {many}, {trainers} train", training, "ms", target=300),
            ]
            full = server.memory()
            results.append(Row(
                "memory a visitor", (full - empty) / visitors, "MB", target=300,
                note=f"server, kernels and what they share: {full:.0f} MB with all visitors, {empty:.0f} MB without",
            ))  # fmt: skip
            say("one more comes, and one leaves")
            results.append(await _queue_row(server, labs))
            say("lines are cut, kernels are killed, and the server is started again")
            results.append(await _cut_row(labs[trainers:], seconds / 2))
            results += await _trouble_rows(server, labs[trainers:])
            say("all leave")
            results.append(await _left_row(server, labs, empty))
            say(f"{visits} visits one after another")
            results.append(await _leak_row(server, visits))
    return results


@asynccontextmanager
async def _served(folder: Path, visitors: int) -> AsyncIterator[Served]:
    port = free_port(0)
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "IPYTHONDIR": str(folder / "ipython")}
    url = f"http://{HOST}:{port}/?token={TOKEN}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PRUNELAB_", "VOILA_"))}
    env = environment({**inherited, **home}, HOST, Secrets(TOKEN, "bench-host", url), Limits(), "")
    server = Served(url, None, argv(port, HOST, Size(visitors, 3), rest=60, memory=2000), env)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def _visit(lab: LabClient) -> None:
    await lab.open()
    await lab.leave()


async def _arrivals(server: Served, visitors: int) -> tuple[list[LabClient], list[float]]:
    """Visitors with a network of their own each, by its seed, and the seconds that each waited for a lab."""
    labs = [LabClient(server.url) for _ in range(visitors)]

    async def comes(number: int) -> float:
        await asyncio.sleep(number * ARRIVAL)
        return await labs[number].open(f"seed={number}&epochs={EPOCHS}")

    usable = await _together(comes(number) for number in range(visitors))
    await _together(lab.until_seed(number) for number, lab in enumerate(labs))
    return labs, usable


async def _moves(labs: Sequence[LabClient], seconds: float) -> list[float]:
    """Milliseconds from each move of a slider until its preview is there; all move, each in a time of its own."""
    taken: list[float] = []
    end = time.monotonic() + seconds

    async def moves(lab: LabClient, hand: random.Random) -> None:
        at = float(lab.attributes["preview"])
        while time.monotonic() < end:
            await asyncio.sleep(hand.expovariate(1 / BETWEEN_MOVES))
            at = 1.5 if at > 2.4 else round(at + 0.05, 2)
            taken.append(1000 * await lab.slide(at))

    await _together(moves(lab, random.Random(number)) for number, lab in enumerate(labs))
    return taken


async def _trains(lab: LabClient) -> None:
    await lab.set("epochs", EPOCHS, LONG)
    await lab.press("Train")
    await lab.until(state="training")


async def _queue_row(server: Served, labs: Sequence[LabClient]) -> Row:
    """Seconds from the leaving of one until who waited has a lab."""
    late = LabClient(server.url)
    try:
        await late.open()
        raise RuntimeError("there was a place although all were taken")
    except AtTheDoor as door:
        number = door.number
    began = time.perf_counter()
    await labs[0].leave()
    while True:
        try:
            await late.open()
            break
        except AtTheDoor:
            await asyncio.sleep(2)  # as the waiting page asks
    waited = time.perf_counter() - began
    await late.leave()
    note = f"number {number} in the queue; a place is kept for some seconds, in case its page is only loaded again"
    return Row("from one who leaves to the next who has a lab", waited, "s", note=note)


async def _cut_row(labs: Sequence[LabClient], seconds: float) -> Row:
    """How many find their own network as it was, in their own kernel, when their line was cut for so long."""
    hit = labs[: max(1, len(labs) // 5)]
    own = await _pruned(hit)
    await _together(lab.vanish() for lab in hit)
    await asyncio.sleep(seconds)
    await _together(lab.connect() for lab in hit)
    same = sum((lab.title, lab.attributes["kept"]) == was for lab, was in zip(hit, own, strict=True))
    name = f"of those whose line is cut for {seconds:g} s go on in their own kernel"
    return Row(name, same / len(hit), "of 1", target=1, better="at least")


async def _trouble_rows(server: Served, labs: Sequence[LabClient]) -> list[Row]:
    """Seconds until a page knows that its kernel or the server has ended; and how many come back to their own run."""
    hit = labs[: max(1, len(labs) // 5)]
    before = await _pruned(hit)
    kernels = server.kernels()
    for lab in hit:
        kernels[lab.kernel].send_signal(signal.SIGKILL)
    told = await _together(_lost(lab) for lab in hit)
    back = await _back(hit, before)
    others = await _pruned(labs)
    watches = [asyncio.create_task(_lost(lab)) for lab in labs]
    await server.stop()
    ended = await asyncio.gather(*watches)
    await server.start()
    returned = await _back(labs, others)
    return [
        _row("from a kernel's end until its page knows", told, "s", target=5),
        Row("of them come back to their own run", back / len(hit), "of 1", target=1, better="at least"),
        _row("from the server's end until a page knows", ended, "s", target=5),
        Row(
            "of all come back to their own run when it is started again", returned / len(labs), "of 1",
            target=1, better="at least",
        ),
    ]  # fmt: skip


async def _pruned(labs: Sequence[LabClient]) -> list[tuple[str, str]]:
    """Each has cut its network, and it is saved: (title, connections kept)."""

    async def prunes(lab: LabClient) -> tuple[str, str]:
        if lab.attributes.get("phase") == "trained":
            await lab.press("Prune")
        await lab.until(phase="pruned", state="ready")
        return lab.title, lab.attributes["kept"]

    pruned = await _together(prunes(lab) for lab in labs)
    await asyncio.sleep(SAVING)
    return pruned


async def _lost(lab: LabClient) -> float:
    began = time.perf_counter()
    try:
        await lab.until(state="never")
    except ConnectionError:
        return time.perf_counter() - began
    raise RuntimeError("a lab went on without its kernel")


async def _back(labs: Sequence[LabClient], before: Sequence[tuple[str, str]]) -> int:
    """How many of those who come back by their addresses find their own network as it was."""

    async def comes_back(lab: LabClient, own: tuple[str, str]) -> bool:
        await lab.vanish()
        while True:
            try:
                await lab.reopen()
                break
            except AtTheDoor:
                await asyncio.sleep(2)
        try:
            async with asyncio.timeout(RETURN):
                await lab.until(phase="pruned", state="ready")
        except TimeoutError:
            return False
        return (lab.title, lab.attributes["kept"]) == own

    return sum(await _together(comes_back(lab, own) for lab, own in zip(labs, before, strict=True)))


async def _left_row(server: Served, labs: Sequence[LabClient], empty: float) -> Row:
    await _together(lab.leave() for lab in labs)
    began = time.monotonic()
    while (left := server.memory()) > 1.1 * empty and time.monotonic() < began + TIMEOUT:
        await asyncio.sleep(1)
    note = f"{time.monotonic() - began:.0f} s later"
    return Row("memory when all have left / before they came", left / empty, "x", target=1.1, note=note)


async def _leak_row(server: Served, visits: int) -> Row:
    visitor = LabClient(server.url)
    await _visit(visitor)
    await asyncio.sleep(QUIET)
    before = _proportional(server.process)
    for _ in range(visits):
        await _visit(visitor)
    await asyncio.sleep(QUIET)
    after = _proportional(server.process)
    return Row(
        f"the server's memory after {visits} visits / before", after / before, "x", target=1.1,
        note=f"{after:.0f} MB against {before:.0f}",
    )  # fmt: skip


def _row(name: str, values: Sequence[float], unit: str, **rest: Any) -> Row:
    """A row with the 95th percentile, and the median in its note."""
    note = f"{len(values)} times; median {percentile(values, 0.5):.3g} {unit}"
    more = rest.pop("note", "")
    return Row(f"{name}, p95", percentile(values, 0.95), unit, note=f"{note}; {more}" if more else note, **rest)


async def _together(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """All of it at the same time: the results, in its order."""
    return list(await asyncio.gather(*work))


def _proportional(process: psutil.Process) -> float:
    """Megabytes of a process, of what is shared only its part; 0 once it has ended."""
    try:
        sizes = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0.0
    return float(getattr(sizes, "pss", sizes.uss)) / MEGABYTE
