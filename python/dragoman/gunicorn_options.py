"""What becomes of each setting of gunicorn's: it acts as one of ours, is accepted with a notice, or is refused."""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

__all__ = ["ARGUMENTS_VARIABLE", "BY_NAME", "DEFAULT_FILE", "OPTIONS", "Fate", "Option", "worker_class_notice"]

# Where gunicorn finds settings without being asked to.
ARGUMENTS_VARIABLE = "GUNICORN_CMD_ARGS"
DEFAULT_FILE = "gunicorn.conf.py"


class Fate(Enum):
    """What becomes of a setting."""

    ACTS = "acts"
    NOTICE = "accepted"
    REFUSED = "refused"


class Option(NamedTuple):
    """One setting of gunicorn's.

    name      in gunicorn.conf.py
    flags     on its command line; none for those that only a file can hold
    says      ACTS: our setting's name. NOTICE: what is so anyway. REFUSED: why, and what to do instead.
    idle      values that ask for nothing, beside None, False, 0 and the empty ones
    is_flag   given without a value on the command line; `idle` is then what it is without the flag
    """

    name: str
    flags: tuple[str, ...]
    fate: Fate
    says: str
    is_flag: bool = False
    idle: tuple[object, ...] = ()

    def asks_for_something(self, value: object) -> bool:
        """False for a value that changes nothing, so that nobody need be told of it."""
        if self.name == "sendfile":
            return value is False
        return not (value is None or value in (False, "", [], {}, ()) or value in self.idle)


def acts(name: str, flags: str, setting: str = "", is_flag: bool = False) -> Option:
    return Option(name, tuple(flags.split()), Fate.ACTS, setting or name, is_flag)


def notice(name: str, flags: str, says: str, is_flag: bool = False, idle: tuple[object, ...] = ()) -> Option:
    return Option(name, tuple(flags.split()), Fate.NOTICE, says, is_flag, idle)


def refused(name: str, flags: str, says: str, is_flag: bool = False, idle: tuple[object, ...] = ()) -> Option:
    return Option(name, tuple(flags.split()), Fate.REFUSED, says, is_flag, idle)


TLS = "TLS is not spoken yet; let the proxy or balancer in front end it"
STRICT = "requests are read in one strict way, which has no exceptions: loose readings are how requests are smuggled"
SYSLOG = "the error log goes to standard error or a file; systemd, or a pipe into logger, brings it to syslog"
LOGGING = (
    "the server's own log needs no logging configuration (--log-format json writes it for programs); that of the"
    " application is set up by the application"
)
METRICS = "metrics are not sent yet; the access log, also as JSON, has the time and status of each request"
PROXY_PROTOCOL = "the PROXY protocol is not spoken yet; let the balancer send X-Forwarded-For instead"
HTTP2 = "HTTP/2 is not spoken yet; let the proxy in front speak it, and HTTP/1.1 to this server"
ASGI = "only WSGI applications are served yet"
UWSGI = "only HTTP is spoken; let the proxy send HTTP (nginx: proxy_pass instead of uwsgi_pass)"
DIRTY = "there are no such helper processes; run long work in a task queue"
RELOAD_ENGINE = "watchfiles tells of changes where it is installed, else files are looked at every second"
PASTE = "name the application instead: a module that calls paste.deploy.loadapp, as MODULE:ATTRIBUTE"
CONTROL = (
    "the control socket is for the server's user alone; --control-socket PATH moves it, --control-socket none omits it"
)

# The whole table of gunicorn 27, in its order.
# fmt: off
OPTIONS: tuple[Option, ...] = (
    acts("wsgi_app", "", "application"),
    acts("bind", "-b --bind"),
    acts("backlog", "--backlog"),
    acts("workers", "-w --workers"),
    notice("worker_class", "-k --worker-class", "there are no worker classes: threads start when calls are slow"),
    acts("threads", "--threads"),
    acts("worker_connections", "--worker-connections"),
    acts("max_requests", "--max-requests"),
    acts("max_requests_jitter", "--max-requests-jitter"),
    refused("timeout", "-t --timeout",
            "there is no deadline for the application yet, as with --timeout 0; a slow call holds up no other one as"
            " long as threads are left, and slow clients have deadlines of their own", idle=("0",)),
    acts("graceful_timeout", "--graceful-timeout"),
    acts("keepalive", "--keep-alive", "keep_alive"),
    acts("limit_request_line", "--limit-request-line"),
    acts("limit_request_fields", "--limit-request-fields"),
    acts("limit_request_field_size", "--limit-request-field_size"),
    acts("reload", "--reload", is_flag=True),
    notice("reload_engine", "--reload-engine", RELOAD_ENGINE, idle=("auto",)),
    acts("reload_extra_files", "--reload-extra-file"),
    refused("spew", "--spew", "lines are not traced; python -m trace --trace does it", is_flag=True),
    notice("check_config", "--check-config", "a flag of the command line, not of a file", is_flag=True),
    notice("print_config", "--print-config", "a flag of the command line, not of a file", is_flag=True),
    acts("preload_app", "--preload", "preload", is_flag=True),
    refused("sendfile", "--no-sendfile", "how a file is sent is not to be chosen", is_flag=True,
            idle=(True,)),
    acts("reuse_port", "--reuse-port", is_flag=True),
    acts("chdir", "--chdir"),
    refused("daemon", "-D --daemon",
            "the server stays in the foreground, where systemd, a container or setsid can keep it and its log",
            is_flag=True),
    acts("raw_env", "-e --env", "env"),
    acts("pidfile", "-p --pid", "pid"),
    notice("worker_tmp_dir", "--worker-tmp-dir", "workers write no heartbeat files"),
    acts("user", "-u --user"),
    acts("group", "-g --group"),
    acts("umask", "-m --umask"),
    notice("initgroups", "--initgroups", "the groups of --user are always taken", is_flag=True),
    notice("tmp_upload_dir", "", "gunicorn does not use it either; the directory of --spool-directory is for bodies"),
    refused("secure_scheme_headers", "", "the fields that tell the scheme are not to be chosen: X-Forwarded-Proto:"
            " https, X-Forwarded-Protocol: ssl and X-Forwarded-Ssl: on, of the peers in --forwarded-allow-ips",
            idle=({"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},)),
    acts("forwarded_allow_ips", "--forwarded-allow-ips"),
    acts("accesslog", "--access-logfile", "access_logfile"),
    notice("disable_redirect_access_to_syslog", "--disable-redirect-access-to-syslog",
           "the access log never goes to syslog", is_flag=True),
    acts("access_log_format", "--access-logformat", "access_logformat"),
    acts("errorlog", "--error-logfile --log-file", "error_logfile"),
    acts("loglevel", "--log-level", "log_level"),
    refused("capture_output", "--capture-output",
            "what the application prints stays on standard output and standard error; the shell or the service manager"
            " can send both into a file", is_flag=True),
    refused("logger_class", "--logger-class", LOGGING, idle=("gunicorn.glogging.Logger",)),
    refused("logconfig", "--log-config", LOGGING),
    refused("logconfig_dict", "", LOGGING),
    refused("logconfig_json", "--log-config-json", LOGGING),
    refused("syslog_addr", "--log-syslog-to", SYSLOG, idle=("udp://localhost:514", "unix:///var/run/syslog")),
    refused("syslog", "--log-syslog", SYSLOG, is_flag=True),
    refused("syslog_prefix", "--log-syslog-prefix", SYSLOG),
    refused("syslog_facility", "--log-syslog-facility", SYSLOG, idle=("user",)),
    notice("enable_stdio_inheritance", "-R --enable-stdio-inheritance",
           "the application always has the standard streams", is_flag=True),
    refused("statsd_host", "--statsd-host", METRICS),
    refused("dogstatsd_tags", "--dogstatsd-tags", METRICS),
    refused("statsd_prefix", "--statsd-prefix", METRICS),
    refused("enable_backlog_metric", "--enable-backlog-metric", METRICS, is_flag=True),
    acts("proc_name", "-n --name"),
    notice("default_proc_name", "", "the name of processes is that of --name"),
    acts("pythonpath", "--pythonpath"),
    refused("paste", "--paste --paster", PASTE),
    refused("proxy_protocol", "--proxy-protocol", PROXY_PROTOCOL, idle=("off",)),
    refused("proxy_allow_ips", "--proxy-allow-from", PROXY_PROTOCOL, idle=("127.0.0.1,::1", "127.0.0.1")),
    refused("protocol", "--protocol", UWSGI, idle=("http",)),
    refused("uwsgi_allow_ips", "--uwsgi-allow-from", UWSGI, idle=("127.0.0.1,::1",)),
    refused("keyfile", "--keyfile", TLS),
    refused("certfile", "--certfile", TLS),
    refused("ssl_version", "--ssl-version", TLS, idle=(2,)),  # ssl.PROTOCOL_SSLv23, gunicorn's default
    refused("cert_reqs", "--cert-reqs", TLS, idle=("0",)),
    refused("ca_certs", "--ca-certs", TLS),
    notice("suppress_ragged_eofs", "--suppress-ragged-eofs", TLS, is_flag=True, idle=(True,)),
    refused("do_handshake_on_connect", "--do-handshake-on-connect", TLS, is_flag=True),
    refused("ciphers", "--ciphers", TLS),
    refused("http_protocols", "--http-protocols", HTTP2, idle=("h1",)),
    refused("http2_cleartext", "--http2-cleartext", HTTP2, idle=("off",)),
    refused("http2_max_concurrent_streams", "--http2-max-concurrent-streams", HTTP2, idle=(100,)),
    refused("http2_initial_window_size", "--http2-initial-window-size", HTTP2, idle=(65535,)),
    refused("http2_max_frame_size", "--http2-max-frame-size", HTTP2, idle=(16384,)),
    refused("http2_max_header_list_size", "--http2-max-header-list-size", HTTP2, idle=(65536,)),
    refused("raw_paste_global_conf", "--paste-global", PASTE),
    refused("permit_obsolete_folding", "--permit-obsolete-folding", STRICT, is_flag=True),
    refused("strip_header_spaces", "--strip-header-spaces", STRICT, is_flag=True),
    refused("permit_unconventional_http_method", "--permit-unconventional-http-method", STRICT, is_flag=True),
    refused("permit_unconventional_http_version", "--permit-unconventional-http-version", STRICT, is_flag=True),
    refused("casefold_http_method", "--casefold-http-method", STRICT, is_flag=True),
    refused("forwarder_headers", "--forwarder-headers",
            "fields with underscores in their names are never trusted; --root-path sets SCRIPT_NAME",
            idle=("SCRIPT_NAME,PATH_INFO",)),
    refused("header_map", "--header-map", STRICT, idle=("drop",)),
    refused("asgi_loop", "--asgi-loop", ASGI, idle=("auto",)),
    refused("asgi_lifespan", "--asgi-lifespan", ASGI, idle=("auto",)),
    refused("asgi_disconnect_grace_period", "--asgi-disconnect-grace-period", ASGI, idle=(3,)),
    refused("websocket_max_message_size", "--websocket-max-message-size", ASGI, idle=(16 << 20,)),
    notice("http_parser", "--http-parser", "there is one parser, and it is native", idle=("auto",)),
    acts("root_path", "--root-path"),
    refused("dirty_apps", "--dirty-app", DIRTY),
    refused("dirty_workers", "--dirty-workers", DIRTY),
    refused("dirty_timeout", "--dirty-timeout", DIRTY, idle=(300,)),
    refused("dirty_threads", "--dirty-threads", DIRTY, idle=(1,)),
    refused("dirty_graceful_timeout", "--dirty-graceful-timeout", DIRTY, idle=(30,)),
    acts("control_socket", "--control-socket"),
    refused("control_socket_mode", "--control-socket-mode", CONTROL, idle=(0o600,)),
    refused("control_socket_disable", "--no-control-socket", CONTROL, is_flag=True),
)
# fmt: on

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


def worker_class_notice(value: object) -> str:
    """What is told of a worker class: a name such as ``"gthread"``, or a class."""
    name = str(getattr(value, "__name__", value))
    if name in ("sync", "SyncWorker"):
        return "threads start when calls are slow; an application that is not thread-safe needs --threads 1"
    if name in ("gthread", "ThreadWorker"):
        return "threads start when calls are slow, up to --threads"
    if "uvicorn" in name.lower() or name == "asgi":
        return f"there are no worker classes, and {ASGI}"
    return "there are no worker classes: threads start when calls are slow. An application must not be monkey-patched"
