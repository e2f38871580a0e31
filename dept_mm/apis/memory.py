"""How a process on the CPU gets its memory."""
import ctypes
import sys

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let freed memory stay with the process, for what is allocated next.

    By default glibc takes large blocks from the system and gives them back
    at once, and the system clears each page before it is used: on the CPU,
    batches of images can cost more time in that than in arithmetic. The
    process then holds on to the most it ever used.

    Returns:
        bool: Whether it is so now; only with glibc.
    """
    if not sys.platform.startswith('linux'):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(M_MMAP_MAX, 0)
                and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
