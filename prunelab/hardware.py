"""The machine: its processor, free memory and load."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """Where something was measured."""

    processor: str
    cores: int
    system: str
    torch: str

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.system}, torch {self.torch}"


def memory() -> int | None:
    """Bytes this process may still use, as far as the system tells; None where it doesn't."""
    bounds = []
    with suppress(OSError, ValueError):  # not Linux
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                bounds.append(int(line.split()[1]) * 1024)
    with suppress(OSError, ValueError):  # no container, or one without a limit: "max"
        # On Binder the machine is large and the limit is not.
        bounds.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    if not bounds and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        bounds.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(bounds, default=None)


def machine() -> Machine:
    """This machine."""
    return Machine(_processor(), os.cpu_count() or 1, f"{platform.system()} {platform.machine()}", version("torch"))


def load() -> float | None:
    """How busy the machine has been for the last minute, as a part of its cores; None where the system can't tell."""
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
