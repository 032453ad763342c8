"""Writes the pages that come from tables in the code: settings, limits, rules, gunicorn, signals, order of layers."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from dragoman.contract.explanations import when_checked
from dragoman.contract.rules import GROUPS as RULE_GROUPS
from dragoman.contract.rules import Rule
from dragoman.flags import default_text, meaning
from dragoman.gunicorn_options import OPTIONS, Fate, Option
from dragoman.hooks import HOOKS, UNCALLED
from dragoman.middleware.order import PAIRS, PLACES
from dragoman.settings import GROUPS, Row, rows
from dragoman.supervisor.plan import SIGNALS

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """File name to content."""
    return {
        "settings.md": settings_page(),
        "limits.md": limits_page(),
        "rules.md": rules_page(),
        "signals.md": signals_page(),
        "gunicorn.md": gunicorn_page(),
        "middleware/order.md": order_page(),
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
    limits = (row for row in rows() if row.then)
    lines = (
        f"| `{row.flag}` | {MEANT.get(row.name) or f'{default_text(row)} {row.unit}'.strip()} | {row.then} |"
        f" {row.counter} | {tests(SHOWN_BY[row.name])} |\n"
        for row in limits
    )
    fixed = (
        f"| {what} | {value} | {then} | {counter} | {why} | {tests(shown)} |\n"
        for what, value, then, counter, why, shown in FIXED
    )
    return LIMITS + "".join(lines) + FIXED_INTRO + "".join(fixed) + RATES + GIVING_WAY


def tests(names: str) -> str:
    """Names of tests and corpus cases as a cell."""
    return ", ".join(f"`{name}`" for name in names.split())


LIMITS = """# Limits

<!-- Written by `make docs` from python/dragoman/settings.py and docs/generate.py. -->

What a client may use of time and memory, and what happens then. Each refusal is a short answer whose first word names
the reason ([refusals.md](refusals.md)), followed by a lingering close, so that the answer is not lost to a reset.

The counters of a worker stand in its last line at `--log-level debug`. A counter with dashes is the code of a refusal
and stands there once there was one; `refused` is the sum of all of them. The log has one line for each reason and
minute, with a sample client. Two of them come at level debug only, since nobody is at fault: `idle-timeout`, as kept
connections end every day, and `linger-timeout`, as a client need not close before we do. Clients that are counted as
`aborted` get no line: to the server they look like one that has left.

| limit | default | then | counter | shown by |
| --- | --- | --- | --- | --- |
"""
FIXED_INTRO = """
## Without a setting

| limit | value | then | counter | why it is none | shown by |
| --- | --- | --- | --- | --- | --- |
"""
# Where the default does not say what it means.
MEANT = {
    "worker_connections": "0: 80 % of the descriptors that the process may open",
    "spool_directory": "Python's tempfile.gettempdir()",
}
# fmt: off
FIXED = (
    (
        "method", "32 bytes", "501", "method-too-long", "no method that is registered has more than 17",
        "reject/method-too-long",
    ),
    (
        "extensions of one chunk, of all chunks of a body", "256 bytes, 16 KiB", "400",
        "chunk-extension-too-long, chunk-extensions-too-long", "nobody who sends them in good faith comes near",
        "reject/chunk-extension-too-long reject/chunk-extensions-too-long",
    ),
    (
        "framing bytes of a chunked body", "16 KiB + 8 × its data", "400", "chunk-overhead",
        "a chunk of one byte needs five more: whoever needs more than eight pads", "reject/chunk-overhead",
    ),
    (
        "read ahead of a connection", "64 KiB, the request under way among them", "the socket is not read on",
        "none: not to read is no event", "it is the size of a thread's buffer, and nobody waits for more",
        "test_behind_a_request_that_is_under_way_64_kib_are_read_and_the_rest_waits_in_the_kernel",
    ),
    (
        "pipelined requests answered in one go", "16", "other connections have their turn",
        "none: every pipelining client", "fairness among clients; none of them can tell",
        "a_pipelining_client_has_a_share_of_sixteen_requests_before_the_next_one_has_its_turn",
    ),
    (
        "answers to them that wait for the next one", "64 KiB", "they are sent", "none: every pipelining client",
        "the same", "answers_of_64_kib_do_not_wait_for_the_next_call_of_their_connection",
    ),
    (
        "requests beyond --queue", "while its first has waited for less than a 10th of --queue-timeout",
        "they wait for the queue", "none: nobody is refused", "it follows from --queue-timeout",
        "a_burst_beyond_the_queue_waits_for_it_where_the_queue_moves_and_refuses_nobody",
    ),
    (
        "accepting without descriptors or memory", "a pause of 0.1 s, doubling to 1 s", "the backlog waits",
        "accept_pauses", "shorter ones would spin, longer ones would keep clients waiting",
        "test_accept_that_fails_for_want_pauses_and_goes_on pauses_of_accepting_double_from_a_tenth_of_a_second_to_one",
    ),
    (
        "connections that make room at once", "16, or a 32nd part of those that wait", "close", "evictions",
        "it is the price of one look at all of them, for each newcomer",
        "test_at_the_limit_of_connections_the_longest_idle_make_room of_a_large_crowd_a_32nd_part_makes_room_at_once",
    ),
    (
        "bodies and answers that make room", "the slowest, below 8 KiB a second", "408, or the connection is cut",
        "evictions", "a line that carries less is a trickle beside a full table",
        "uploads_that_fill_the_table_make_room_for_a_new_client_and_the_one_at_normal_speed_is_not_among_them",
    ),
    (
        "files of bodies, and as many of answers", "a tenth of the descriptors that the process may open",
        "as when --spool-quota is used up", "spool_cuts, spool_refusals",
        "it follows from the limit of open files; with what ends the waits of calls they count as connections do",
        "test_a_fifth_of_the_descriptors_is_left_to_the_application",
    ),
    (
        "output that the kernel holds unsent", "512 KiB (TCP_NOTSENT_LOWAT)", "the rest waits in the process",
        "none: every large answer", "measured: more keeps newcomers waiting, by copying",
        "test_the_kernel_holds_little_for_a_client_that_does_not_read",
    ),
    (
        "connections for which it may hold 2 MiB", "32, which have acknowledged 768 KiB",
        "the next one has that of the longest idle; while all are in use, 512 KiB",
        "none: nobody is worse off than without", "the same",
        "test_the_kernel_holds_more_for_a_few_clients_that_have_read_well"
        " test_clients_that_have_read_well_and_rest_leave_their_wide_queues_to_others",
    ),
    (
        "a reader for whom a call waits while memory, or with `--threads 1` the disk, is used up",
        "1 s, and 1 MiB/s from then on", "the connection is cut", "memory_cuts, spool_cuts",
        "everybody waits for this reader",
        "with_one_permit_a_reader_that_trickles_is_cut_when_the_room_for_answers_is_used_up",
    ),
    (
        "memory of an idle connection", "2 KiB", "nothing is held between two requests", "none: nothing runs into it",
        "what it takes is what is needed", "test_idle_connections_cost_less_than_two_kibibytes_each",
    ),
    (
        "TLS handshake", "not spoken yet", "a handshake is closed at its first bytes", "tls-on-clear-text",
        "its time and number will be settings when it is spoken", "test_tls_hello_is_closed_and_said_in_the_log",
    ),
)
# fmt: on
# The tests that show each limit which is a setting: taken away, or its setting ignored, one of them fails.
SHOWN_BY = {
    "worker_connections": "test_at_the_limit_of_connections_the_longest_idle_make_room",
    "queue": "test_requests_beyond_the_queue_are_answered_503_and_told_when_to_come_again",
    "queue_timeout": "test_a_request_that_waits_too_long_for_a_thread_is_answered_503_and_told_when_to_come_again",
    "waiting_threads": "at_the_bound_of_waiting_calls_the_slowest_client_is_cut_and_the_one_that_came_last_is_served",
    "keep_alive": "test_idle_connection_is_closed_after_the_keep_alive_time",
    "first_byte_timeout": "test_connection_without_a_first_byte_is_closed_silently",
    "head_timeout": "test_head_that_trickles_gets_408",
    "body_timeout": "test_small_body_that_stops_gets_408_and_calls_nobody",
    "min_body_rate": "test_bodies_that_trickle_are_refused_and_told_of_once",
    "write_timeout": "test_reader_that_stops_is_ended_and_the_iterable_closed",
    "min_write_rate": "test_readers_that_trickle_are_cut_and_told_of_once",
    "rate_grace": "test_a_client_has_its_grace_before_the_least_rate_counts",
    "linger_timeout": "a_client_that_does_not_end_its_side_is_closed_after_the_linger_time",
    "vanished_timeout": "test_clients_that_are_gone_are_given_up_by_the_kernel_when_no_timer_of_the_server_runs_out",
    "limit_request_line": "test_limit_of_the_line_is_a_setting",
    "limit_request_fields": "test_limit_of_the_number_of_fields_is_a_setting",
    "limit_request_field_size": "test_limit_of_a_field_is_a_setting",
    "limit_head": "test_limit_of_the_head_is_a_setting",
    "limit_trailer_fields": "test_trailers_have_their_limits",
    "limit_trailers": "test_trailers_have_their_limits",
    "limit_body": "test_content_length_above_the_limit_is_413_at_the_head test_chunked_body_above_the_limit_is_413",
    "limit_unread": (
        "test_a_body_left_unread_up_to_the_limit_keeps_the_connection_and_a_longer_one_does_not"
        " a_refused_client_is_not_read_on_without_end"
    ),
    "body_buffer": "test_bodies_up_to_the_buffer_are_whole_before_the_call_and_longer_ones_are_read_in_it",
    "chunked_memory": "test_bodies_on_disk_have_a_quota",
    "spool_directory": (
        "test_bodies_on_the_disk_have_no_name_at_any_time_and_are_the_workers_alone"
        " test_spool_directory_that_is_gone_is_500_for_its_bodies_until_it_is_back"
    ),
    "spool_quota": (
        "an_upload_gets_its_room_from_those_that_hold_the_quota_and_trickle"
        " bodies_on_disk_share_a_quota_and_give_their_room_back"
    ),
    "held_memory": "many_slow_clients_together_hold_no_more_memory_than_the_bound_and_a_quick_one_is_served",
    "output_buffer": (
        "a_producer_waits_when_its_client_has_left_more_than_the_output_buffer_and_not_before"
        " a_producer_of_single_bytes_comes_to_its_bound_though_each_block_goes_out_by_itself"
    ),
}

RATES = (
    "\n## How the rates count\n\n"
    "There is no absolute deadline for a body or an answer: a large one over a slow line takes the time that it needs."
    " A client begins with the grace; every byte earns time at the least rate, and time is spent only while the server"
    " has room, or data, and waits for the client. What can be earned ahead is bounded by the idle time. Of an answer"
    " those bytes count that the client has acknowledged, not those that the kernel has taken.\n"
)


GIVING_WAY = """
## Who gives way

`--held-memory` and `--spool-quota` are shared by all clients of a worker, and a least rate for each of them would let a
crowd keep them for hours. So nobody keeps what others need: when one is used up, the clients that hold it are ordered
by the bytes that they have moved in the last second or two, and the slowest are cut until an eighth is free. A request
that has not been passed on is answered 408 `made-room`, a response is reset. Clients that have been waited for less
than a second come last: of the disk they keep what they have, so that the next body is refused with 507; of memory,
those that came first are cut first.

Memory counts what has come of heads and bodies, and each response whole until its last byte has left; an object that
several responses share counts once. While more than half of it is in use, bodies above 64 KiB go to files, and the
application waits for a client from 64 KiB on. Not counted: what the application holds, the kernel's buffers, and what a
thread has in its hands at the moment. What comes free goes back to the system within two seconds.
"""


def rules_page() -> str:
    """Every rule by group: what is checked, when, whose it is, what follows, and a wrong and a right example."""
    parts = [RULES_INTRO]
    parts += [f"- [{group}](#{anchor(group)}): {links_to(rules)}\n" for group, rules in RULE_GROUPS.items()]
    for group, rules in RULE_GROUPS.items():
        parts.append(f"\n## {group}\n")
        parts += [rule_section(rule) for rule in rules]
    return "".join(parts)


RULES_INTRO = """# The rules of the WSGI contract

<!-- Written by `make docs` from python/dragoman/contract/. -->

What a message that begins with `contract:` means; `dragoman explain RULE` prints the same in a terminal. Each breach is
explained once for each place in the code. Those that follow are counted: a line a minute says `… 41 more like it in the
last minute`, with a sample. Where the client gets an error for it, or too little, the first ten of a minute have a line
each, which says `again`. Each example runs in the tests: the wrong one breaks its rule, the right one none. `app` is an
application, `middleware` makes a layer around one, and `after` runs when the request has ended.

"""


def anchor(title: str) -> str:
    """Its part of an address, as GitHub makes it."""
    return title.lower().replace(" ", "-")


def links_to(rules: Iterable[Rule]) -> str:
    """The rules as links to their sections."""
    return ", ".join(f"[{rule.id}](#{rule.id})" for rule in rules)


def rule_section(rule: Rule) -> str:
    """One rule with its examples."""
    language = "sh" if rule.cost == "load" else "python"
    return (
        f"\n### {rule.id}\n\n{rule.said[-1]} {rule.why} ({rule.clause})\n\n"
        f"- Owed by: {rule.party}\n- Checked: {when_checked(rule)}\n"
        f"- Dragoman: {rule.effect.value}\n- Fix: {rule.fix[-1]}\n\n"
        f"Wrong:\n\n```{language}\n{rule.wrong}\n```\n\nRight:\n\n```{language}\n{rule.right}\n```\n"
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


def order_page() -> str:
    """The layers in their order with why each stands there, what goes wrong otherwise, and where others belong."""
    places = (
        f"| {number} | [{name}]({page_of_part(name)}) | {why} |\n"
        for number, (name, why) in enumerate(PLACES.items(), 1)
    )
    pairs = (f"| {pair.outer} | {pair.inner} | {pair.why} |\n" for pair in PAIRS)
    others = (f"| {what} | {where} |\n" for what, where in OTHERS)
    return ORDER + "".join(places) + OTHERWISE + "".join(pairs) + FOREIGN + "".join(others)


def page_of_part(name: str) -> str:
    """``request-id.md`` of ``RequestId``, ``force-https.md`` of ``ForceHTTPS``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name.partition(" ")[0]).lower() + ".md"


ORDER = """# The order of layers

<!-- Written by `make docs` from python/dragoman/middleware/order.py. -->

A request passes the layers of a `stack` from the first, the outermost, to the last, and its answer passes them the
other way. So a layer decides for all that stand inside of it, and sees nothing of what those outside do to its answer.
Nobody needs all of them; whichever you take belong in this order:

| | layer | why there |
| --- | --- | --- |
"""

OTHERWISE = """
## What goes wrong otherwise

`stack` refuses an order in which one of these holds, with the reason and the right order; so do `--middleware` and
`[[middleware]]`. `check_order=False` takes any order. Layers that are put around an application one by one,
`Csrf(Sessions(app))`, are checked by nobody.

| outside | inside | otherwise |
| --- | --- | --- |
"""

FOREIGN = """
## Layers of other libraries

`stack` takes whatever makes an application of an application: a class whose first argument is the application, a
function, `functools.partial` or a lambda with the arguments. It does not know what they do, so it does not judge where
they stand:

```python
from functools import partial

from werkzeug.middleware.profiler import ProfilerMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from dragoman.middleware import RequestId, SecurityHeaders, stack

app = stack(app, partial(ProxyFix, x_for=1), RequestId(), SecurityHeaders(), lambda app: ProfilerMiddleware(app, None))
```

Under Dragoman that is `--middleware "werkzeug.middleware.proxy_fix:ProxyFix"`, or a function of yours by
`--middleware "shop.layers:profiled"`, which is called with the application.

| what it does | where it belongs |
| --- | --- |
"""
OTHERS = (
    ("takes the client's address from a proxy's fields (ProxyFix)", "in the place of ProxyHeaders: outermost"),
    ("reports errors or traces (Sentry, agents of vendors)", "behind RequestId, where Tracing stands, or outermost"),
    (
        "catches exceptions and answers (debuggers, error pages)",
        "in the place of ErrorPages; two of them are one too many",
    ),
    ("profiles", "innermost, if the application is meant; outermost, if all is"),
    ("serves files (WhiteNoise, SharedDataMiddleware)", "in the place of Static"),
    ("compresses", "in the place of Compress, and outside of whatever makes an ETag or stores answers"),
    ("sessions and logins (Beaker, repoze.who, AuthKit)", "in the place of Sessions and of BasicAuth"),
    ("changes pages (adds scripts, minifies)", "inside of Compress, Cache and Conditional"),
    ("sends to other applications by path or host (DispatcherMiddleware)", "innermost, in the place of Mount"),
    ("checks the contract (`dragoman.contract.Checked`, wsgiref.validate)", "on both sides of the layer in doubt"),
)


if __name__ == "__main__":
    for name, content in pages().items():
        (HERE / name).write_text(content, encoding="utf-8")
        print(f"wrote docs/{name}", file=sys.stderr)
