"""What clients may do to a server, and the yardstick: a normal new client is answered within two seconds throughout.

`python -m tests.hostile ATTACK HOST:PORT` attacks any server on the loopback interface that runs `apps_hostile.py`.
"""
