"""Parsers of single setting values: text in, a value that cannot be wrong out, or ValueError saying what is wanted."""

import errno
import ipaddress
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeAlias

__all__ = [
    "Address",
    "InheritedAddress",
    "PassedAddress",
    "TcpAddress",
    "UnixAddress",
    "access_log_format",
    "address",
    "byte_size",
    "cause_of",
    "check_target",
    "choice",
    "counted",
    "directories",
    "directory",
    "environment_variable",
    "error_log",
    "flag",
    "nearest",
    "networks",
    "octal_mask",
    "optional",
    "printable",
    "request_path",
    "root_path",
    "seconds",
    "server_field",
    "text",
    "whole",
    "working_directory",
]

LOG_ATOMS = tuple("hlutrmUqHsBbfaTDMLp")
SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# RFC 3875, section 4.1 and PEP 3333, "environ Variables": what these mean in an environ is the request's to say.
REQUEST_VARIABLES = re.compile(
    r"HTTP_.*|CONTENT_(TYPE|LENGTH)|REMOTE_.*|REQUEST_.*|PATH_INFO|SCRIPT_NAME|QUERY_STRING|SERVER_PROTOCOL|RAW_URI"
)
# sockaddr_un.sun_path is 108 bytes on Linux, the final NUL included (unix(7)).
UNIX_PATH_BYTES = 107


class TcpAddress(NamedTuple):
    """HOST:PORT; an IPv6 host without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(NamedTuple):
    """A socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


class InheritedAddress(NamedTuple):
    """A socket that the parent process has opened: systemd's start at descriptor 3."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


class PassedAddress(NamedTuple):
    """A socket of the service manager's. `name` is what its unit calls it (FileDescriptorName=)."""

    fd: int
    name: str = ""

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Address: TypeAlias = TcpAddress | UnixAddress | InheritedAddress | PassedAddress


def address(value: str) -> Address:
    """``HOST:PORT``, ``[IPV6]:PORT``, ``:PORT`` (all of IPv4), ``unix:PATH`` or ``fd://N``."""
    if unix := re.fullmatch(r"unix:(?://)?(.+)", value):
        if len(os.fsencode(unix[1])) > UNIX_PATH_BYTES:
            raise ValueError(f"a socket path of at most {UNIX_PATH_BYTES} bytes")
        return UnixAddress(unix[1])
    if inherited := re.fullmatch(r"fd://([0-9]{1,6})", value):
        return InheritedAddress(int(inherited[1]))
    # A colon in a host without brackets would leave open where the port begins.
    tcp = re.fullmatch(r"(?:tcp://)?(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([^\s:/\[\]@]*)):([0-9]{1,5})", value)
    if tcp is None or int(tcp[3]) > 65535:
        raise ValueError(f"HOST:PORT (port 0 to 65535), [IPV6]:PORT, :PORT, unix:PATH or fd://N{meant_address(value)}")
    return TcpAddress(tcp[1] or tcp[2] or "0.0.0.0", int(tcp[3]))


def meant_address(value: str) -> str:
    """What was meant by a text that is no address, as a question; "" where it cannot be told."""
    if re.fullmatch(r"[0-9]{1,5}", value) and int(value) <= 65535:
        return f"; did you mean :{value}?"
    if value.startswith("/"):
        return f"; did you mean unix:{value}?"
    if ipv6 := re.fullmatch(r"([0-9A-Fa-f:]*:[0-9A-Fa-f:]*):([0-9]{1,5})", value):
        return f"; did you mean [{ipv6[1]}]:{ipv6[2]}?"
    if re.fullmatch(r"[A-Za-z0-9.-]+", value):
        return f"; did you mean {value}:8000?"
    return ""


def whole(low: int, high: int) -> Callable[[str], int]:
    """Whole numbers from `low` to `high`."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """A time in seconds, with decimals if need be, from `low` to `high`."""

    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) or not low <= float(value) <= high:
            raise ValueError(f"seconds from {low:g} to {high:g}, such as {max(low, 2):g} or 0.5")
        return float(value)

    return parse


def byte_size(low: int, high: int) -> Callable[[str], int]:
    """A number of bytes from `low` to `high`; K, M and G stand for powers of 1,024."""

    def parse(value: str) -> int:
        match = re.fullmatch(r"([0-9]{1,18})([KMG]?)", value, re.IGNORECASE)
        size_bytes = int(match[1]) * SIZE_UNITS[match[2].upper()] if match else -1
        if not low <= size_bytes <= high:
            raise ValueError(f"a number of bytes from {size_text(low)} to {size_text(high)}, such as 65536, 64K or 2M")
        return size_bytes

    return parse


def size_text(size_bytes: int) -> str:
    """The shortest text that `byte_size` reads back as `size_bytes`: ``"64K"``."""
    for unit in ("G", "M", "K"):
        if size_bytes and size_bytes % SIZE_UNITS[unit] == 0:
            return f"{size_bytes // SIZE_UNITS[unit]}{unit}"
    return str(size_bytes)


def choice(*words: str) -> Callable[[str], str]:
    """One of `words`, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value.lower()

    return parse


def flag(value: str) -> bool:
    """Yes or no."""
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if value.lower() not in known:
        raise ValueError("true or false")
    return known[value.lower()]


def text(value: str) -> str:
    """Any text that is not empty and can be the name of a file."""
    if not value or "\0" in value:
        raise ValueError("a text that is not empty")
    return value


def optional(value: str) -> str:
    """A text, or ``""`` for ``none``, which is how no text is shown: so a flag takes back what a file says."""
    return "" if value == "none" else text(value)


def error_log(value: str) -> str:
    """A file, or ``-``."""
    # A file of that name would be made in silence, and be all that is heard of the server.
    if value == "none":
        raise ValueError(
            "a file, or - for standard error: there is always an error log (./none is a file of that name)"
        )
    return text(value)


def directory(value: str) -> str:
    """A directory that exists, as an absolute path. Links stay: a release is switched by what they lead to."""
    if not value or "\0" in value or not Path(value).is_dir():
        raise ValueError("a directory that exists")
    path = Path(working_directory(), value)
    if ".." in path.parts:
        # What is above a link is above the directory that it leads to.
        above = len(path.parts) - path.parts[::-1].index("..")
        path = Path(os.path.realpath(Path(*path.parts[:above])), *path.parts[above:])
    return str(path)


def working_directory() -> str:
    """The process's directory by the name that a shell knows it by (PWD), links and all, where that still is its name.

    Raises OSError when it is not there any more.
    """
    here, name = os.getcwd(), os.environ.get("PWD", "")
    try:
        is_name = os.path.isabs(name) and os.path.samefile(name, here)
    except (OSError, ValueError):
        is_name = False
    return os.path.normpath(name) if is_name and ".." not in Path(name).parts else here


def directories(value: str) -> tuple[str, ...]:
    """Paths separated by commas; they need not exist yet, as on ``sys.path``."""
    return tuple(part.strip() for part in optional(value).split(",") if part.strip())


def environment_variable(value: str) -> tuple[str, str]:
    """``NAME=VALUE`` as a pair."""
    name, equals, content = value.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in content:
        raise ValueError("NAME=VALUE, the name of letters, digits and underscores")
    if REQUEST_VARIABLES.fullmatch(name):
        raise ValueError(
            f"a name that is not the request's own: {name} in an environ comes from the client;"
            " for the process alone, set it in the shell that starts the server"
        )
    return name, content


def octal_mask(value: str) -> int:
    """Permission bits in octal: ``"027"``."""
    if not re.fullmatch(r"(0o)?[0-7]{1,4}", value) or int(value, 8) > 0o777:
        raise ValueError("octal permission bits from 0 to 777, such as 027")
    return int(value, 8)


def root_path(value: str) -> str:
    """``"/shop"``: where the application is mounted; ``"/"`` is the root and becomes ``""``."""
    # PEP 3333, "environ Variables": SCRIPT_NAME may be empty, begins with a slash otherwise; one at its end would be
    # counted to PATH_INFO as well.
    stripped = value.rstrip("/")
    if not value.startswith("/") or not re.fullmatch(r"(/[!-.0->@-~]+)*", stripped):
        raise ValueError("a path that starts with / and holds neither blanks, ? nor empty segments, such as /shop")
    return stripped


def request_path(value: str) -> str:
    """``"/ready"``: a path as clients send it, without a query; ``""`` for ``none``."""
    if value == "none":
        return ""
    if not re.fullmatch(r"/[!-\"$->@-~]*", value):
        raise ValueError("a path that starts with / and holds neither blanks nor ? or #, such as /ready")
    return value


def check_target(value: str) -> str:
    """``"/health"``, or a URL whose host and scheme the request then has; ``""`` for ``none``."""
    if value == "none":
        return ""
    if not re.fullmatch(r"(https?://[A-Za-z0-9.:\[\]-]+)?/[!-\"$-~]*", value):
        raise ValueError(
            "a path such as /health, or a URL such as https://shop.example/health, of ASCII without blanks"
        )
    return value


def networks(value: str) -> tuple[str, ...]:
    """Addresses and networks separated by commas, ``*`` among them for all: ``("127.0.0.1/32", "10.0.0.0/8")``."""
    return tuple(network(part.strip()) for part in value.split(",") if part.strip())


def network(part: str) -> str:
    if part == "*":
        return part
    try:
        if not re.fullmatch(r"[0-9A-Fa-f:.]+(/[0-9.]+)?", part):
            raise ValueError
        found = ipaddress.ip_interface(part)
    except ValueError:
        raise ValueError(
            f"addresses and networks separated by commas, such as 127.0.0.1,10.0.0.0/8, or * for all; {part} is neither"
        ) from None
    # Which of the two was meant decides who is trusted.
    if found.ip != found.network.network_address:
        raise ValueError(f"{found.network} for the network, or {found.ip} for the one address")
    return str(found.network)


def server_field(value: str) -> str:
    """The value of the Server field, or ``""`` for ``none``."""
    if value.lower() == "none":
        return ""
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):
        raise ValueError("printable ASCII, or none")
    return value


def access_log_format(value: str) -> str:
    """``common``, ``combined``, ``json``, or a text with atoms such as ``%(h)s``."""
    if value in ("common", "combined", "json"):
        return value
    rest = re.sub(rf"%\((?:{'|'.join(LOG_ATOMS)}|\{{[^{{}}()\s]+\}}[ioe])\)s|%%", "", value)
    if not value or "%" in rest or not rest.isprintable():
        raise ValueError(
            "common, combined, json, or a text with atoms %(X)s where X is one of "
            f"{' '.join(LOG_ATOMS)} {{name}}i {{name}}o {{name}}e"
        )
    return value


def counted(count: int, noun: str, nouns: str = "") -> str:
    """``1 worker``, ``2 workers``; `nouns` where an s is not enough."""
    return f"{count} {noun if count == 1 else nouns or f'{noun}s'}"


def cause_of(error: OSError, path: str) -> str:
    """Why the file or socket at `path` cannot be had; where its directory is missing, which one that is."""
    # "No such file or directory" of something that was to be made leaves open which of the two is meant.
    directory_of = os.path.dirname(path) or "."
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not os.path.isdir(directory_of):
        return f'there is no directory "{printable(directory_of)}"'
    return error.strerror or str(error)


def nearest(word: str, known: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """At most so many of the `known` names, the likest to `word` first; 1.0 is the same (difflib)."""
    # Imported late: only mistakes need it.
    import difflib  # noqa: PLC0415

    return difflib.get_close_matches(word, list(known), most, cutoff)


def printable(value: str, keep: str = "") -> str:
    """`value` with controls, line ends, bidirectional marks and lone surrogates as escapes, so that it forges no line.

    keep    characters that stay as they are: ``"\\n\\t"`` for a text of several lines
    """
    if value.isprintable():
        return value
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode("ascii") for char in value
    )
