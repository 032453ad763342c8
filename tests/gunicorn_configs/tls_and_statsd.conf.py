"""A configuration with much that has no equivalent: TLS, metrics, syslog, a hook for every request."""

bind = "127.0.0.1:0"
workers = 1
threads = 2
certfile = "/etc/shop/cert.pem"
keyfile = "/etc/shop/key.pem"
statsd_host = "localhost:8125"
statsd_prefix = "shop"
syslog = True
logconfig_dict = {"version": 1, "disable_existing_loggers": False}
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
max_requests = 0
limit_request_line = 0


def pre_request(worker, req):
    worker.log.debug("%s %s", req.method, req.path)


def post_fork(server, worker):
    server.log.info("forked %s", worker.pid)
