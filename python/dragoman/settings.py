"""All settings, each declared once: command line, environment, validation, help and docs/settings.md come from here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from dragoman import cpus, values
from dragoman.gunicorn_options import BY_NAME, Fate
from dragoman.origins import Origin, Source, Written, resolve
from dragoman.row import ENVIRONMENT_PREFIX, Row, setting
from dragoman.values import Address, nearest, printable

__all__ = ["CONFIG_VARIABLE", "GROUPS", "Row", "Settings", "misspelt", "rows", "settings_from", "unknown_name"]

GROUPS = ("Application", "Listening", "Workers", "Process", "Time", "Limits", "Logging", "Development")
# Names the configuration file; no setting, since a file cannot name itself.
CONFIG_VARIABLE = f"{ENVIRONMENT_PREFIX}CONFIG"
LIST_OF_ALL = "dragoman --help lists all"
# Other defaults under --dev: a debugger needs its process for itself; a person reads the access log; and a browser that
# has kept its connection is not to be answered by the code of before.
UNDER_DEV = {"workers": "1", "access_logformat": "%(t)s %(m)s %(U)s %(s)s %(M)s ms", "drain_linger": "0"}
FATES = {Fate.REFUSED: "and cannot act here", Fate.NOTICE: "and changes nothing here"}


# A table reads best as one: two or three lines for each setting.
# fmt: off
# What nobody asks of it is not made: each method of so many fields takes its time at every start.
@dataclass(frozen=True, kw_only=True, repr=False, eq=False, match_args=False)
class Settings:
    """The settings of one run, checked, and where each of them came from."""

    # By name; `origins["bind"].is_given` tells whether somebody asked for it.
    origins: Mapping[str, Origin] = field(default_factory=dict)

    application: str = setting(
        "Application", "", "MODULE[:ATTRIBUTE]", "", values.text,
        doc="What to serve: a module, and a name in it (dotted if need be) or a call such as create_app('prod')."
        " Without one, app, application and create_app() are tried, in the module and then in its wsgi submodule.",
    )
    chdir: str = setting(
        "Application", "--chdir", "DIRECTORY", ".", values.directory, gunicorn="chdir",
        doc="Directory to work in; modules are found there first, and the paths of all other settings start there.",
    )
    pythonpath: tuple[str, ...] = setting(
        "Application", "--pythonpath", "PATHS", "", values.directories, gunicorn="pythonpath", empty=(),
        doc="More directories to find modules in, separated by commas.",
    )
    env: tuple[tuple[str, str], ...] = setting(
        "Application", "-e --env", "NAME=VALUE", "", values.environment_variable, gunicorn="raw_env",
        is_repeatable=True,
        doc="Environment variable to set before the application is loaded. It is put into each WSGI environ, too, so"
        " that names which a request sets (HTTP_..., REMOTE_ADDR) are refused.",
    )
    root_path: str = setting(
        "Application", "--root-path", "PATH", "/", values.root_path, gunicorn="root_path",
        doc="URL path at which the application is mounted. Requests under it have it as SCRIPT_NAME, all others keep"
        " their whole path.",
    )

    middleware: tuple[str, ...] = setting(
        "Application", "--middleware", "NAME", "", values.text, is_repeatable=True, empty=(),
        doc="Middleware to put around the application, the outermost first: one of dragoman.middleware, such as"
        " request-id or static('public/'), or any other as MODULE:NAME, which is called with the application. A file"
        " has it as [[middleware]], with use = and its arguments. The order is checked.",
    )

    bind: tuple[Address, ...] = setting(
        "Listening", "-b --bind", "ADDRESS", "127.0.0.1:8000", values.address, gunicorn="bind", is_repeatable=True,
        platform=("PORT", "0.0.0.0:{}", "a port from 0 to 65535"),
        doc="Where to listen: HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N. Port 0 takes a free one.",
    )
    backlog: int = setting(
        "Listening", "--backlog", "N", "2048", values.whole(1, 65535), gunicorn="backlog",
        doc="Connections that the kernel holds until they are accepted.",
    )
    umask: int = setting(
        "Listening", "-m --umask", "OCTAL", "0", values.octal_mask, gunicorn="umask",
        doc="Permissions that the unix sockets do not get: 0 lets every user of the machine connect, 007 the owner"
        " and the group (of --user and --group, if given).",
    )
    reuse_port: bool = setting(
        "Listening", "--reuse-port", "", "false", values.flag, gunicorn="reuse_port", is_flag=True,
        doc="Let other servers of the same user listen at the same port, if they ask for it too (SO_REUSEPORT).",
    )
    worker_connections: int = setting(
        "Listening", "--worker-connections", "N", "0", values.whole(0, 1_000_000), gunicorn="worker_connections",
        doc="Most connections of a worker at once; 0 is 80 % of the file descriptors that the process may open.",
        then="those that have waited longest without a request are closed, then those that move their bytes slowest;"
        " where there are none, accepting pauses",
        counter="evictions, accept_pauses",
    )

    forwarded_allow_ips: tuple[str, ...] = setting(
        "Listening", "--forwarded-allow-ips", "ADDRESSES", "127.0.0.1,::1", values.networks,
        gunicorn="forwarded_allow_ips", platform=("FORWARDED_ALLOW_IPS", "{}", ""),
        doc="Proxies whose word on their clients is believed: addresses and networks separated by commas, or"
        " * for everybody who can connect. X-Forwarded-For then gives REMOTE_ADDR (and %(h)s of the access log): its"
        " last address that is not such a proxy. X-Forwarded-Proto, X-Forwarded-Protocol or X-Forwarded-Ssl give"
        " wsgi.url_scheme. Proxies on unix sockets are always believed. Forwarded (RFC 7239) is not read.",
    )
    ready_path: str = setting(
        "Listening", "--ready-path", "PATH", "", values.request_path,
        doc="URL path that the server answers itself, for load balancers to ask: 200 while it serves, 503 from"
        " SIGTERM on. The application never sees it.",
    )

    workers: int = setting(
        "Workers", "-w --workers", "N", "auto", values.whole(0, 1024), gunicorn="workers",
        platform=("WEB_CONCURRENCY", "{}", ""), measure=cpus.available,
        doc="Processes that serve; one more, the supervisor, starts and replaces them. auto is one for each CPU that"
        " the container's quota and the process's affinity allow. 0 serves in the process that you start, without a"
        " supervisor: for debuggers.",
    )
    threads: int = setting(
        "Workers", "--threads", "N", "64", values.whole(1, 1024), gunicorn="threads",
        doc="Application calls at once in a worker. Threads are started when calls are slow, so that this needs no"
        " tuning; 1 is for applications that are not thread-safe.",
    )
    queue: int = setting(
        "Workers", "--queue", "N", "1024", values.whole(1, 1_000_000),
        doc="Requests that may wait for a thread in a worker; the next ones are answered 503, unless it is a burst"
        " that passes.",
        then="503 with Retry-After", counter="overloads",
    )
    queue_timeout: float = setting(
        "Workers", "--queue-timeout", "SECONDS", "30", values.seconds(0.1, 86_400), unit="s",
        doc="Time that a request may wait for a thread; then it is answered 503.",
        then="503 with Retry-After", counter="queue_timeouts",
    )
    waiting_threads: int = setting(
        "Workers", "--waiting-threads", "N", "256", values.whole(1, 10_000),
        doc="Threads of a worker that may wait for slow clients in the middle of a call, beside --threads; where one"
        " more would have to, the slowest of these clients is cut.",
        then="the slowest client is cut", counter="peer_waits_cut",
    )
    check_path: str = setting(
        "Workers", "--check-path", "PATH", "", values.check_target,
        doc="Path that the server asks each new worker for (GET) before it serves: one that does not answer 2xx or 3xx"
        " has not started, so that a reload to an application that loads and cannot answer fails. A URL gives the"
        " request a host and a scheme: https://shop.example/health. Time for it is part of --start-timeout.",
    )
    preload: bool = setting(
        "Workers", "--preload", "", "false", values.flag, gunicorn="preload_app", is_flag=True,
        doc="Load the application once, before the workers are forked: they share its memory. A reload loads it anew.",
    )
    max_requests: int = setting(
        "Workers", "--max-requests", "N", "0", values.whole(0, 1_000_000_000), gunicorn="max_requests",
        doc="Requests after which a worker is replaced; its successor serves before it leaves, one at a time, so that"
        " it answers more where that takes longer than so many requests. 0 is never.",
    )
    max_requests_jitter: int = setting(
        "Workers", "--max-requests-jitter", "N", "0", values.whole(0, 1_000_000_000), gunicorn="max_requests_jitter",
        doc="Up to so many requests more than --max-requests, at random, so that the workers are not all replaced at"
        " once.",
    )
    max_worker_memory: int = setting(
        "Workers", "--max-worker-memory", "BYTES", "0", values.byte_size(0, 1 << 50), unit="bytes",
        doc="Memory (resident set) above which a worker is replaced; its successor serves before it leaves. 0 is no"
        " bound.",
    )
    worker_lifetime: float = setting(
        "Workers", "--worker-lifetime", "SECONDS", "0", values.seconds(0, 31_536_000), unit="s",
        doc="Time after which a worker is replaced, a tenth more or less; its successor serves before it leaves. 0 is"
        " never.",
    )
    hooks: str = setting(
        "Process", "--hooks", "FILE", "", values.optional,
        doc="Python file with functions to call as the server runs: on_starting, post_fork, worker_exit and others,"
        " by gunicorn's names.",
    )
    control_socket: str = setting(
        "Process", "--control-socket", "PATH", "auto", values.text,
        doc="Unix socket by which dragoman reload, stop, scale, reopen and status reach the server: a path, none, or"
        " auto: an abstract one (a name without a file), made of the user and the first address. A reload that changes"
        " that address moves it when it is done; until then --bind names the one of before. Only that user and root are"
        " heard. With --workers 0 there is none.",
    )
    user: str = setting(
        "Process", "-u --user", "USER", "", values.optional, gunicorn="user",
        doc="User, by name or number, that the workers become before the application is loaded; its supplementary"
        " groups come with it. Only root can do so; sockets, logs and pid file are opened before, as root.",
    )
    group: str = setting(
        "Process", "-g --group", "GROUP", "", values.optional, gunicorn="group",
        doc="Group, by name or number, that the workers are in; by default that of --user.",
    )
    proc_name: str = setting(
        "Process", "-n --name", "TEXT", "", values.optional, gunicorn="proc_name",
        doc="Name that ps and top show in the titles of the processes; by default the application's.",
    )
    pid: str = setting(
        "Process", "-p --pid", "FILE", "", values.optional, gunicorn="pidfile",
        doc="File to write the process id to; removed at the end. That of a live process is left, and ends the start.",
    )

    start_timeout: float = setting(
        "Time", "--start-timeout", "SECONDS", "120", values.seconds(0, 86_400), unit="s",
        doc="Time in which a worker has to load the application (with --preload, the process that loads it for all)."
        " One that hangs is killed, the log shows where, and a reload for which it was to serve fails. 0 is no bound.",
    )
    graceful_timeout: float = setting(
        "Time", "--graceful-timeout", "SECONDS", "30", values.seconds(0, 86_400), unit="s", gunicorn="graceful_timeout",
        doc="After SIGTERM, and after --drain-delay: time for the requests under way; those that are left then are"
        " cut off.",
    )
    drain_linger: float = setting(
        "Time", "--drain-linger", "SECONDS", "2", values.seconds(0, 3600), unit="s",
        doc="After SIGTERM: time in which idle connections may still send a request, so that none is lost.",
    )
    drain_delay: float = setting(
        "Time", "--drain-delay", "SECONDS", "0", values.seconds(0, 3600), unit="s",
        doc="After SIGTERM: time in which everything is still served, and only --ready-path says 503, so that load"
        " balancers send elsewhere before the server accepts no more.",
    )
    keep_alive: float = setting(
        "Time", "--keep-alive", "SECONDS", "75", values.seconds(0, 86_400), unit="s", gunicorn="keepalive",
        doc="Time that a connection may wait for its next request. Keep it above that of a load balancer in front.",
        then="close", counter="idle_timeouts",
    )
    first_byte_timeout: float = setting(
        "Time", "--first-byte-timeout", "SECONDS", "10", values.seconds(0.1, 86_400), unit="s",
        doc="Time from accepting a connection to its first byte.",
        then="close without an answer", counter="first_byte_timeouts",
    )
    head_timeout: float = setting(
        "Time", "--head-timeout", "SECONDS", "10", values.seconds(0.1, 86_400), unit="s",
        doc="Time from the first byte of a request head to its last; then 408.",
        then="408", counter="head_timeouts",
    )
    body_timeout: float = setting(
        "Time", "--body-timeout", "SECONDS", "30", values.seconds(0.1, 86_400), unit="s",
        doc="Time in which a request body may bring no byte.",
        then="408, or ClientDisconnected in the application", counter="body_timeouts",
    )
    min_body_rate: int = setting(
        "Time", "--min-body-rate", "BYTES", "500", values.byte_size(0, 1 << 30), unit="bytes/s",
        doc="Bytes a second that a request body must bring on average, counted only while it is waited for. 0 asks for"
        " no rate.",
        then="408, or ClientDisconnected in the application", counter="slow_bodies",
    )
    write_timeout: float = setting(
        "Time", "--write-timeout", "SECONDS", "30", values.seconds(0.1, 86_400), unit="s",
        doc="Time in which a client may take no byte of its response.",
        then="the connection is cut", counter="write_timeouts",
    )
    min_write_rate: int = setting(
        "Time", "--min-write-rate", "BYTES", "500", values.byte_size(0, 1 << 30), unit="bytes/s",
        doc="Bytes a second that a client must take on average, counted only while it is waited for. 0 asks for no"
        " rate.",
        then="the connection is cut", counter="slow_readers",
    )
    rate_grace: float = setting(
        "Time", "--rate-grace", "SECONDS", "10", values.seconds(0.1, 86_400), unit="s",
        doc="Time that a client has before --min-body-rate and --min-write-rate count; a body that brings nothing at"
        " all ends after it, too.",
        then="the rates count", counter="slow_bodies, slow_readers",
    )
    linger_timeout: float = setting(
        "Time", "--linger-timeout", "SECONDS", "1", values.seconds(0, 3600), unit="s",
        doc="Before a connection is closed: time in which a client may send the rest of a body that the application"
        " left unread, or close first, so that the answer is not lost.",
        then="close", counter="discard_timeouts, linger_timeouts",
    )
    vanished_timeout: float = setting(
        "Time", "--vanished-timeout", "SECONDS", "60", values.seconds(1, 86_400), unit="s",
        doc="Time after which the kernel gives up a client that acknowledges nothing of its response, and silence after"
        " which it asks whether a client is still there. For calls that take long: all other waits have times of their"
        " own.",
        then="the connection ends", counter="aborted",
    )

    limit_request_line: int = setting(
        "Limits", "--limit-request-line", "BYTES", "8K", values.byte_size(64, 1 << 20), unit="bytes",
        gunicorn="limit_request_line",
        doc="Longest request line; above it 414.", then="414", counter="request-line-too-long",
    )
    limit_request_fields: int = setting(
        "Limits", "--limit-request-fields", "N", "100", values.whole(1, 10_000), gunicorn="limit_request_fields",
        doc="Most header fields of a request; above it 431.", then="431", counter="too-many-fields",
    )
    limit_request_field_size: int = setting(
        "Limits", "--limit-request-field-size --limit-request-field_size", "BYTES", "16K",
        values.byte_size(64, 1 << 20), unit="bytes", gunicorn="limit_request_field_size",
        doc="Longest header field of a request, its name included; above it 431.", then="431",
        counter="field-too-large",
    )
    limit_head: int = setting(
        "Limits", "--limit-head", "BYTES", "64K", values.byte_size(128, 16 << 20), unit="bytes",
        doc="Longest request head, its line and all fields; above it 431.", then="431", counter="head-too-large",
    )
    limit_trailer_fields: int = setting(
        "Limits", "--limit-trailer-fields", "N", "64", values.whole(0, 10_000),
        doc="Most trailer fields, which stand behind a chunked body; above it 400.", then="400",
        counter="too-many-trailers",
    )
    limit_trailers: int = setting(
        "Limits", "--limit-trailers", "BYTES", "16K", values.byte_size(2, 1 << 20), unit="bytes",
        doc="Longest section of trailer fields; above it 400.", then="400", counter="trailers-too-large",
    )
    limit_body: int = setting(
        "Limits", "--limit-body", "BYTES", "64M", values.byte_size(0, 1 << 50), unit="bytes",
        doc="Longest request body; above it 413. 0 is no limit.",
        then="413, before reading where the length says so", counter="content-too-large",
    )
    limit_unread: int = setting(
        "Limits", "--limit-unread", "BYTES", "64K", values.byte_size(0, 1 << 30), unit="bytes",
        doc="Bytes that are read and thrown away of a body that the application left unread, so that the connection"
        " can be used again.",
        then="close, after --linger-timeout at most", counter="unread_bodies",
    )
    body_buffer: int = setting(
        "Limits", "--body-buffer", "BYTES", "64K", values.byte_size(0, 64 << 20), unit="bytes",
        doc="Request bodies up to this size are complete before the application is called; longer ones are streamed.",
        then="the application reads the body as it comes", counter="none: so is every large upload",
    )
    chunked_memory: int = setting(
        "Limits", "--chunked-memory", "BYTES", "1M", values.byte_size(0, 1 << 30), unit="bytes",
        doc="Chunked request bodies are held in memory up to this size, then in a temporary file in"
        " --spool-directory.",
        then="a temporary file in --spool-directory", counter="spooled_bodies",
    )
    spool_directory: str = setting(
        "Limits", "--spool-directory", "DIRECTORY", "", values.optional,
        doc="Directory for temporary files: long chunked request bodies, and with --threads 1 responses that wait for"
        " slow clients. They have no name there and are for the user of the worker alone. Without one, Python's"
        " tempfile.gettempdir(); where nothing can be written to, 507 for what does not fit into memory.",
        then="500 for a body that cannot be kept there", counter="spool_refusals",
    )
    spool_quota: int = setting(
        "Limits", "--spool-quota", "BYTES", "1G", values.byte_size(0, 1 << 50), unit="bytes",
        doc="Bytes that the request bodies of a worker may take in --spool-directory together; above it the slowest of"
        " them are refused, and where all are new, and on a full disk, the next one is. As many may the responses take"
        " that wait for slow clients, where a worker has one thread; above it the slowest of these clients are cut.",
        then="408 for the slowest, else 507 for the next; responses are cut", counter="spool_cuts, spool_refusals",
    )
    held_memory: int = setting(
        "Limits", "--held-memory", "BYTES", "0", values.byte_size(0, 1 << 50), unit="bytes",
        doc="Memory that a worker holds for all clients together: what has come of their requests, and what they have"
        " not taken of their responses. From half of it on, little is held for each of them; above it the slowest are"
        " cut. 0 is a quarter of the cgroup's or the machine's memory between all workers, from 32M to 512M for each.",
        then="the slowest clients that hold memory are cut: 408 before the call, a reset in the response",
        counter="memory_cuts",
    )
    output_buffer: int = setting(
        "Limits", "--output-buffer", "BYTES", "1M", values.byte_size(4096, 1 << 30), unit="bytes",
        doc="Response bytes held for a client that is slower than the application; then the application waits.",
        then="the application waits", counter="producer_waits",
    )

    access_logfile: str = setting(
        "Logging", "--access-logfile", "FILE", "auto", values.text, gunicorn="accesslog",
        doc="Access log: a file, - for standard output, none, or auto: - when standard output is a terminal.",
    )
    access_logformat: str = setting(
        "Logging", "--access-logformat", "FORMAT", "combined", values.access_log_format, gunicorn="access_log_format",
        doc="Lines of the access log: common, combined, json, or a text with gunicorn's atoms such as %(h)s.",
    )
    error_logfile: str = setting(
        "Logging", "--error-logfile --log-file", "FILE", "-", values.error_log, gunicorn="errorlog",
        doc="Error log: a file, or - for standard error.",
    )
    log_level: str = setting(
        "Logging", "--log-level", "LEVEL", "info",
        values.choice("debug", "info", "warning", "error", "critical"), gunicorn="loglevel",
        doc="Least important level that the error log has: debug, info, warning, error or critical.",
    )
    log_format: str = setting(
        "Logging", "--log-format", "FORMAT", "text", values.choice("text", "json"),
        doc="Messages of the error log: text, or json, an object on a line for each, with time, level, pid and message;"
        " one about the contract has rule, party, layer, file, line, function, request, value and count, too. What the"
        " application writes to wsgi.errors or standard error stays as it is.",
    )
    server_header: str = setting(
        "Logging", "--server-header", "TEXT", "dragoman", values.server_field,
        doc="Value of the Server field of responses, and SERVER_SOFTWARE; none leaves the field out.",
    )

    dev: bool = setting(
        "Development", "--dev", "", "false", values.flag, is_flag=True,
        doc="For work on the application: all rules of the contract are checked, exceptions are shown with their source"
        " lines and the request, and --reload is on. Other defaults: one worker, a short --access-logformat, no"
        " --drain-linger.",
    )
    reload: bool = setting(
        "Development", "--reload", "", "false", values.flag, gunicorn="reload", is_flag=True,
        doc="Load the application anew when a Python file in its directory, or another one that it has loaded from"
        " outside of the installed packages, changes. On under --dev, unless --no-reload is given. Quicker with the"
        " package watchfiles (pip install 'dragoman[dev]').",
    )
    reload_extra_files: tuple[str, ...] = setting(
        "Development", "--reload-extra-file", "PATH", "", values.text, gunicorn="reload_extra_files",
        is_repeatable=True, empty=(),
        doc="File to watch, too, or a directory with everything in it: templates, dragoman.toml.",
    )

    @property
    def is_watching(self) -> bool:
        """Whether changed files are to be looked out for."""
        origin = self.origins.get("reload")
        return self.reload or (self.dev and not (origin is not None and origin.is_given))
# fmt: on


def rows() -> tuple[Row, ...]:
    """The table, in the order in which help and documentation show it."""
    return ROWS


def settings_from(
    given: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    written: Mapping[str, Written] | None = None,
) -> Settings:
    """The settings of a run: the command line wins over the environment, that over the file, a platform's variable,
    the default.

    given        what the command line said: setting name to the texts given for it, in their order
    environment  usually ``os.environ``; a variable that is empty counts as not set
    written      what the configuration file said, by setting name
    Raises UsageError naming the flag, the variable or the line whose text is wrong, and what is wanted.
    """
    of_file = written or {}
    # Each parser returns what its field is declared as: a test goes through all of them.
    found: dict[str, Any] = {}
    origins = {}
    for row in ROWS:
        found[row.name], origins[row.name] = resolve(row, given.get(row.name, ()), environment, of_file.get(row.name))
    if found["dev"]:
        for row in (row for row in ROWS if row.name in UNDER_DEV and origins[row.name].source is Source.DEFAULT):
            found[row.name] = row.parse(UNDER_DEV[row.name])
            origins[row.name] = Origin(Source.DEFAULT, "default", "--dev")
    return Settings(**found, origins=origins)


def misspelt(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that is no setting, but means one, or one of gunicorn's."""
    # Told, not refused: Kubernetes puts DRAGOMAN_PORT and its like into every pod beside a service of that name.
    known = {CONFIG_VARIABLE, *(row.env for row in ROWS)}
    strangers = [name for name in sorted(environment) if name.startswith(ENVIRONMENT_PREFIX) and name not in known]
    told = (unknown_name(name.removeprefix(ENVIRONMENT_PREFIX).lower(), name, 0.85) for name in strangers)
    return [sentence for sentence in told if not sentence.endswith(LIST_OF_ALL)]


def unknown_name(name: str, shown: str = "", cutoff: float = 0.6) -> str:
    """Says that `name` is no setting, and what was meant: one of gunicorn's, a flag of another name, a near one.

    shown    how the name was written: a variable stands there with its prefix, and so do those that it is told of
    cutoff   how near a name has to be, 1.0 being the same (difflib)
    """
    written = printable(shown or name)
    prefix = ENVIRONMENT_PREFIX if shown else ""
    if meant := {row.gunicorn: row.name for row in ROWS}.get(name):
        return f"{written} is gunicorn's name; here it is {in_case_of(prefix + meant, prefix)}"
    if (option := BY_NAME.get(name)) is not None and option.fate is not Fate.ACTS:
        return f"{written} is gunicorn's, {FATES[option.fate]}, so leave it out: {option.says}"
    flags = {flag.removeprefix("--").replace("-", "_"): row.name for row in ROWS for flag in row.flags}
    plain = name.replace("-", "_").lower()
    near = [flags[plain]] if plain in flags else nearest(plain, [row.name for row in ROWS], 1, cutoff)
    if near:
        return f"{written} is no setting; did you mean {in_case_of(prefix + near[0], prefix)}?"
    return f"{written} is no setting; {LIST_OF_ALL}"


def in_case_of(name: str, prefix: str) -> str:
    return name.upper() if prefix else name


ROWS = tuple(one.metadata["row"]._replace(name=one.name) for one in fields(Settings) if "row" in one.metadata)
