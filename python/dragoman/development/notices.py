"""What is to be told at the start of a run for development."""

import importlib.util
import ipaddress
from collections.abc import Iterator

from dragoman.settings import Settings
from dragoman.values import TcpAddress

__all__ = ["notices", "start_line"]

LIBRARY = "watchfiles"


def notices(settings: Settings, *, is_given: bool) -> Iterator[str]:
    """Warnings: who else can reach it, and what cannot act.

    is_given   the application comes from the program that serves it, which may have loaded its modules already
    """
    if settings.dev:
        for address in settings.bind:
            if isinstance(address, TcpAddress) and not is_loopback(address.host):
                yield (
                    f"--dev, and other machines can reach {address}: the checks cost time, and the log shows requests;"
                    " leave it out where you serve others"
                )
    if not settings.is_watching:
        return
    if settings.workers == 0:
        yield "changed files are not loaded: workers = 0 has no supervisor, which would start another process"
    elif is_given:
        yield "a change loads anew what the workers load, not the modules that the program which serves has loaded"
    elif importlib.util.find_spec(LIBRARY) is None:
        yield f"{LIBRARY} is not installed, so files are looked at every second; pip install 'dragoman[dev]' is quicker"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def start_line(settings: Settings) -> str:
    """What is different from a run for others; "" where nothing is."""
    parts = ["all rules of the contract are checked"] if settings.dev else []
    if settings.is_watching and settings.workers:
        parts.append(f"a change in {settings.chdir} is loaded")
    return ", ".join(parts)
