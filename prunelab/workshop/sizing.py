"""How many visitors a machine has room for."""

from __future__ import annotations

from dataclasses import dataclass

from prunelab.errors import WorkshopError

# Measured with labs that train (docs/how-to/workshop.md); what kernels share is counted once, with the server.
VISITOR = 300_000_000  # bytes of a visitor's kernel
SERVER = 1_000_000_000  # bytes of the server, what its kernels share, and what the machine needs to breathe
PER_CORE = 15  # visitors, of whom a few train at a time
POOL = 3  # labs that wait ready, if there is room: so many may come at once without waiting for their kernel


@dataclass(frozen=True)
class Size:
    """places: visitors at once. pool: kernels that wait ready for the next ones, beyond those of visitors."""

    places: int
    pool: int


def size(memory: int | None, cores: int, *, places: int | None = None, pool: int | None = None) -> Size:
    """Room for a workshop.

    memory: bytes that are free, None if unknown. cores: of the machine. places, pool: what the host asks for; None: as
    many as fit. Raises WorkshopError for more than there is memory for.
    """
    most = None if memory is None else max(0, (memory - SERVER) // VISITOR)
    if most is not None and most < 1:
        raise WorkshopError(
            f"{_gigabytes(memory or 0)} of memory are free, and a workshop of one needs "
            f"{_gigabytes(SERVER + VISITOR)}: close other programs, or take a larger machine"
        )
    for name, asked, least in (("--max-visitors", places, 1), ("--pool", pool, 0)):
        if asked is not None and asked < least:
            raise WorkshopError(f"{name} {asked}: must be at least {least}")
    wanted = (places or 1) + (pool or 0)
    if most is not None and wanted > most:
        raise WorkshopError(
            f"{wanted} labs at once (--max-visitors and --pool together) need "
            f"{_gigabytes(SERVER + wanted * VISITOR)} of memory, and {_gigabytes(memory or 0)} are free: {most} fit"
        )
    ready = pool if pool is not None else POOL if most is None else min(POOL, most - (places or 1))
    if places is None:
        places = PER_CORE * cores if most is None else max(1, min(PER_CORE * cores, most - ready))
    return Size(places, ready)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
