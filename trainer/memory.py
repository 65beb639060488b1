"""Memory between the steps of a run."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
LARGEST = 1 << 30  # bytes of a block that is kept


def keep_freed_memory() -> None:
    """Have glibc keep what one step frees for the next; given back, the kernel would clear every page of it anew."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:  # other C libraries have none
        mallopt(_M_MMAP_THRESHOLD, LARGEST)
        mallopt(_M_TRIM_THRESHOLD, -1)
