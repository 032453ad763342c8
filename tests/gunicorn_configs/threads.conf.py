"""A threaded deployment behind a balancer, with recycling against leaks."""

bind = ["127.0.0.1:0"]
worker_class = "gthread"
workers = 2
threads = 4
max_requests = 1000
max_requests_jitter = 100
keepalive = 75
forwarded_allow_ips = "*"
access_log_format = '%({x-forwarded-for}i)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(L)s'
accesslog = "-"
