"""Metrics over several processes: the hooks that their libraries ask for."""

import os
import tempfile

bind = "127.0.0.1:0"
workers = 2
preload_app = True

marks = os.path.join(tempfile.gettempdir(), "dragoman-test-marks")


def when_ready(server):
    server.log.info("metrics are served beside %s", server.address)


def child_exit(server, worker):
    server.log.info("metrics of %s are dead", worker.pid)
