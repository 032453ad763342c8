"""Hooks after the example file of gunicorn, logging of all of them."""

import sys
import threading
import traceback

bind = "127.0.0.1:0"
workers = 1
daemon = False
proc_name = None
spew = False
errorlog = "-"
loglevel = "debug"


def on_starting(server):
    server.log.info("starting with %d workers", server.cfg.workers)


def pre_fork(server, worker):
    pass


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)


def pre_exec(server):
    server.log.info("Forked child, re-executing.")


def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        worker.log.debug("%s:\n%s", names.get(ident), "".join(traceback.format_stack(frame)))


def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal")


def on_exit(server):
    server.log.info("bye")
