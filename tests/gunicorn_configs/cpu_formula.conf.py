"""The formula of gunicorn's manual, logs on the standard streams, and a long timeout."""

import multiprocessing

bind = "127.0.0.1:0"
workers = min(multiprocessing.cpu_count() * 2 + 1, 3)
timeout = 120
keepalive = 5
accesslog = "-"
errorlog = "-"
loglevel = "info"
capture_output = True
