"""A visitor for the suites of the examples: keeps cookies, and reads streams as they come."""

from __future__ import annotations

import http.client
import importlib
import json
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from dragoman.contract import Checked, Finding
from dragoman.testing import LiveServer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FORMS = ("flask", "dragoman")
DEADLINE_S = 20.0


@dataclass
class Answer:
    """A whole answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        assert self.headers.get_content_type() == "application/json", (self.status, self.text)
        return json.loads(self.body)


class Site:
    """A visitor of a server; another visitor has other cookies."""

    def __init__(self, url: str) -> None:
        self.url = urlsplit(url)
        self.cookies: dict[str, str] = {}

    def visitor(self) -> Site:
        """Somebody else."""
        return Site(self.url.geturl())

    def get(self, path: str, **options: Any) -> Answer:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        return self.ask("POST", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        with self.asked(method, path, **options) as answer:
            return Answer(answer.status, answer.headers, answer.read())

    @contextmanager
    def asked(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        files: list[tuple[str, str, str, bytes]] | None = None,
        body: bytes | Iterator[bytes] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer while it comes; what is not read of it is left with its connection.

        files   field, file name, type, content
        """
        fields = dict(headers or {})
        if json is not None:
            fields["Content-Type"], body = "application/json", dumped(json)
        elif form is not None:
            fields["Content-Type"], body = "application/x-www-form-urlencoded", urlencode(form).encode()
        elif files is not None:
            fields["Content-Type"], body = multipart(files)
        if self.cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        assert self.url.hostname is not None
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=DEADLINE_S)
        try:
            # A body that is refused need not be taken to its end.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, fields)
            answer = connection.getresponse()
            self.take_cookies(answer.headers)
            yield answer
        finally:
            connection.close()

    def take_cookies(self, headers: http.client.HTTPMessage) -> None:
        for field in headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(field).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0" or "1970" in morsel["expires"]:
                    del self.cookies[name]


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def multipart(files: list[tuple[str, str, str, bytes]]) -> tuple[str, bytes]:
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for field, name, kind, content in files
    ]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


def example(name: str, form: str) -> Any:
    """The module of an example in one of its forms: ``example("notes.{}.app", "flask")``."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    return importlib.import_module(name.format(form))


@contextmanager
def served(make: Callable[[], Any], form: str, **settings: Any) -> Iterator[Site]:
    """The application, checked, under the real server. Of ours there is no finding."""
    findings: list[Finding] = []
    with LiveServer(Checked(make(), findings.append), **{"threads": 8, **settings}) as server:
        yield Site(server.url)
    if form == "dragoman":
        assert [str(one) for one in findings] == []
        assert server.reports == []
