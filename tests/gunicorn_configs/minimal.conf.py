"""The least that a deployment writes: an address and a number of workers."""

bind = "127.0.0.1:0"
workers = 2
