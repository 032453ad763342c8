//! `Server`: one process's engine around one application, as the worker drives it.

use crate::convert::Entries;
use crate::environ::Environs;
use crate::gil::drop_released;
use crate::raw;
use crate::template::{Constants, Place};
use crate::wsgi::{Shared, Wsgi, call_of};
use dragoman_engine::access_log::AccessLog;
use dragoman_engine::{Account, Engine, Event, Level, Listener, Options, PaceRule, Trusted, bound_heaps};
use dragoman_http1::Limits;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// The engine of one process, around one application.
#[pyclass(frozen, module = "dragoman._native")]
pub struct Server {
    engine: Arc<Engine<Wsgi>>,
}

#[pymethods]
impl Server {
    /// Prepares to serve `application` on sockets that listen already. Threads come by `serve`.
    #[new]
    #[pyo3(signature = (application, listeners, options, *, report, exception, errors))]
    fn new(
        application: Bound<'_, PyAny>,
        listeners: Vec<Bound<'_, PyDict>>,
        options: Bound<'_, PyDict>,
        report: Bound<'_, PyAny>,
        exception: Bound<'_, PyAny>,
        errors: Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let py = application.py();
        let options = Entries(&options);
        let (mut places, mut sockets) = (Vec::new(), Vec::new());
        for listener in &listeners {
            let listener = Entries(listener);
            places.push(Place {
                is_unix: match listener.get::<String>("kind")?.as_str() {
                    "tcp" => false,
                    "unix" => true,
                    other => return Err(PyValueError::new_err(format!("listener kind {other:?}: want tcp or unix"))),
                },
                server_name: listener.get("server_name")?,
                server_port: listener.get("server_port")?,
            });
            sockets.push(Listener::new(borrow(listener.get("fd")?)?)?);
        }
        let engine_options = engine_options(&options)?;
        let constants = Constants {
            root_path: options.get("root_path")?,
            software: engine_options.server.clone(),
            is_multithread: engine_options.threads > 1,
            is_multiprocess: options.get("multiprocess")?,
            errors,
            additions: options.get("environ")?,
        };
        let shared = Arc::new(Shared {
            call: call_of(&application)?,
            application: application.unbind(),
            report: report.unbind(),
            exception: exception.unbind(),
            context: raw::current_context(py)?.unbind(),
            environs: Environs::new(&places, &constants)?,
        });
        bound_heaps();
        let engine = Engine::new(Wsgi::new(shared.clone()), sockets, engine_options, access_log(&options)?)?;
        let log = Arc::downgrade(&engine);
        shared.environs.tell_by(Box::new(move |text| {
            if let Some(engine) = log.upgrade() {
                engine.log(Level::Warning, text);
            }
        }));
        Ok(Self { engine })
    }

    /// Body of one serving thread: returns when the thread retires or the server has stopped.
    fn serve(&self, py: Python<'_>) {
        py.detach(|| self.engine.serve());
    }

    /// Main thread: waits without the GIL for events, and lets handlers of pending signals run. Empty at the timeout.
    #[pyo3(signature = (timeout_s))]
    fn wait<'py>(&self, py: Python<'py>, timeout_s: Option<f64>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let timeout = match timeout_s {
            None => None,
            Some(seconds) => {
                let timeout = Duration::try_from_secs_f64(seconds.max(0.0));
                Some(timeout.map_err(|error| PyValueError::new_err(format!("timeout_s: {error}")))?)
            }
        };
        let events = py.detach(|| self.engine.wait(timeout));
        drop_released(py);
        if events.contains(&Event::Tidy) {
            py.detach(|| self.engine.tidy());
        }
        py.check_signals()?;
        events.into_iter().filter_map(|event| describe(py, event).transpose()).collect()
    }

    /// Descriptor for `signal.set_wakeup_fd`: TERM (15) starts the drain, INT (2) and QUIT (3) stop, without the GIL.
    fn signal_fd(&self) -> RawFd {
        self.engine.signal_writer().as_raw_fd()
    }

    /// After the drain delay: stop accepting, answer what is under way, close idle connections after the linger. With
    /// `is_replaced`, at once, and the readiness probe goes on saying yes: another process serves already. Idempotent.
    #[pyo3(signature = (*, is_replaced=false))]
    fn drain(&self, is_replaced: bool) {
        if is_replaced {
            self.engine.drain_replaced();
        } else {
            self.engine.drain();
        }
    }

    /// What became of the requests since TERM; `None` where none came.
    fn account<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.engine.account().map(|account| described(py, &account)).transpose()
    }

    /// Stop at once: connections are closed, serving threads return as soon as their application call ends.
    fn stop(&self) {
        self.engine.stop();
    }

    /// The access log goes on in the file behind `fd`, of which a copy is taken. Nothing happens without an access log.
    fn reopen_access_log(&self, fd: RawFd) -> PyResult<()> {
        if let Some(log) = self.engine.access_log() {
            log.reopen(borrow(fd)?.try_clone_to_owned()?);
        }
        Ok(())
    }

    /// Write out what the access log still holds, within a second. Idempotent; the last serving thread does it too.
    fn close_access_log(&self, py: Python<'_>) {
        py.detach(|| self.engine.close_access_log());
    }

    /// For `os.register_at_fork`, in the parent: connections are shut down before they are closed from now on, since a
    /// child's copy would keep the client from seeing the end.
    fn note_fork(&self) {
        self.engine.note_fork();
    }

    /// For `os.register_at_fork`, in the child: lets go of every descriptor that serves. A call that returns into the
    /// engine ends the child.
    fn forget_in_child(&self) {
        self.engine.forget_in_child();
    }

    /// The thread that was asked for could not be started; the engine asks again when it misses it.
    fn thread_failed(&self) {
        self.engine.thread_failed();
    }

    /// Serving threads that have entered and not left.
    fn threads(&self) -> u32 {
        self.engine.threads()
    }

    /// 'GET /path' of each request still inside the application.
    fn stuck(&self) -> Vec<String> {
        self.engine.stuck()
    }

    /// Counters since start.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        for (name, value) in self.engine.stats() {
            stats.set_item(name, value)?;
        }
        Ok(stats)
    }
}

fn engine_options(options: &Entries<'_, '_>) -> PyResult<Options> {
    let limits = Limits {
        request_line: options.get("limit_request_line")?,
        field: options.get("limit_request_field_size")?,
        fields: options.get("limit_request_fields")?,
        head: options.get("limit_head")?,
        body: match options.get("limit_body")? {
            0 => u64::MAX,
            bytes => bytes,
        },
        trailer_fields: options.get("limit_trailer_fields")?,
        trailers: options.get("limit_trailers")?,
        ..Limits::default()
    };
    let grace_ms = options.get("rate_grace_ms")?;
    Ok(Options {
        threads: options.get("threads")?,
        limits,
        server: options.get("server")?,
        first_byte_ms: options.get("first_byte_ms")?,
        head_ms: options.get("head_ms")?,
        keep_alive_ms: options.get("keep_alive_ms")?,
        body_pace: PaceRule { idle_ms: options.get("body_idle_ms")?, rate: options.get("body_rate")?, grace_ms },
        write_pace: PaceRule { idle_ms: options.get("write_idle_ms")?, rate: options.get("write_rate")?, grace_ms },
        linger_ms: options.get("linger_ms")?,
        discard_bytes: options.get("discard_bytes")?,
        trusted: Trusted::new(&options.get::<Vec<String>>("forwarded_allow_ips")?).map_err(|text| {
            PyValueError::new_err(format!("forwarded_allow_ips: {text:?} is no address and no network"))
        })?,
        ready_path: options.get("ready_path")?,
        max_requests: options.get("max_requests")?,
        drain_delay_ms: options.get("drain_delay_ms")?,
        drain_linger_ms: options.get("drain_linger_ms")?,
        body_buffer: options.get("body_buffer")?,
        chunked_memory: options.get("chunked_memory")?,
        spool_directory: options.get("spool_directory")?,
        spool_quota: options.get("spool_quota")?,
        held_memory: options.get("held_memory")?,
        output_buffer: options.get("output_buffer")?,
        queue: options.get("queue")?,
        queue_ms: options.get("queue_ms")?,
        connections: options.get("connections")?,
        waiting_threads: options.get("waiting_threads")?,
        vanished_ms: options.get("vanished_ms")?,
        tick_us: tick_us()?,
        ..Options::default()
    })
}

/// The scheduler's tick, multiplied by DRAGOMAN_TICK_SCALE where everything runs slower than it should (under valgrind).
fn tick_us() -> PyResult<u64> {
    let tick_us = Options::default().tick_us;
    match std::env::var("DRAGOMAN_TICK_SCALE") {
        Err(_) => Ok(tick_us),
        Ok(scale) => match scale.parse::<u64>() {
            Ok(scale @ 1..=10_000) => Ok(tick_us * scale),
            _ => Err(PyValueError::new_err(format!(
                "DRAGOMAN_TICK_SCALE {scale:?}: want a whole number from 1 to 10000"
            ))),
        },
    }
}

fn access_log(options: &Entries<'_, '_>) -> PyResult<Option<AccessLog>> {
    let descriptor: RawFd = options.get("access_log_fd")?;
    if descriptor < 0 {
        return Ok(None);
    }
    let format: String = options.get("access_log_format")?;
    let descriptor = borrow(descriptor)?.try_clone_to_owned()?;
    match AccessLog::new(descriptor, &format) {
        Ok(log) => Ok(Some(log)),
        Err(error) => Err(PyValueError::new_err(format!("access_log_format: {error}"))),
    }
}

/// A descriptor of the caller's, for the length of the constructor.
fn borrow<'a>(descriptor: RawFd) -> PyResult<BorrowedFd<'a>> {
    if descriptor < 0 {
        return Err(PyValueError::new_err(format!("{descriptor} is not a descriptor")));
    }
    // SAFETY: not negative; the caller keeps it open while it is duplicated, and one that is closed fails there.
    Ok(unsafe { BorrowedFd::borrow_raw(descriptor) })
}

fn describe(py: Python<'_>, event: Event) -> PyResult<Option<Bound<'_, PyDict>>> {
    let (kind, level, text) = match event {
        Event::Thread => ("thread", Level::Info, String::new()),
        Event::Log(level, text) => ("log", level, text),
        Event::Signal => ("signal", Level::Info, String::new()),
        Event::Limit => ("limit", Level::Info, String::new()),
        Event::Tidy => return Ok(None),
        Event::Drained(account) => ("drained", level_of(&account), account.to_string()),
    };
    let described = PyDict::new(py);
    described.set_item("kind", kind)?;
    described.set_item("level", level_name(level))?;
    described.set_item("text", text)?;
    Ok(Some(described))
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

/// Lost requests are something to look into.
fn level_of(account: &Account) -> Level {
    if account.dropped > 0 || account.cut > 0 { Level::Warning } else { Level::Info }
}

fn described<'py>(py: Python<'py>, account: &Account) -> PyResult<Bound<'py, PyDict>> {
    let described = PyDict::new(py);
    described.set_item("answered", account.answered)?;
    described.set_item("duration_ms", account.duration_ms)?;
    described.set_item("dropped", account.dropped)?;
    described.set_item("cut", account.cut)?;
    described.set_item("cut_requests", &account.cut_requests)?;
    described.set_item("closed_idle", account.closed_idle)?;
    described.set_item("level", level_name(level_of(account)))?;
    described.set_item("text", account.to_string())?;
    Ok(described)
}
