"""The streams of examples/streams: one suite for both of its forms, under the real server, with the checker."""

from __future__ import annotations

import csv
import http.client
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.web.site import DEADLINE_S, FORMS, Site, example, served

FILE_BYTES = 8 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(params=FORMS)
def site(request: pytest.FixtureRequest, folder: Path) -> Iterator[Site]:
    module = example("streams.{}.app", request.param)
    # What has no client any more is noticed at the next heartbeat.
    with served(lambda: module.create_app(str(folder), heartbeat_s=0.05), request.param) as site:
        yield site


def wait_until(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < until
        time.sleep(0.01)


def open_streams(site: Site, kind: str) -> int:
    count: int = site.get("/open").json.get(kind, 0)
    return count


def file_part(start: int, count: int) -> bytes:
    first = start // 8
    numbers = range(first, (start + count) // 8 + 1)
    return b"".join(number.to_bytes(8, "big") for number in numbers)[start - first * 8 :][:count]


# Progress


def step_of(answer: http.client.HTTPResponse) -> tuple[int, int]:
    line = json.loads(answer.readline())
    return line["done"], line["of"]


def next_step(answer: http.client.HTTPResponse, seen: int) -> int:
    """The next number that is told; a heartbeat tells the old one again."""
    while (told := step_of(answer)[0]) == seen:
        pass
    return told


def test_each_step_is_told_when_it_is_done_and_the_last_one_ends_the_stream(site: Site) -> None:
    number = site.post("/jobs", json={"steps": 3}).json["job"]
    with site.asked("GET", f"/jobs/{number}/progress") as answer:
        assert answer.headers["Content-Type"].startswith("application/x-ndjson")
        assert "Content-Length" not in answer.headers
        assert step_of(answer) == (0, 3)
        for done in (1, 2, 3):
            # Asked while the stream stands: what is told can only have come after it.
            assert site.post(f"/jobs/{number}/step").json == {"done": done}
            assert next_step(answer, done - 1) == done
        assert answer.read() == b""
    wait_until(lambda: open_streams(site, "progress") == 0)


def test_several_look_on_at_one_job(site: Site) -> None:
    number = site.post("/jobs", json={"steps": 1}).json["job"]
    with site.asked("GET", f"/jobs/{number}/progress") as one, site.asked("GET", f"/jobs/{number}/progress") as other:
        assert step_of(one) == step_of(other) == (0, 1)
        assert open_streams(site, "progress") == 2
        site.post(f"/jobs/{number}/step")
        assert next_step(one, 0) == next_step(other, 0) == 1


def test_a_job_that_is_not_there_is_404_before_any_stream_begins(site: Site) -> None:
    answer = site.get("/jobs/7/progress")
    assert answer.status == 404 and "There is no job 7." in answer.text
    assert open_streams(site, "progress") == 0


# Events


def next_event(answer: http.client.HTTPResponse) -> dict[str, str]:
    """The next event with data; comments are passed over."""
    event: dict[str, str] = {}
    while True:
        line = answer.readline().decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            if name:
                event[name] = f"{event[name]}\n{value}" if name in event else value
        elif "data" in event:
            return event


def test_an_event_reaches_all_who_listen(site: Site) -> None:
    with site.asked("GET", "/events") as one, site.asked("GET", "/events") as other:
        assert one.headers["Content-Type"].startswith("text/event-stream")
        assert "no-" in one.headers["Cache-Control"]
        assert one.readline().startswith(b":") and other.readline().startswith(b":")
        number = site.post("/events", body="Grüße".encode()).json["id"]
        assert next_event(one) == next_event(other) == {"id": str(number), "data": "Grüße"}


def test_lines_and_empty_texts_keep_their_form_and_make_no_other_field(site: Site) -> None:
    with site.asked("GET", "/events") as answer:
        answer.readline()
        for text in ("two\nlines", "data: x\n\nid: 99\nevent: evil", ""):
            number = site.post("/events", body=text.encode()).json["id"]
            assert next_event(answer) == {"id": str(number), "data": text}


def test_who_comes_back_gets_what_has_been_missed(site: Site) -> None:
    numbers = [site.post("/events", body=text).json["id"] for text in (b"a", b"b", b"c")]
    with site.asked("GET", "/events", headers={"Last-Event-ID": str(numbers[0])}) as answer:
        assert [next_event(answer)["data"] for _ in range(2)] == ["b", "c"]


def test_a_last_event_that_is_none_is_passed_over(site: Site) -> None:
    site.post("/events", body=b"before")
    with site.asked("GET", "/events", headers={"Last-Event-ID": "none"}) as answer:
        answer.readline()
        wait_until(lambda: open_streams(site, "events") == 1)
        site.post("/events", body=b"after")
        assert next_event(answer)["data"] == "after"


def test_a_listener_that_goes_leaves_no_stream_behind(site: Site) -> None:
    with site.asked("GET", "/events") as answer:
        answer.readline()
        wait_until(lambda: open_streams(site, "events") == 1)
    wait_until(lambda: open_streams(site, "events") == 0)


# An export


def test_the_export_has_all_rows_and_quotes_what_has_to_be(site: Site) -> None:
    answer = site.get("/report.csv?rows=1000")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="report.csv"'
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows[0] == ["number", "place", "value"] and len(rows) == 1001
    assert rows[2] == ["1", 'Bad "Süd", Upper', "0.25"] and rows[3][1] == "København"


def test_an_export_without_end_begins_at_once_and_ends_with_its_client(site: Site) -> None:
    with site.asked("GET", "/report.csv?rows=1000000000000") as answer:
        assert [answer.readline() for _ in range(2)] == [b"number,place,value\r\n", b"0,Berlin,0.0\r\n"]
        assert open_streams(site, "report") == 1
    wait_until(lambda: open_streams(site, "report") == 0)


def test_the_head_of_an_export_makes_no_row(site: Site) -> None:
    answer = site.ask("HEAD", "/report.csv?rows=1000000000000")
    assert answer.status == 200 and answer.body == b""
    assert open_streams(site, "report") == 0


# A file, down and up


def test_the_download_is_the_whole_file(site: Site) -> None:
    with site.asked("GET", "/download") as answer:
        assert answer.headers["Content-Length"] == str(FILE_BYTES)
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert "large.bin" in answer.headers["Content-Disposition"]
        assert answer.read() == file_part(0, FILE_BYTES)


@pytest.mark.parametrize(
    ("field", "start", "count"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-14", 5, 10),
        (f"bytes={FILE_BYTES - 3}-", FILE_BYTES - 3, 3),
        (f"bytes={FILE_BYTES - 3}-{FILE_BYTES + 99}", FILE_BYTES - 3, 3),
        ("bytes=-9", FILE_BYTES - 9, 9),
        ("bytes=3000001-5000000", 3000001, 2000000),
    ],
)
def test_a_part_of_the_download_is_that_part(site: Site, field: str, start: int, count: int) -> None:
    answer = site.get("/download", headers={"Range": field})
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + count - 1}/{FILE_BYTES}"
    assert answer.headers["Content-Length"] == str(count)
    assert answer.body == file_part(start, count)


def test_a_download_that_broke_off_goes_on_while_the_file_is_the_same(site: Site) -> None:
    etag = site.ask("HEAD", "/download").headers["ETag"]
    rest = f"bytes={FILE_BYTES - 5}-"
    assert site.get("/download", headers={"Range": rest, "If-Range": etag}).body == file_part(FILE_BYTES - 5, 5)
    whole = site.ask("GET", "/download", headers={"Range": rest, "If-Range": '"another"'})
    assert whole.status == 200 and len(whole.body) == FILE_BYTES


def test_a_part_behind_the_end_is_none(site: Site) -> None:
    answer = site.get("/download", headers={"Range": f"bytes={FILE_BYTES}-"})
    assert answer.status == 416 and answer.headers["Content-Range"] == f"bytes */{FILE_BYTES}"


def test_an_upload_is_counted_with_and_without_a_length(site: Site) -> None:
    body = b"".join(b"line %d\n" % number for number in range(100_000))
    for sent in (body, iter([body[:1000], body[1000:]])):
        assert site.post("/lines", body=sent).json == {"lines": 100_000, "bytes": len(body)}
