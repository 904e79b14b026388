"""Peak memory of a piece of work, as the operating system counts it: whatever allocated it, torch, NumPy or Python."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs"), "5"  # sets the peak of this process to what it holds now


def peak(run: Callable[[], object]) -> int | None:
    """Bytes that ``run`` needed at its peak, beyond what the process held before; None where nothing counts that.

    Linux counts it. What was loaded or kept for the first time counts too: run a small case before. What the allocator
    kept of memory that was freed before does not count: measure in a process that has done little else.
    """
    gc.collect()
    path, reset = RESET
    if not path.exists():
        run()
        return None
    path.write_text(reset)
    before = _bytes("VmRSS")
    run()
    return max(_bytes("VmHWM") - before, 0)


def _bytes(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
