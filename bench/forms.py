"""Whose reader of forms: `dragoman.http.forms` (on the library multipart), or werkzeug's? ``python bench/forms.py``.

Two tables: what each makes of the hostile corpus of the tests, and the CPU time of forms as they are sent every day.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from harness.paths import ROOT

sys.path.insert(0, str(ROOT))  # the corpus is the tests' own

from dragoman.http.forms import FormError, Limits, parse_form
from tests.web.hostile_forms import CASES, Case, part
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request as WerkzeugRequest

PARTS, MEMORY_BYTES = 1000, 2 << 20
LIMITS = Limits(fields=PARTS, files=PARTS, memory_bytes=MEMORY_BYTES)
END = b"--b--\r\n"
MULTIPART = "multipart/form-data; boundary=b"

EVERY_DAY = [
    Case(
        "ten fields, URL-encoded",
        b"&".join(b"field%d=some+value+%%C3%%A9" % n for n in range(10)),
        200,
        None,
        "application/x-www-form-urlencoded",
    ),
    Case("ten fields, multipart", b"".join(part(f"field{n}", b"some value") for n in range(10)) + END, 200),
    Case(
        "a photo of 3 MB",
        part("title", b"me") + part("f", bytes(range(256)) * (12 << 10), '; filename="a.jpg"') + END,
        200,
    ),
    Case("a file of line ends, 3 MB", part("f", b"line\r\n" * (512 << 10), '; filename="a.txt"') + END, 200),
    Case(
        "a file of beginnings of boundaries, 3 MB", part("f", b"\r\n--" * (768 << 10), '; filename="a.txt"') + END, 200
    ),
]


def ours(case: Case) -> Any:
    """The fields, or the status of the refusal."""
    try:
        with parse_form(io.BytesIO(case.body), case.content_type, len(case.body), limits=LIMITS) as form:
            return form.fields
    except FormError as error:
        return error.status


class Theirs(WerkzeugRequest):
    """With the same limits as ours."""

    max_form_parts = PARTS
    max_form_memory_size = MEMORY_BYTES


def theirs(case: Case) -> Any:
    """The same, of werkzeug as Flask uses it."""
    request = Theirs(
        {
            "REQUEST_METHOD": "POST",
            "wsgi.input": io.BytesIO(case.body),
            "wsgi.url_scheme": "http",
            "CONTENT_LENGTH": str(len(case.body)),
            "CONTENT_TYPE": case.content_type,
        }
    )
    try:
        return list(request.form.items(multi=True))
    except HTTPException as error:
        return error.code
    finally:
        request.close()


def cpu_s(reader: Callable[[Case], Any], case: Case, count: int) -> float:
    """CPU seconds of one form."""
    start = time.process_time()
    for _ in range(count):
        reader(case)
    return (time.process_time() - start) / count


def shown(result: Any) -> str:
    if isinstance(result, int):
        return f"refused, {result}"
    text = repr(result)
    return (
        f"`{text}`" if len(text) < 60 else f"{len(result)} fields, {sum(len(value) for _, value in result)} characters"
    )


def strictness() -> list[str]:
    """What each makes of the corpus, where they differ."""
    rows = ["| form | ours | werkzeug |", "| --- | --- | --- |"]
    for case in CASES:
        if case.content_type.startswith("multipart/mixed"):
            continue
        one, other = ours(case), theirs(case)
        if one != other:
            rows.append(f"| {case.name} | {shown(one)} | {shown(other)} |")
    return [*rows, f"\n{len(CASES)} forms; those that are not listed are read alike."]


def speed(rounds: int) -> list[str]:
    """CPU time of each form of every day, interleaved."""
    rows = ["| form | ours, µs | werkzeug, µs | theirs / ours |", "| --- | --- | --- | --- |"]
    for case in EVERY_DAY:
        count = max(1, 20_000 // len(case.body) * 10)
        pairs = [(cpu_s(ours, case, count), cpu_s(theirs, case, count)) for _ in range(rounds)]
        ratios = sorted(other / one for one, other in pairs)
        one, other = (statistics.median(values) * 1e6 for values in zip(*pairs, strict=True))
        spread = f"{statistics.median(ratios):.1f} [{ratios[0]:.1f}–{ratios[-1]:.1f}]"
        rows.append(f"| {case.name} | {one:,.0f} | {other:,.0f} | {spread} |")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/forms.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (default 9)")
    options = parser.parse_args()
    print("\n".join([*strictness(), "", *speed(options.rounds)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
