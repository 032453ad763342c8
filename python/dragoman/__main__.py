"""The ``dragoman`` command, which ``python -m dragoman`` is, too."""

import gc
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command and exit, as `dragoman.cli.main` says."""
    # Modules stay: a collector that walks through them, again and again as they are loaded, finds nothing. It is on
    # for the application, which may load what makes garbage.
    gc.disable()
    from dragoman import cli  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
