"""The flags of ``dragoman check``, and its help: without what it runs, because every start of the command has them."""

from collections.abc import Iterable
from typing import Any

import click

__all__ = ["HELP", "check_parameters", "loading_parameters"]

# The server's own flags that say what is loaded and how; the others are of no meaning here.
SETTINGS = frozenset({"application", "config", "chdir", "pythonpath", "env", "threads", "root_path"})

REQUESTS, FINDINGS, OUTPUT = "Requests", "Findings", "Output"
THREADS = "Calls at once. With 1 the application is told that it gets one at a time (wsgi.multithread), and does. [64]"

HELP = """\
Try a WSGI application in this process, without a server, and tell what breaks the WSGI contract: the rule, who has
broken it, file and line, and how to mend it.

It gets a catalogue of requests (--list shows them), then GET and HEAD at each route of a Flask or Django
application, then what --request and --openapi name. GETs are repeated, in other orders and at the same time, to find
what one request leaves to another.

POST, PUT, PATCH and DELETE may change your data. At the application's own routes they are used only with --unsafe, or
where --request names them; the catalogue sends them to a path that is no route. A GET is made without asking: point
the application to a test database if its GETs write.

Exit status: 0 clean, 1 a breach (or an error, with --fail-on error) or a call that did not return or ended the process,
2 wrong flags, 3 the application cannot be loaded.
"""


def check_parameters() -> list[click.Parameter]:
    """The flags that are not the server's."""
    return [
        option(
            REQUESTS,
            ["--request", "requests"],
            metavar="REQUEST",
            multiple=True,
            help="Make this request, too: '/path?a=b', 'DELETE /path', 'POST /path a=1'. Can be given several times.",
        ),
        option(
            REQUESTS,
            ["--openapi"],
            metavar="FILE",
            default="",
            help="Make a request for each operation of this OpenAPI description: JSON, or YAML where PyYAML is"
            " installed.",
        ),
        option(
            REQUESTS, ["--unsafe"], is_flag=True, help="Use POST, PUT, PATCH and DELETE at routes and operations, too."
        ),
        option(
            REQUESTS,
            ["--header", "headers"],
            metavar="'NAME: VALUE'",
            multiple=True,
            help="Send this field with each request, such as 'Authorization: Bearer x'. Can be given several times.",
        ),
        option(
            REQUESTS,
            ["--url"],
            metavar="URL",
            default="",
            help="Where the requests say that they go. [a host that the application allows, else http://localhost]",
        ),
        option(
            REQUESTS,
            ["--time", "time_text"],
            metavar="SECONDS",
            default="10",
            help="Time for everything; what was left out is told. [10]",
        ),
        option(FINDINGS, ["--rule", "rules"], metavar="ID", multiple=True, help="Look at this rule alone, or these."),
        option(FINDINGS, ["--ignore", "ignored"], metavar="ID", multiple=True, help="Do not look at this rule."),
        option(FINDINGS, ["--hints"], is_flag=True, help="Tell also of what is legal, and worth a word."),
        option(
            FINDINGS,
            ["--fail-on"],
            type=click.Choice(["breach", "error"]),
            default="breach",
            help="What exit status 1 is for: breaches, or also exceptions and answers of 500. [breach]",
        ),
        option(OUTPUT, ["--json", "as_json"], is_flag=True, help="Print a JSON object instead of text."),
        option(
            OUTPUT,
            ["--sarif"],
            metavar="FILE",
            default="",
            help="Write SARIF 2.1.0 for code hosts to this file; - prints it instead of text.",
        ),
        option(OUTPUT, ["-v", "--verbose"], is_flag=True, help="Let through what the application logs."),
        option(REQUESTS, ["--list", "is_list"], is_flag=True, help="Print the catalogue of requests, and end."),
    ]


def option(group: str, names: list[str], **shape: Any) -> click.Option:
    made = click.Option(names, **shape)
    made.group = group  # type: ignore[attr-defined]
    return made


def loading_parameters(of_server: Iterable[click.Parameter]) -> list[click.Parameter]:
    """Those of the server's parameters that say what is loaded, and how."""
    chosen = [one for one in of_server if one.name in SETTINGS]
    for one in chosen:
        if isinstance(one, click.Option) and one.name == "threads":
            one.help = THREADS
            one.group = "Application"  # type: ignore[attr-defined]
    return chosen
