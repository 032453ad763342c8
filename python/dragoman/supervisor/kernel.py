"""What is asked of the kernel for this process: room for descriptors, and one that stands for the process itself."""

import os
import resource

__all__ = ["own_pidfd", "raise_descriptor_limit"]


def own_pidfd() -> int:
    """A descriptor that stands for this process, for its children; -1 where the kernel has none (before Linux 5.3)."""
    try:
        return os.pidfd_open(os.getpid())
    except OSError:
        return -1


def raise_descriptor_limit() -> None:
    """Let the process open as many descriptors as it may: the soft limit is for programs that call select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        pass  # above what the kernel allows: it stays as it is
