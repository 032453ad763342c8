"""Starts nginx for one directory of static files: ``nginx_run.py PROGRAM DIRECTORY HOST PORT WORKERS``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CONFIGURATION = """
daemon off;
worker_processes {workers};
{user}
pid {scratch}/pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    open_file_cache max=16;
    server {{
        listen {host}:{port};
        root {directory};
    }}
}}
"""

program, directory, host, port, workers = sys.argv[1:]
scratch = Path(directory).parent / "nginx"
scratch.mkdir(exist_ok=True)
# Started by root its workers would become another user, who may not be allowed to read the directory.
user = "user root;" if os.geteuid() == 0 else ""
configuration = scratch / "nginx.conf"
configuration.write_text(
    CONFIGURATION.format(workers=workers, user=user, scratch=scratch, host=host, port=port, directory=directory)
)
os.execv(program, [program, "-e", "stderr", "-p", str(scratch), "-c", str(configuration)])
