"""The servers of a run: their environment, their commands, their start and end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "target" / "differential"
PEERS = ("gunicorn==23.0.0", "waitress==3.0.2", "hypercorn==0.17.3")
START_S = 30.0
APPLICATION = "tests.differential.echo:app"

NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    client_max_body_size 0; large_client_header_buffers 4 64k; merge_slashes off; underscores_in_headers on;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{back_end}; proxy_http_version 1.0; proxy_pass_request_headers on; }}
    }}
}}
"""


@dataclass
class Server:
    """One running server, with its helpers."""

    name: str
    port: int
    processes: list[subprocess.Popen[bytes]]

    def stop(self) -> None:
        """Ends its processes."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def equip() -> Path:
    """The interpreter of the peers' environment, which is made when it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "peers"
    if not stamp.exists() or stamp.read_text() != "\n".join(PEERS):
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True)
        stamp.write_text("\n".join(PEERS))
    return python


def nginx_program() -> str | None:
    """nginx where Debian puts it, which is not on everybody's PATH; None without one."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def start_all(directory: Path) -> dict[str, Server]:
    """Dragoman and every peer that can be had, by name; each on a port of its own, its output in `directory`."""
    python = str(equip())
    ports = free_ports(6)
    ours, gunicorn, waitress, hypercorn, nginx, back_end = ports
    bind = f"127.0.0.1:{gunicorn}"
    commands: dict[str, tuple[int, list[list[str]]]] = {
        "dragoman": (ours, [[sys.executable, "-m", "dragoman", APPLICATION, "--bind", f"127.0.0.1:{ours}"]]),
        "gunicorn": (
            gunicorn,
            [[python, "-m", "gunicorn", APPLICATION, "-b", bind, "-k", "gthread", "--threads", "32", "-t", "600"]],
        ),
        "waitress": (
            waitress,
            [[python, "-m", "waitress", f"--listen=127.0.0.1:{waitress}", "--threads=32", APPLICATION]],
        ),
        "hypercorn": (
            hypercorn,
            [[python, "-m", "hypercorn", f"wsgi:{APPLICATION}", "-b", f"127.0.0.1:{hypercorn}"]],
        ),
    }
    program = nginx_program()
    if program is None:
        print("nginx is missing and LEFT OUT (Debian: apt-get install nginx-light)", file=sys.stderr)
    else:
        configuration = directory / "nginx.conf"
        configuration.write_text(NGINX.format(directory=directory, port=nginx, back_end=back_end))
        back = [python, "-m", "tests.differential.backend", str(back_end)]
        commands["nginx"] = (nginx, [back, [program, "-c", str(configuration), "-p", str(directory)]])
    servers: dict[str, Server] = {}
    try:
        for name, (port, lines) in commands.items():
            servers[name] = Server(name, port, [])
            for line in lines:
                servers[name].processes.append(start(line, directory / f"{name}.log"))
        for server in servers.values():
            await_listener(server, directory)
        if program is not None:
            await_listener(Server("nginx's back end", back_end, servers["nginx"].processes), directory)
    except BaseException:
        for server in servers.values():
            server.stop()
        raise
    return servers


def versions() -> Mapping[str, str]:
    """Version of each peer, for the head of the report."""
    found = dict(peer.split("==") for peer in PEERS)
    program = nginx_program()
    if program is not None:
        told = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
        found["nginx"] = told.rpartition("/")[2].strip()
    return found


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def await_listener(server: Server, directory: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port)).close()
            return
        except OSError:
            if time.monotonic() > until or any(process.poll() is not None for process in server.processes):
                log = directory / f"{server.name}.log"
                text = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                raise SystemExit(f"differential: {server.name} does not start:\n{text}") from None
            time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
