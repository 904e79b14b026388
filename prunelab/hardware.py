"""Processor, free memory and load of this machine."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """The machine that a measurement was made on."""

    processor: str
    cores: int
    system: str
    torch: str

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.system}, torch {self.torch}"


def memory() -> int | None:
    """Bytes of memory this process may still use, or all memory where the free part is unknown; None if unknown."""
    limits = []
    with suppress(OSError, ValueError):  # not Linux
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(int(line.split()[1]) * 1024)
    with suppress(OSError, ValueError):  # not in a container, or no limit ("max")
        # On Binder the machine is large, but the limit is small.
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    if not limits and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limits, default=None)


def machine() -> Machine:
    """This machine."""
    return Machine(_processor(), os.cpu_count() or 1, f"{platform.system()} {platform.machine()}", version("torch"))


def load() -> float | None:
    """Load over the last minute as a fraction of the cores; None where the system does not report it."""
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except (AttributeError, OSError):  # Windows
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:  # not Linux
        names = []
    return names[0] if names else platform.processor() or platform.machine()
