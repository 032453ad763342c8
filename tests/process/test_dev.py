"""--dev as somebody who works on an application has it: saves are served, faults are shown, breakpoints stop."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.kit import children, eventually, state
from tests.support.needs import need
from tests.support.server import Server, Stream, start_process
from tests.support.wire import DEADLINE_S, ConnectionEnded, Wire

APP = """
import shop.views

def app(environ, start_response):
    return shop.views.view(environ, start_response)
"""
VIEW = """
def view(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"@"]
"""


class Project:
    """An application in a directory of its own, at which somebody works."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env: dict[str, str] = {}
        (directory / "shop").mkdir()
        self.save("__init__.py", APP)
        self.save("views.py", VIEW.replace("@", "one"))

    def save(self, name: str, text: str) -> None:
        """Write a file as editors do: in place."""
        (self.directory / "shop" / name).write_text(text)

    def serve(self, *flags: str, workers: str = "1") -> Server:
        common = ("--dev", "--workers", workers, "--chdir", str(self.directory), "--control-socket", "none")
        return Server("shop:app", *common, *flags, env=self.env)

    def hide_library(self) -> None:
        """Let the server be one that has no watchfiles."""
        hidden = self.directory / "hidden"
        hidden.mkdir()
        (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['watchfiles'] = None\n")
        known = [str(hidden), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        self.env["PYTHONPATH"] = os.pathsep.join(filter(None, known))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(params=["watchfiles", "looking"])
def watched(request: pytest.FixtureRequest, project: Project) -> Project:
    """The project, with either way to hear of changes."""
    if request.param == "looking":
        project.hide_library()
    else:
        need("watchfiles")
    return project


def body(server: Server, path: str = "/") -> str:
    return server.request("GET", path).body.decode()


def answers(server: Server, wanted: str) -> None:
    eventually(lambda: body(server) == wanted, f"{wanted} is served")


def test_a_save_is_served_and_then_the_next_one(watched: Project) -> None:
    with watched.serve() as server:
        assert body(server) == "one"
        for version in ("two", "ten"):  # of the same size, within the same second perhaps
            watched.save("views.py", VIEW.replace("@", version))
            answers(server, version)
        assert "shop/views.py changed, reloading" in server.log.text
    assert not list(watched.directory.glob("shop/__pycache__/*"))


def test_a_new_file_in_a_new_directory_and_one_that_goes_are_heard_of(watched: Project) -> None:
    with watched.serve() as server:
        package = watched.directory / "shop" / "parts"
        package.mkdir()
        (package / "__init__.py").write_text("NAME = 'new'\n")
        server.log.wait_for(r"shop/parts/__init__\.py changed")
        server.log.wait_for(r"reloaded: 1 worker")
        since = len(server.log.text)
        (package / "__init__.py").unlink()
        server.log.wait_for(r"shop/parts/__init__\.py changed", since)


def test_a_syntax_error_is_shown_once_what_serves_goes_on_and_the_fix_is_served(watched: Project) -> None:
    with watched.serve() as server:
        assert body(server) == "one"
        watched.save("views.py", VIEW + "def broken(:\n")
        server.log.wait_for(r"not reloaded, what serves goes on: .*SyntaxError")
        server.log.wait_for(r"^ +def broken\(:\n +\^")
        assert body(server) == "one"
        watched.save("views.py", VIEW.replace("@", "two"))
        answers(server, "two")
        assert len(re.findall(r"^  SyntaxError: ", server.log.text, re.MULTILINE)) == 1


def test_a_burst_of_saves_is_one_reload(project: Project) -> None:
    with project.serve() as server:
        assert body(server) == "one"
        for number in range(20):
            project.save(f"part{number}.py", f"NUMBER = {number}\n")
        project.save("views.py", VIEW.replace("@", "two"))
        answers(server, "two")
        server.log.wait_for("reloaded: 1 worker")
        # Whatever is still to come of it comes before the answer to another change.
        project.save("views.py", VIEW.replace("@", "ten"))
        answers(server, "ten")
        found = re.findall(r"(.*) changed, reloading", server.log.text)
        assert len(found) == 2 and re.search(r" and \d+ more$", found[0]) and found[1].endswith(" shop/views.py")


def test_an_application_that_is_broken_from_the_start_serves_once_it_is_mended(watched: Project) -> None:
    address = watched.directory / "socket"
    watched.save("views.py", "def broken(:\n")
    command = [sys.executable, "-m", "dragoman", "shop:app", "--dev", "--bind", f"unix:{address}"]
    process = start_process([*command, "--chdir", str(watched.directory)], env=watched.env)
    try:
        assert process.stderr is not None
        log = Stream(process.stderr)
        log.wait_for("no worker serves until a file changes")
        assert log.text.count("SyntaxError: ") == 2  # the sentence, and the end of its traceback
        watched.save("views.py", VIEW.replace("@", "mended"))
        log.wait_for(r"dragoman [\d.]+ serves shop:app")
        with Wire(str(address)) as wire:
            assert wire.request("GET", "/").body == b"mended"
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()


def test_a_module_from_elsewhere_and_extra_files_are_watched_and_a_library_of_the_project_is_not(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere, templates = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("templates")
    (elsewhere / "tools.py").write_text("")
    environment = project.directory / "venv"
    environment.mkdir()
    (environment / "pyvenv.cfg").touch()
    project.save("__init__.py", f"import tools\n{APP}")
    with project.serve("--pythonpath", str(elsewhere), "--reload-extra-file", str(templates)) as server:
        assert body(server) == "one"
        (environment / "library.py").write_text("")
        (project.directory / "notes.txt").write_text("")
        (elsewhere / "unrelated.py").write_text("")
        (elsewhere / "tools.py").write_text("# changed\n")
        server.log.wait_for(r"/tools\.py changed, reloading")
        server.log.wait_for("reloaded")
        (templates / "page.html").write_text("<p>")
        server.log.wait_for(r"/page\.html changed, reloading")
        assert not re.search(r"library|notes|unrelated", server.log.text)


def test_without_reload_nothing_is_watched(project: Project) -> None:
    with project.serve("--no-reload") as server:
        eventually(lambda: len(children(server.pid)) == 1, "there is a worker and nobody else")
        assert "watchfiles" not in server.log.text


def test_middleware_can_ask_and_static_files_are_served_as_they_are_saved(project: Project) -> None:
    (project.directory / "static").mkdir()
    layer = f"static('{project.directory}/static')"
    with project.serve("--no-reload", "--middleware", layer) as server:
        (project.directory / "static" / "new.txt").write_text("new")
        assert body(server, "/static/new.txt") == "new"


def test_without_watchfiles_the_log_says_so_and_how_to_get_it(project: Project) -> None:
    project.hide_library()
    with project.serve() as server:
        assert "watchfiles is not installed, so files are looked at every second" in server.log.text
        assert "pip install 'dragoman[dev]'" in server.log.text


def test_the_process_that_watches_has_no_listening_socket_and_ends_with_the_supervisor(project: Project) -> None:
    with project.serve() as server:
        assert body(server) == "one"
        (worker,) = [pid for pid in children(server.pid) if listens(pid)]
        (watcher,) = [pid for pid in children(server.pid) if pid != worker]
        # By no signal that it could pass on.
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: state(watcher) in ("", "Z") and state(worker) in ("", "Z"), "both are gone")
        server.process.wait(DEADLINE_S)
        server.status = 0


def listens(pid: int) -> bool:
    """Whether the process holds a listening TCP socket."""
    listening = {
        line.split()[9] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:] if " 0A " in line
    }
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]
    return any(f"socket:[{number}]" in links for number in listening)


def test_a_watcher_that_is_killed_is_told_of_and_the_server_goes_on(project: Project) -> None:
    with project.serve() as server:
        assert body(server) == "one"
        (watcher,) = [pid for pid in children(server.pid) if not listens(pid)]
        os.kill(watcher, signal.SIGKILL)
        server.log.wait_for("files are not watched any more: the process that did it was killed by SIGKILL")
        assert body(server) == "one"


BREACHES = """
def view(environ, start_response):
    headers = [("Content-Type", "text/plain")]
    start_response("200 OK", headers)
    if environ["PATH_INFO"] == "/text":
        return ["text"]
    headers.append(("X-Late", "1"))
    return [b"@"]
"""


def test_a_deep_rule_is_reported_once_with_its_place_and_one_that_is_always_on_not_twice(project: Project) -> None:
    project.save("views.py", BREACHES)
    with project.serve() as server:
        for _ in range(3):
            assert body(server) == "@"
            assert server.request("GET", "/text").status == 500
        server.log.wait_for("contract: body-not-bytes again")
    log = server.log.text
    assert len(re.findall(r"contract: headers-mutated\n +GET / → shop:app, in view  \(.*shop/views\.py:4\)", log)) == 1
    assert len(re.findall(r"contract: body-not-bytes\n +GET /text → shop:app", log)) == 1
    assert "contract/checked.py" not in log
    assert re.search(r"contract: headers-mutated … 2 more like it in the last \d+ s", log)


RAISING = """
def view(environ, start_response):
    if environ["PATH_INFO"] == "/status":
        start_response("200", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/cookie":
        start_response("302 Found", [("Set-Cookie", environ["HTTP_COOKIE"] + "\\r\\n")])
    return begun(start_response)


def begun(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    start_response("500 Oops", [("Content-Type", "text/plain")])
"""


def test_a_rule_that_raises_is_told_once_and_without_credentials(project: Project) -> None:
    project.save("views.py", RAISING)
    with project.serve() as server:
        for path in ("/status", "/cookie?token=hush"):
            assert server.request("GET", path, [("Cookie", "sid=hush")]).status == 500
        with Wire(server.address) as wire, contextlib.suppress(ConnectionEnded):
            wire.request("GET", "/stream")
        server.log.wait_for("contract: start-response-twice")
    log = server.log.text
    assert re.findall(r"contract: ([a-z-]+)$", log, re.MULTILINE) == [
        "status-malformed",
        "header-injection",
        "start-response-twice",
    ]
    assert "exception in the application" not in log and "AssertionError" not in log
    assert "GET /cookie →" in log and "Set-Cookie" in log and "hush" not in log


FAILING = """
def view(environ, start_response):
    return price(environ)


def price(environ):
    return 100 / len(environ["PATH_INFO"][1:])
"""


def test_an_exception_is_shown_with_its_lines_and_the_request_and_the_client_gets_neither(project: Project) -> None:
    project.save("views.py", FAILING)
    with project.serve() as server:
        fields = [("Authorization", "Basic c2VjcmV0"), ("Cookie", "sid=1"), ("X-Colour", "red")]
        answer = server.request("GET", "/?page=2&access_token=abc", fields)
        assert answer.status == 500 and b"ZeroDivisionError" not in answer.body
        server.log.wait_for("ZeroDivisionError: division by zero")
    log = server.log.text
    assert "exception in the application: GET /?page=2&access_token=••••\n" in log
    assert "Authorization: ••••" in log and "Cookie: ••••" in log and "X-Colour: red" in log
    assert not re.search("c2VjcmV0|sid=1|abc", log)
    assert re.search(r"shop/views\.py:7, in price\n", log)
    assert '    → 7      return 100 / len(environ["PATH_INFO"][1:])\n' in log
    assert "dragoman/contract" not in log and "\x1b" not in log


def test_dev_at_an_address_for_others_is_warned_of(project: Project) -> None:
    with Server("shop:app", "--dev", "--chdir", str(project.directory), binds=("0.0.0.0:0",)) as server:
        assert "--dev, and other machines can reach 0.0.0.0:0" in server.log.text


STOPPING = """
def view(environ, start_response):
    answer = 41
    breakpoint()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Many", str(environ["wsgi.multiprocess"]))])
    return [str(answer).encode()]
"""


class Terminal:
    """A terminal of its own, and what is to be seen at it."""

    def __init__(self) -> None:
        self.own, self.theirs = pty.openpty()
        # What is typed is not to be seen twice.
        attributes = termios.tcgetattr(self.theirs)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(self.theirs, termios.TCSANOW, attributes)
        self.text = ""
        self.changed = threading.Condition()
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self) -> None:
        while True:
            try:
                data = os.read(self.own, 4096)
            except OSError:
                return
            with self.changed:
                self.text += data.decode().replace("\r\n", "\n")
                self.changed.notify_all()

    def wait_for(self, pattern: str, since: int = 0) -> re.Match[str]:
        with self.changed:
            found = self.changed.wait_for(lambda: re.search(pattern, self.text[since:]), DEADLINE_S)
            assert found, f"{pattern!r} never came in:\n{self.text}"
            return found

    def type(self, line: str) -> None:
        os.write(self.own, f"{line}\n".encode())


Start = Callable[..., Terminal]


@pytest.fixture
def at_terminal(project: Project) -> Iterator[Start]:
    """Starts the project with its flags at a terminal, as a shell does; ends it by Ctrl-C."""
    pids = []

    def start(*flags: str, **environment: str) -> Terminal:
        terminal = Terminal()
        command = [sys.executable, "-m", "dragoman", "shop:app", "--dev", "--bind", "127.0.0.1:0", *flags]
        pid = os.fork()
        if pid == 0:
            try:
                os.login_tty(terminal.theirs) if hasattr(os, "login_tty") else login(terminal.theirs)
                os.environ.update({"TERM": "xterm", **project.env, **environment})
                os.chdir(project.directory)
                os.execv(command[0], command)
            finally:
                os._exit(127)
        pids.append(pid)
        os.close(terminal.theirs)
        return terminal

    yield start
    for pid in pids:
        os.kill(pid, signal.SIGINT)
        eventually(lambda pid=pid: os.waitpid(pid, os.WNOHANG)[0] == pid, "it has ended")  # type: ignore[misc]


def login(fd: int) -> None:
    """What os.login_tty does, which is there from Python 3.11 on."""
    import fcntl

    os.setsid()
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(fd, number)


def test_breakpoint_stops_a_request_and_its_debugger_reads_what_is_typed(project: Project, at_terminal: Start) -> None:
    project.save("views.py", STOPPING)
    terminal = at_terminal("--access-logfile", "none")
    port = int(terminal.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
    with Wire(("127.0.0.1", port)) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        terminal.wait_for(r"\(Pdb\) $")
        terminal.type("answer += 1")
        terminal.wait_for(r"\(Pdb\) .*\(Pdb\) $")
        terminal.type("p answer")
        terminal.wait_for(r"42\n\(Pdb\) $")
        terminal.type("continue")
        answer = wire.read_response()
    assert answer.body == b"42" and answer.value("X-Many") == "False"


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_shows_colours_unless_they_are_declined(project: Project, at_terminal: Start, no_color: str) -> None:
    project.save("views.py", FAILING)
    terminal = at_terminal("--access-logfile", "-", NO_COLOR=no_color)
    port = int(terminal.wait_for(r"http://127\.0\.0\.1:(\d+)")[1])
    with Wire(("127.0.0.1", port)) as wire:
        wire.request("GET", "/?x")
    terminal.wait_for("ZeroDivisionError: division by zero")
    terminal.wait_for(r"GET / 500 \d+ ms\n")
    assert ("\x1b[1;31mZeroDivisionError" in terminal.text) == (not no_color)
