"""`Mount`: applications below prefixes of the path, beside the one at the root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dragoman.middleware.answer import plain
from dragoman.middleware.layer import Layer
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Mount"]

NOT_FOUND = plain("404 Not Found", "Nothing is here.")


class Mount(Layer):
    """Gives requests below a prefix to the application that is mounted there; all others to `app`.

    mounts   prefix → WSGI application; a prefix begins with "/" and fits whole segments, the longest one wins

    The prefix moves from ``PATH_INFO`` to ``SCRIPT_NAME``, so that the application there builds its links rightly.
    Without `app` what is below no prefix is 404.
    Raises ValueError for a prefix of another shape or twice the same, TypeError for what is no application.
    Source: PEP 3333, "URL Reconstruction".

        app = Mount(site, mounts={"/api": api, "/admin": admin})
    """

    def __init__(self, app: WSGIApplication | None = None, *, mounts: Mapping[str, WSGIApplication]) -> None:
        super().__init__(app)
        rows: dict[str, WSGIApplication] = {}
        for prefix, application in mounts.items():
            if not isinstance(prefix, str) or not prefix.startswith("/") or "//" in prefix:
                raise ValueError(f'mounts: want paths that begin with "/", without empty segments, got {prefix!r}')
            if not callable(application):
                raise TypeError(f"mounts: {prefix}: want a WSGI application, got {application!r}")
            # As paths come: bytes as latin-1.
            key = prefix.rstrip("/").encode().decode("latin-1")
            if key in rows:
                raise ValueError(f"mounts: {prefix} is there twice")
            rows[key] = application
        self.mounts = rows
        self.depth = max((key.count("/") for key in rows), default=0)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the application that the path belongs to."""
        path = environ.get("PATH_INFO", "")
        found = self.find(path)
        if found is None:
            return self.app(environ, start_response)
        prefix, application = found
        if prefix:
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
            environ["PATH_INFO"] = path[len(prefix) :]
        return application(environ, start_response)

    def find(self, path: str) -> tuple[str, WSGIApplication] | None:
        """The longest prefix that fits, and what is mounted there."""
        # No further than prefixes are deep: a path may have thousands of segments.
        segments = path.split("/", self.depth + 1)
        for count in range(min(len(segments), self.depth + 1), 0, -1):
            prefix = "/".join(segments[:count])
            if (application := self.mounts.get(prefix)) is not None:
                return prefix, application
        return None

    def lacking(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """What is below no prefix, where there is no application at the root."""
        return NOT_FOUND(environ, start_response)
