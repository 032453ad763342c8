"""Greenlets for an application that waits for others; nothing of gevent is needed to read it."""

import multiprocessing

bind = "127.0.0.1:0"
backlog = 512
worker_class = "gevent"
worker_connections = 500
workers = min(multiprocessing.cpu_count(), 2)
pidfile = None
umask = 0o007
user = None
group = None
tmp_upload_dir = None
limit_request_line = 8190
limit_request_fields = 200
limit_request_field_size = 16380
