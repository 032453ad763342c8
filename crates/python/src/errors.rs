//! The contract rules that are checked natively, and the reports about breaches and exceptions of the application.

use crate::convert::short_repr;
use crate::input::ClientDisconnected;
use crate::lease::Lease;
use crate::raw;
use dragoman_engine::Refusal;
use pyo3::exceptions::PyAssertionError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// (id, what must hold). The sentence is the text of the `AssertionError` where the rule is raised.
pub const RULES: [(&str, &str); 28] = [
    ("start-response-missing", "start_response must be called before the first block of the body"),
    ("start-response-twice", "start_response may be called again only with exc_info"),
    ("start-response-late", "the head is sent already, so that exc_info is raised again"),
    ("start-response-arguments", "start_response takes (status, headers, exc_info=None), by position"),
    ("status-not-str", "the status must be a str such as '200 OK'"),
    ("status-malformed", "the status must be three digits, one blank and a reason without control characters"),
    ("status-informational", "a 1xx status cannot be the final one"),
    ("headers-not-list", "the headers must be a list of (name, value) tuples"),
    ("headers-item", "each item of the headers must be a tuple (name, value)"),
    ("header-name-type", "a header name must be a str"),
    ("header-value-type", "a header value must be a str"),
    ("header-name-malformed", "a header name must be a token, without colon and blanks"),
    ("header-injection", "a header must not hold CR, LF, NUL or other control characters"),
    ("header-not-latin1", "a header must not hold a character above U+00FF"),
    ("header-hop-by-hop", "this header is the server's to set"),
    ("header-duplicate-length", "Content-Length must be one whole number, given once"),
    ("body-not-iterable", "the application must return an iterable of bytes"),
    ("body-is-str", "the application must return an iterable of bytes, not a str"),
    ("body-not-bytes", "each block of the body must be bytes"),
    ("body-too-long", "the body must not be longer than its Content-Length"),
    ("body-too-short", "the body must not be shorter than its Content-Length"),
    ("body-on-no-content", "a response of this status has no body"),
    ("write-after-end", "write() may not be called after the request has ended"),
    ("write-not-bytes", "write() takes bytes"),
    ("exc-info-not-triple", "exc_info must be the triple of sys.exc_info() inside an except block"),
    ("close-raised", "close() must not raise"),
    ("app-is-coroutine", "a WSGI application must return an iterable, not a coroutine"),
    ("exception-after-start", "an exception after the head was sent cuts the response"),
];

/// What the text of an `AssertionError` about a rule begins with.
const RAISED: &str = "contract: ";

/// A rule that the application has broken, with the facts by which it is explained.
pub struct Breach<'py> {
    rule: &'static str,
    /// The text of the `AssertionError`, where the breach is raised.
    sentence: &'static str,
    facts: Bound<'py, PyDict>,
}

impl<'py> Breach<'py> {
    /// A breach of `rule`, without facts yet.
    #[cold]
    pub fn of(py: Python<'py>, rule: &'static str) -> Self {
        let sentence = RULES.iter().find(|(id, _)| *id == rule).map_or("", |(_, sentence)| *sentence);
        debug_assert!(!sentence.is_empty());
        let facts = PyDict::new(py);
        for name in ["value", "index", "where"] {
            // Fails only without memory; the report then lacks a key, which its reader allows.
            let _ = facts.set_item(name, py.None());
        }
        Self { rule, sentence, facts }
    }

    /// Adds the fact `name`.
    pub fn with(self, name: &str, fact: impl IntoPyObject<'py>) -> Self {
        let _ = self.facts.set_item(name, fact);
        self
    }

    /// The offending object: its shortened repr and its type.
    pub fn value(self, value: &Bound<'py, PyAny>) -> Self {
        let class = value.get_type().name().ok();
        self.with("value", short_repr(value)).with("got_type", class)
    }

    /// `start_response` was called when its request had ended, be it for the first time.
    pub fn after_end(self) -> Self {
        let late = Self { sentence: "start_response was called after the request had ended", ..self };
        late.with("after_end", "after the request had ended")
    }

    /// Where the Python code stands that is running now: the caller of a native function.
    pub fn at_caller(self) -> Self {
        let place = frame_place(self.facts.py());
        self.with("where", place)
    }

    /// Where `function` is defined; for a suspended generator the line where it stands.
    pub fn at(self, function: &Bound<'py, PyAny>) -> Self {
        let place = object_place(function);
        self.with("where", place)
    }

    /// Where `exception` was raised.
    pub fn at_raise(self, exception: &Bound<'py, PyAny>) -> Self {
        let place = traceback_place(exception).ok();
        self.with("where", place)
    }

    /// Gives the report out. Not while a turn is held: the callback is Python code.
    pub fn report(self, lease: &Lease) {
        let py = self.facts.py();
        {
            let turn = lease.turn(py);
            let (method, target) = turn.request_line();
            let _ = self.facts.set_item("method", raw::latin1(py, method).ok());
            let _ = self.facts.set_item("path", raw::latin1(py, target).ok());
            let _ = self.facts.set_item("started", turn.is_head_sent());
        }
        let shared = lease.shared();
        let _ = self.facts.set_item("application", &shared.application);
        let kept = PyErr::take(py);
        if let Err(error) = shared.report.bind(py).call1((self.rule, &self.facts)) {
            error.write_unraisable(py, Some(shared.report.bind(py)));
        }
        if let Some(error) = kept {
            error.restore(py);
        }
    }

    /// Gives the report out, and is the `AssertionError` for the caller.
    pub fn raise(self, lease: &Lease) -> PyErr {
        let mut text = format!("{RAISED}{}: {}", self.rule, self.sentence);
        if let Ok(Some(name)) = self.facts.get_item("name") {
            // Escaped, since it may hold what must not reach a log.
            text.push_str(&format!(" (header {:?})", name.to_string()));
        } else if let Ok(Some(value)) = self.facts.get_item("value")
            && !value.is_none()
        {
            // Of a header only the report says the value, which masks credentials: tracebacks go to more places.
            text.push_str(&format!(", got {value}"));
        }
        self.report(lease);
        PyAssertionError::new_err(text)
    }
}

/// Answers for an exception that the application raised: a 500 where the head can still be replaced, else the
/// connection is cut. A client that is gone is not the application's fault and no traceback.
#[cold]
pub fn application_failed(lease: &Lease, environ: &Bound<'_, PyDict>, error: PyErr) {
    // Attached in PyO3's own count, so that the exception and all that hangs on it is dropped here and now.
    Python::attach(|py| {
        let is_gone = error.is_instance_of::<ClientDisconnected>(py);
        let exception = error.into_value(py).into_bound(py).into_any();
        let (is_head_sent, timed_out) = {
            let turn = lease.turn(py);
            (turn.is_head_sent(), turn.timed_out)
        };
        if !is_gone {
            let callback = lease.shared().exception.bind(py);
            if let Err(failure) = callback.call1((environ, &exception)) {
                failure.write_unraisable(py, Some(callback));
            }
            if is_head_sent && !is_of_a_breach(&exception) {
                let breach = Breach::of(py, "exception-after-start").with("exception", &exception);
                breach.value(&exception).at_raise(&exception).report(lease);
            }
        }
        let mut turn = lease.turn(py);
        match (turn.exchange(), timed_out) {
            (Some(exchange), Some(Refusal { status, code, text })) if is_gone => exchange.refuse(status, code, text),
            (Some(exchange), _) if is_gone => exchange.abort(),
            (Some(exchange), _) => exchange.refuse(500, "application-error", "The application failed."),
            (None, _) => {}
        }
    });
}

/// Whether the exception is what `Breach::raise` has made, so that its rule is told of already.
#[cold]
fn is_of_a_breach(exception: &Bound<'_, PyAny>) -> bool {
    exception.is_exact_instance_of::<PyAssertionError>()
        && exception.str().is_ok_and(|text| text.to_string_lossy().starts_with(RAISED))
}

/// Answers for a breach after which nothing of the application's can be sent.
#[cold]
pub fn application_refused(lease: &Lease, breach: Breach<'_>) {
    Python::attach(|py| {
        breach.report(lease);
        if let Some(exchange) = lease.turn(py).exchange() {
            exchange.refuse(500, "application-error", "The application failed.");
        }
    });
}

/// A place in Python code: (filename, line number, qualified name).
type Place<'py> = Bound<'py, PyTuple>;

fn frame_place(py: Python<'_>) -> Option<Place<'_>> {
    let frame = py.import("sys").ok()?.call_method0("_getframe").ok()?;
    let code = frame.getattr("f_code").ok()?;
    place(&code, &frame.getattr("f_lineno").ok()?).ok()
}

fn object_place<'py>(object: &Bound<'py, PyAny>) -> Option<Place<'py>> {
    let attribute = |of: &Bound<'py, PyAny>, name: &str| of.getattr_opt(name).ok().flatten();
    if let Some(code) = attribute(object, "gi_code") {
        let frame = attribute(object, "gi_frame").filter(|frame| !frame.is_none());
        let line = match frame {
            Some(frame) => frame.getattr("f_lineno").ok()?,
            None => code.getattr("co_firstlineno").ok()?,
        };
        return place(&code, &line).ok();
    }
    let function = attribute(object, "func").unwrap_or_else(|| object.clone());
    let code = attribute(&function, "__code__").or_else(|| {
        let call = function.get_type().getattr_opt("__call__").ok().flatten()?;
        attribute(&call, "__code__")
    })?;
    place(&code, &code.getattr("co_firstlineno").ok()?).ok()
}

fn traceback_place<'py>(exception: &Bound<'py, PyAny>) -> PyResult<Place<'py>> {
    let mut traceback = exception.getattr("__traceback__")?;
    loop {
        let next = traceback.getattr("tb_next")?;
        if next.is_none() {
            break;
        }
        traceback = next;
    }
    place(&traceback.getattr("tb_frame")?.getattr("f_code")?, &traceback.getattr("tb_lineno")?)
}

fn place<'py>(code: &Bound<'py, PyAny>, line: &Bound<'py, PyAny>) -> PyResult<Place<'py>> {
    let py = code.py();
    // co_qualname is there from Python 3.11 on.
    let name = match code.getattr_opt(intern!(py, "co_qualname"))? {
        Some(name) => name,
        None => code.getattr("co_name")?,
    };
    let filename: Bound<'py, PyString> = code.getattr("co_filename")?.str()?;
    PyTuple::new(py, [filename.as_any(), line, &name])
}
