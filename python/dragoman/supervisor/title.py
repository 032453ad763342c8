"""Gives the process the title that ps and top show for it.

The kernel shows the memory that held the command line, and tells where it lies. The package setproctitle looks for it
by walking back from the first environment variable, which leads astray once the environment has been changed, and
takes the room of the environment too, so that /proc/PID/environ is lost to those who look there for settings.
"""

import os

from dragoman.values import printable

__all__ = ["set_title"]

# The name beside the title (ps -o comm, pgrep, the kernel's message when it kills for memory): at most 15 bytes.
NAME = b"dragoman"


def set_title(text: str) -> bool:
    """Show this process as ``dragoman: TEXT``, as far as its command line leaves room; whether it could be done."""
    try:
        start, length = argument_area()
        title = f"dragoman: {printable(text)}".encode("utf-8", "backslashreplace")[: length - 1]
        # A character that is cut in the middle goes as a whole.
        title = title.decode("utf-8", "ignore").encode()
        write(start, title.ljust(length, b"\0"))
    except (OSError, ImportError):
        return False
    try:
        with open("/proc/self/comm", "wb", buffering=0) as comm:
            comm.write(NAME)
    except OSError:
        pass  # root's, once the process has given up root's rights: it has the name from before
    return True


def write(address: int, data: bytes) -> None:
    """Write to our own memory: as a file, where a wrong address is an error and no crash."""
    try:
        memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    except PermissionError:
        # It belongs to root once the process has given up root's rights (proc(5)).
        import ctypes  # noqa: PLC0415 - costs a megabyte, and is needed only then

        ctypes.memmove(address, data, len(data))
        return
    try:
        os.pwrite(memory, data, address)
    finally:
        os.close(memory)


def argument_area() -> tuple[int, int]:
    """Address and bytes of the command line. Raises OSError where the kernel does not tell them."""
    with open("/proc/self/stat", "rb") as file:
        # proc_pid_stat(5): arg_start and arg_end are fields 48 and 49; the third follows the name in parentheses.
        fields = file.read().rpartition(b")")[2].split()
    with open("/proc/self/cmdline", "rb") as file:
        shown_bytes = len(file.read())
    start, end = (int(field) for field in fields[45:47]) if len(fields) > 46 else (0, 0)
    # An emulator's kernel tells the addresses of the emulator.
    if not start or end - start != shown_bytes or shown_bytes < 2:
        raise OSError("the kernel does not tell where the command line lies")
    return start, end - start
