"""Writes the pages that come from tables in the code: settings, limits, contract, gunicorn, signals."""

import sys
from pathlib import Path

from dragoman.contract.rule import Rule
from dragoman.contract.rules import RULES
from dragoman.flags import default_text, meaning
from dragoman.gunicorn_options import OPTIONS, Fate, Option
from dragoman.hooks import HOOKS, UNCALLED
from dragoman.settings import GROUPS, Row, rows
from dragoman.supervisor.plan import SIGNALS

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """File name to content."""
    return {
        "settings.md": settings_page(),
        "limits.md": limits_page(),
        "contract.md": contract_page(),
        "signals.md": signals_page(),
        "gunicorn.md": gunicorn_page(),
    }


def settings_page() -> str:
    """Every setting by group: flag, variable, default, and what it does."""
    parts = [SETTINGS]
    for group in GROUPS:
        parts.append(f"\n## {group}\n\n| setting | variable | default | meaning |\n| --- | --- | --- | --- |\n")
        parts += [settings_line(row) for row in rows() if row.group == group]
    return "".join(parts)


def signals_page() -> str:
    """Every signal, and what it does to whom."""
    intro = (
        "# Signals\n\n<!-- Written by `make docs` from python/dragoman/supervisor/plan.py. -->\n\n"
        "To the process that was started, which with `--workers 1` and more is the supervisor. `dragoman reload`,"
        " `stop`, `scale` and `reopen` ask for the same over the control socket (`--control-socket`), and say"
        " whether it worked.\n\n"
        "| signal | supervisor | worker | `--workers 0` |\n| --- | --- | --- | --- |\n"
    )
    lines = (f"| {row.name[3:]} | {row.supervisor} | {row.worker} | {row.alone} |\n" for row in SIGNALS)
    return intro + "".join(lines) + ENDING


ENDING = """
## What the last lines say

A worker that leaves says what became of its requests since it was told to, and after SIGTERM the supervisor says so for
all of them: `drained 412 requests in 3.1 s, 0 dropped, 2 cut (GET /sse, GET /x); 7 idle connections closed`.

- drained: requests that were answered.
- dropped: connections that ended with a request, or a part of one, for which no answer was begun.
- cut: connections that ended while their request was in the application, or its answer on the way; the first few are
  named.
- idle connections closed: a request may have been on its way there, which a server cannot know.

Where anything was dropped or cut, the supervisor's line is a warning. It names the workers that were killed in the
middle: what such a worker had told last is counted, and it may have cut more.

## Exit status

- 0: the end that was asked for, by a signal or by `dragoman stop`; a command has done what it was asked for.
- 1: this machine does not allow it: an address is in use, a file cannot be written, no server is where a command looks
  for it, a reload has failed.
- 2: a flag, a variable or the configuration file is wrong.
- 3: the application cannot be served: it is not found, cannot be imported, or is no WSGI application. (gunicorn's is 3,
  too.)
"""


SETTINGS = """# Settings

<!-- Written by `make docs` from python/dragoman/settings.py. -->

A setting is a flag of the command line, else a variable of the environment, else a line of a file, else a variable that
platforms set (`PORT`, `WEB_CONCURRENCY`), else its default. `dragoman config` shows the value of each, and where it
came from; it takes the flags of a start:

    $ dragoman config --threads 8
    threads         8     --threads
    keep_alive      65.5  dragoman.toml:3
    workers         2     default: 2 CPUs of the cgroup's quota

A flag that is given twice counts with its last value, those that say so collect all of them; in a variable several
values stand apart by blanks, quoted as in a shell. A variable that is empty counts as not set. `--no-preload` and its
like take back what a variable or a file says, and so does `none` where a setting may have no value (`--pid none`; a
file of that name is `./none`).

The file is the one of `-c FILE` (or `DRAGOMAN_CONFIG`), else `dragoman.toml` in the directory where the server is
started, else the table `[tool.dragoman]` of a `pyproject.toml` there. A setting has the name of its variable there,
without the prefix and in small letters, and a value of TOML, or the text that the flag takes:

```toml
[server]                  # in pyproject.toml: [tool.dragoman.server]
application = "shop.wsgi"
bind = ["0.0.0.0:8000", "unix:/run/shop/web.sock"]
keep_alive = 65.5
limit_body = "10M"
preload = true

[server.env]
DJANGO_SETTINGS_MODULE = "shop.settings"
```

A name that is not known, and a value that cannot be, end the start with the line and what would be right.
`--check-config` checks all of it, loads the application, and ends; `--print-config` prints it, too.
"""


def settings_line(row: Row) -> str:
    """One setting as a line of its group's table."""
    flags = ", ".join(f"`{f'{flag} {row.metavar}'.rstrip()}`" for flag in row.flags) or f"`{row.metavar}`"
    doc = meaning(row)
    if row.gunicorn:
        doc += f" In gunicorn: `{row.gunicorn}`."
    cells = (flags, f"`{row.env}`", default_text(row), doc)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def limits_page() -> str:
    """Every limit with what happens past it, and the counter that tells how often."""
    intro = (
        "# Limits\n\n<!-- Written by `make docs` from python/dragoman/settings.py and docs/generate.py. -->\n\n"
        "What a client may use of time and memory, and what happens then. Each refusal is a short answer whose first"
        " word names the reason ([refusals.md](refusals.md)), followed by a lingering close, so that the answer is not"
        " lost to a reset. The log has one line for each reason and minute, with a sample client; the counters of a"
        " worker stand in its last line at `--log-level debug`.\n\n"
        "| limit | default | then | counter | shown by |\n| --- | --- | --- | --- | --- |\n"
    )
    limits = (row for row in rows() if row.then)
    lines = (
        f"| `{row.flag}` | {default_text(row)} {row.unit} | {row.then} | {row.counter} | `{SHOWN_BY[row.name]}` |\n"
        for row in limits
    )
    fixed = (f"| {what} | {value} | {then} | {counter} | `{test}` |\n" for what, value, then, counter, test in FIXED)
    return (
        intro
        + "".join(line.replace("  |", " |") for line in lines)
        + "\n## Without a setting\n\n| limit | value | then | counter | shown by |\n| --- | --- | --- | --- | --- |\n"
        + "".join(line.replace("  |", " |") for line in fixed)
        + RATES
    )


# fmt: off
FIXED = (
    ("method", "32 bytes", "501", "refused", "reject/method-too-long"),
    (
        "extensions of one chunk, of all chunks of a body", "256 bytes, 16 KiB", "400", "refused",
        "reject/chunk-extension-too-long",
    ),
    ("framing bytes of a chunked body", "16 KiB + 8 × its data", "400", "refused", "reject/chunk-overhead"),
    (
        "read ahead of a connection", "64 KiB behind the request in the application", "the socket is not read on", "",
        "a_reader_that_stalls_is_ended_though_it_goes_on_sending",
    ),
    (
        "pipelined requests answered in one go", "16, or 64 KiB of answers", "other connections have their turn", "",
        "one_pipelining_client_does_not_keep_the_others_waiting",
    ),
    (
        "threads that wait for slow clients", "256 beside --threads", "the next one that would wait is cut", "aborted",
        "beyond_the_bound_of_waiting_calls_the_next_one_is_told_to_cut_its_peer_off",
    ),
    (
        "accepting without descriptors or memory", "a pause of 0.1 s, doubling to 1 s", "the backlog waits",
        "accept_pauses", "test_accept_that_fails_for_want_pauses_and_goes_on",
    ),
    (
        "connections that make room at once", "16, or a 32nd part of those that wait", "close", "evictions",
        "connections_that_never_sent_a_request_make_room_too_but_not_those_that_have_one_under_way",
    ),
    (
        "output that the kernel holds unsent", "512 KiB (TCP_NOTSENT_LOWAT)", "the rest waits in the process", "",
        "test_the_kernel_holds_little_for_a_client_that_does_not_read",
    ),
    (
        "connections for which it may hold 2 MiB", "32, which have read well", "the next one has 512 KiB", "",
        "test_the_kernel_holds_more_for_a_few_clients_that_have_read_well",
    ),
    (
        "unacknowledged output of a vanished client", "60 s (TCP_USER_TIMEOUT)", "the connection ends", "aborted",
        "test_clients_that_are_gone_without_fin_are_given_up",
    ),
    (
        "silence before the kernel probes a client", "60 s (TCP_KEEPIDLE)", "a vanished client is noticed", "",
        "test_timer_of_the_probes_runs",
    ),
    (
        "memory of an idle connection", "4 KiB", "nothing is held between two requests", "",
        "test_idle_connections_cost_less_than_two_kibibytes_each",
    ),
)
# fmt: on
# The test that shows each limit which is a setting.
SHOWN_BY = {
    "worker_connections": "test_at_the_limit_of_connections_the_longest_idle_make_room",
    "queue": "test_requests_beyond_the_queue_are_answered_503_and_told_when_to_come_again",
    "queue_timeout": "a_request_that_finds_no_thread_in_time_is_answered_503",
    "keep_alive": "test_idle_connection_is_closed_after_the_keep_alive_time",
    "first_byte_timeout": "test_connection_without_a_first_byte_is_closed_silently",
    "head_timeout": "test_head_that_trickles_gets_408",
    "body_timeout": "test_small_body_that_stops_gets_408_and_calls_nobody",
    "min_body_rate": "test_bodies_that_trickle_are_refused_and_told_of_once",
    "write_timeout": "test_reader_that_stops_is_ended_and_the_iterable_closed",
    "min_write_rate": "test_readers_that_trickle_are_cut_and_told_of_once",
    "linger_timeout": "a_refused_client_that_goes_on_sending_still_reads_its_answer",
    "limit_request_line": "test_limit_of_the_line_is_a_setting",
    "limit_request_fields": "test_limit_of_the_number_of_fields_is_a_setting",
    "limit_request_field_size": "test_limit_of_a_field_is_a_setting",
    "limit_head": "test_limit_of_the_head_is_a_setting",
    "limit_trailer_fields": "test_trailers_have_their_limits",
    "limit_trailers": "test_trailers_have_their_limits",
    "limit_body": "test_content_length_above_the_limit_is_413_at_the_head",
    "limit_unread": "an_answer_is_not_lost_when_the_rest_of_the_body_never_comes",
    "chunked_memory": "test_bodies_on_disk_have_a_quota",
    "spool_quota": "bodies_on_disk_share_a_quota_and_give_their_room_back",
    "output_buffer": "a_streaming_producer_waits_for_its_reader_and_others_are_served",
}

RATES = (
    "\n## How the rates count\n\n"
    "There is no absolute deadline for a body or an answer: a large one over a slow line takes the time that it needs."
    " A client begins with the grace; every byte earns time at the least rate, and time is spent only while the server"
    " has room, or data, and waits for the client. What can be earned ahead is bounded by the idle time. Of an answer"
    " those bytes count that the client has acknowledged, not those that the kernel has taken.\n"
)


def contract_page() -> str:
    """Every rule: what is checked, what follows, why, and a wrong and a right example."""
    intro = (
        "# The rules of the WSGI contract\n\n<!-- Written by `make docs` from python/dragoman/contract/. -->\n\n"
        "What a message that begins with `contract:` means. Each breach is explained once for each place in the code;"
        " where the client gets an error for it, or too little, each further one is a line that says `again`.\n"
    )
    return intro + "".join(contract_section(rule) for rule in RULES.values())


def contract_section(rule: Rule) -> str:
    """One rule with its examples."""
    return (
        f"\n## {rule.id}\n\n{rule.said[-1]} {rule.why} ({rule.clause})\n\n"
        f"Owed by: {rule.party}. Then: {rule.effect.value}. Fix: {rule.fix[-1]}.\n\n"
        f"Wrong:\n\n```python\n{rule.wrong}\n```\n\nRight:\n\n```python\n{rule.right}\n```\n"
    )


GUNICORN = """# Coming from gunicorn

<!-- Written by `make docs` from python/dragoman/gunicorn_options.py and hooks.py. -->

`dragoman import-gunicorn gunicorn.conf.py` runs the file as gunicorn does, writes the equivalent `dragoman.toml`, and
says what has no equivalent, and why. `GUNICORN_CMD_ARGS` is taken into account. Neither of them is read at a start: a
server whose settings come from one file says where each of them came from.

A configuration of the sync worker becomes `threads = 1`, since its application may rely on being called by one thread
at a time. If it does not, take the line out: threads are started when calls are slow, and one slow call then holds up
nobody.

## Flags and settings

What acts is a setting here, under the name that is given. What is accepted changes nothing, and a warning says what is
so anyway. What is refused ends the start, so that nobody relies on what is not there: leave it out. That is said of
flags; `dragoman.toml` and variables hold [settings](settings.md) only.

"""


def gunicorn_page() -> str:
    """What becomes of each of gunicorn's settings and hooks."""
    table = "| in gunicorn | flags | here |\n| --- | --- | --- |\n"
    hooks = [
        f"| `{name}({', '.join(hook.arguments)})` | {hook.process} | {hook.when} |\n" for name, hook in HOOKS.items()
    ]
    others = [f"- `{name}` is {fate}: {why}.\n" for fate, table in HOOK_FATES for name, why in table.items()]
    return (
        GUNICORN
        + table
        + "".join(gunicorn_line(option) for option in OPTIONS)
        + HOOKS_INTRO
        + "".join(hooks)
        + "\n"
        + "".join(others)
    )


HOOK_FATES = (("not called, which is logged", UNCALLED),)
HOOKS_INTRO = """
## Hooks

`--hooks FILE` names a Python file, a `gunicorn.conf.py` for example, whose functions are called on the way. `server`
has `pid`, `address`, `log` and `cfg` (the settings by gunicorn's names), `worker` has `pid`, `number`, `age`, `log` and
`cfg`; both have `settings`. What a hook raises is logged with its place, and the run goes on. With `--user`
those of a worker run as that user, `post_fork` too, which gunicorn calls as root: what needs root's rights goes into
`pre_fork` or `on_starting`.

| hook | in the | when |
| --- | --- | --- |
"""


def gunicorn_line(option: Option) -> str:
    """One of gunicorn's settings as a line of the table."""
    row = next((row for row in rows() if row.name == option.says), None)
    if option.fate is Fate.ACTS and row is not None:
        here = f"acts: `{row.flag if row.flags else row.name}`"
    else:
        here = f"{option.fate.value}: {option.says}"
    flags = ", ".join(f"`{flag}`" for flag in option.flags)
    return f"| `{option.name}` | {flags} | {here} |\n".replace("|  |", "| |")


if __name__ == "__main__":
    for name, content in pages().items():
        (HERE / name).write_text(content, encoding="utf-8")
        print(f"wrote docs/{name}", file=sys.stderr)
