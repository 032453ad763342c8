"""Progress, events, an export, a download and an upload, none of them ever whole in memory."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from dragoman.web import App, Blueprint, Event, EventStream, Request, Response, abort, current_app, send_file
from streams.sources import Feed, Job, Jobs, Open, large_file, measurements

streams = Blueprint("streams", __name__)
BLOCK_BYTES = 64 << 10


def create_app(folder: str | None = None, heartbeat_s: float = 1.0) -> App:
    app = App(__name__)
    app.config["FILE"] = large_file(Path(folder or os.environ.get("STREAMS_FOLDER", "var")).absolute())
    app.config["HEARTBEAT_S"] = heartbeat_s
    app.extensions["feed"] = Feed()
    app.extensions["jobs"] = Jobs()
    app.extensions["open"] = Open()
    app.register_blueprint(streams)
    return app


def job_of(number: int) -> Job:
    job = current_app.extensions["jobs"].by_number.get(number)
    return job or abort(404, f"There is no job {number}.")


@streams.get("/open")
def open_streams() -> dict[str, int]:
    """How many streams are open, by kind."""
    return current_app.extensions["open"].counts


# A job, and how it goes on


class Steps(Struct):
    """How much there is to do."""

    steps: int


@streams.post("/jobs")
def add_job(body: Steps) -> tuple[dict[str, Any], int]:
    return {"job": current_app.extensions["jobs"].add(body.steps), "steps": body.steps}, 201


@streams.post("/jobs/<int:number>/step")
def advance(number: int) -> dict[str, Any]:
    return {"done": job_of(number).advance()}


@streams.get("/jobs/<int:number>/progress")
def progress(number: int) -> Response:
    """A line of JSON for each step, as it is done."""
    job = job_of(number)

    def lines() -> Iterator[str]:
        with current_app.extensions["open"].counted("progress"):
            told = -1
            while told < job.steps:
                done = job.wait(told, current_app.config["HEARTBEAT_S"])
                # The same line again says that we are still there.
                yield json.dumps({"done": done, "of": job.steps}) + "\n"
                told = done

    return Response(lines(), mimetype="application/x-ndjson")


# Events


@streams.post("/events")
def publish(request: Request) -> tuple[dict[str, Any], int]:
    return {"id": current_app.extensions["feed"].publish(request.get_data(as_text=True))}, 201


@streams.get("/events")
def events(request: Request) -> Response:
    """All events from now on, or from the one on that a browser says it had last."""
    feed = current_app.extensions["feed"]
    last = request.headers.get("Last-Event-ID", feed.last, type=int)

    def told() -> Iterator[Event | None]:
        number = last
        with current_app.extensions["open"].counted("events"):
            while True:
                found = feed.after(number, current_app.config["HEARTBEAT_S"])
                if not found:
                    # A comment: says that we are still there.
                    yield None
                for number, text in found:
                    yield Event(text, id=number)

    return EventStream(told())


# An export


class Line:
    """A file that gives back what is written to it: what csv.writer needs."""

    def write(self, text: str) -> str:
        return text


@streams.get("/report.csv")
def report(request: Request) -> Response:
    """As many rows as are asked for; each is made when the client has taken those before."""
    count = request.args.get("rows", 1000, type=int)

    def rows() -> Iterator[str]:
        writer = csv.writer(Line())
        with current_app.extensions["open"].counted("report"):
            yield writer.writerow(("number", "place", "value"))
            for row in measurements(count):
                yield writer.writerow(row)

    response = Response(rows(), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="report.csv"'
    return response


# A file, down, and another one up


@streams.get("/download")
def download() -> Response:
    """In ranges, so that a download that broke off goes on where it was."""
    return send_file(current_app.config["FILE"], as_attachment=True, download_name="large.bin")


@streams.post("/lines")
def count_lines(request: Request) -> dict[str, Any]:
    """Counts the lines of the body, which is never in memory as a whole."""
    lines = size = 0
    while block := request.stream.read(BLOCK_BYTES):
        lines += block.count(b"\n")
        size += len(block)
    return {"lines": lines, "bytes": size}
