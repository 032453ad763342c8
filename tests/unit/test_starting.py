"""Starting: what a process says of where it hangs, without what is not the application's."""

import os
import signal

from dragoman import supervisor
from dragoman.supervisor.starting import ASKED, Starting, told

OURS = os.path.dirname(os.path.dirname(supervisor.__file__))
DUMP = f"""\
Thread 0x00007f0a (most recent call first):
  File "/srv/shop/pump.py", line 7 in run
  File "/usr/lib/python3.11/threading.py", line 982 in run

Current thread 0x00007f0b (most recent call first):
  File "/usr/lib/python3.11/socket.py", line 831 in create_connection
  File "/srv/shop/models.py", line 3 in <module>
  File "<frozen importlib._bootstrap>", line 241 in _call_with_frames_removed
  File "/srv/shop/app.py", line 1 in <module>
  File "<frozen importlib._bootstrap>", line 1204 in _gcd_import
  File "{os.__file__.replace("os.py", "importlib/__init__.py")}", line 126 in import_module
  File "{OURS}/loader.py", line 99 in load
  File "/srv/venv/bin/dragoman", line 8 in <module>
"""


def test_the_stacks_are_the_applications_frames_and_the_place_is_that_of_the_main_thread() -> None:
    where, stacks = told(DUMP)
    assert where == ", and hangs at /usr/lib/python3.11/socket.py:831"
    assert stacks.splitlines() == [
        "Thread (most recent call first):",
        '  File "/srv/shop/pump.py", line 7 in run',
        '  File "/usr/lib/python3.11/threading.py", line 982 in run',
        "Current thread (most recent call first):",
        '  File "/usr/lib/python3.11/socket.py", line 831 in create_connection',
        '  File "/srv/shop/models.py", line 3 in <module>',
        '  File "/srv/shop/app.py", line 1 in <module>',
    ]


def test_a_process_that_hangs_in_our_own_code_shows_all_of_it() -> None:
    frames = f'  File "{OURS}/run.py", line 5 in work\n  File "/x.py", line 1 in f\n'
    dump = f"Current thread 0x1 (most recent call first):\n{frames}"
    assert told(dump) == (f", and hangs at {OURS}/run.py:5", dump.replace(" 0x1", "").rstrip())


def test_a_process_that_says_nothing_is_told_as_such() -> None:
    assert told("") == (" and does not say where it hangs", "")


def test_without_a_bound_nothing_is_ever_due() -> None:
    starting = Starting(0)
    assert starting.due_at is None
    starting.end()


def test_a_process_that_is_gone_already_is_not_asked() -> None:
    # Process 0 would be all of this process's group.
    asked: list[int] = []
    before = signal.signal(ASKED, lambda number, frame: asked.append(number))
    try:
        starting = Starting(1)
        assert starting.overdue(0) == ""
        assert starting.overdue(0).startswith("it was not ready within 1 s and does not say where it hangs")
        assert (asked, starting.due_at) == ([], None)
        starting.end()
    finally:
        signal.signal(ASKED, before)
