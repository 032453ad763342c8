//! `start_response` and the `write` that it returns: PEP 3333, "The start_response() Callable".

use crate::convert::short_text;
use crate::errors::Breach;
use crate::input::ClientDisconnected;
use crate::lease::{Lease, State};
use crate::raw::{self, Definition};
use dragoman_http1::{FieldError, FieldKind, ResponseHead};
use pyo3::exceptions::{PyBaseException, PySystemError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use std::panic::{AssertUnwindSafe, catch_unwind};

static START_RESPONSE: Definition = Definition::fast(
    c"start_response",
    c"start_response(status, headers, exc_info=None)\n--\n\nBegins the response; returns write(bytes). PEP 3333.",
    start_response,
);

static WRITE: Definition = Definition::one(
    c"write",
    c"write(data, /)\n--\n\nSends a block of the body. PEP 3333: new applications yield instead.",
    write,
    ffi::METH_O,
);

static EARLY_HINTS: Definition = Definition::one(
    c"early_hints",
    c"early_hints(headers, /)\n--\n\nSends 103 Early Hints with a list of (name, value). RFC 8297.",
    early_hints,
    ffi::METH_O,
);

static DISCONNECTED: Definition = Definition::one(
    c"disconnected",
    c"disconnected()\n--\n\nWhether the client has closed its side or is gone; true once the request is over.",
    disconnected,
    ffi::METH_NOARGS,
);

/// A lease and the functions that are bound to it.
pub struct Tools<'py> {
    /// The lease.
    pub lease: Bound<'py, Lease>,
    /// `start_response`.
    pub start_response: Bound<'py, PyAny>,
    /// What it returns.
    pub write: Bound<'py, PyAny>,
    /// `environ["wsgi.early_hints"]`.
    pub early_hints: Bound<'py, PyAny>,
    /// `environ["dragoman.disconnected"]`.
    pub disconnected: Bound<'py, PyAny>,
}

impl<'py> Tools<'py> {
    /// The functions for `lease`.
    pub fn new(lease: Bound<'py, Lease>) -> PyResult<Self> {
        Ok(Self {
            start_response: START_RESPONSE.bind(&lease)?,
            write: WRITE.bind(&lease)?,
            early_hints: EARLY_HINTS.bind(&lease)?,
            disconnected: DISCONNECTED.bind(&lease)?,
            lease,
        })
    }

    /// Which lease this is, among those that are alive.
    pub fn identity(&self) -> usize {
        self.lease.as_ptr() as usize
    }

    /// Whether nobody but the serving thread, and so many memos for the environ's functions, holds a reference.
    pub fn are_ours(&self, holders: isize) -> bool {
        let of_environ = [&self.early_hints, &self.disconnected];
        let of_call = [&self.start_response, &self.write];
        of_environ.iter().all(|function| raw::references(function) == 1 + holders)
            && of_call.iter().all(|function| raw::references(function) == 1)
            && raw::references(&self.lease) == 1 + (of_environ.len() + of_call.len()) as isize
    }
}

unsafe extern "C" fn start_response(
    lease: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: `lease` is what the definition was bound to.
    unsafe { enter(lease, |lease| start_response_with(lease, &Arguments { args, positional, keywords })) }
}

unsafe extern "C" fn write(lease: *mut ffi::PyObject, data: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above; `data` is the caller's argument.
    unsafe { enter(lease, |lease| write_block(lease, &Bound::from_borrowed_ptr(lease.py(), data))) }
}

unsafe extern "C" fn early_hints(lease: *mut ffi::PyObject, headers: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe { enter(lease, |lease| send_hints(lease, &Bound::from_borrowed_ptr(lease.py(), headers))) }
}

unsafe extern "C" fn disconnected(lease: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        enter(lease, |lease| {
            let is_gone = lease.get().turn(lease.py()).exchange().is_none_or(|exchange| exchange.is_disconnected());
            Ok(is_gone.into_pyobject(lease.py())?.to_owned().into_any())
        })
    }
}

/// Runs the body of a native function: no panic passes into C.
///
/// # Safety
/// Called by the interpreter for a function that is bound to a `Lease`.
unsafe fn enter(
    receiver: *mut ffi::PyObject,
    body: impl for<'py> FnOnce(Borrowed<'_, 'py, Lease>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls functions with the GIL held.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the receiver is a `Lease`, alive for the call.
    let lease = unsafe { Borrowed::from_ptr(py, receiver).cast_unchecked::<Lease>() };
    let error = match catch_unwind(AssertUnwindSafe(|| body(lease))) {
        Ok(Ok(result)) => return result.into_ptr(),
        Ok(Err(error)) => error,
        Err(_) => PySystemError::new_err("internal error of the server"),
    };
    error.restore(py);
    std::ptr::null_mut()
}

/// The arguments of a call as the interpreter hands them over.
struct Arguments {
    args: *const *mut ffi::PyObject,
    positional: isize,
    keywords: *mut ffi::PyObject,
}

impl Arguments {
    fn get<'py>(&self, py: Python<'py>, index: usize) -> Bound<'py, PyAny> {
        // SAFETY: the callers stay within the number of arguments, which the interpreter keeps alive for the call.
        unsafe { Bound::from_borrowed_ptr(py, *self.args.add(index)) }
    }

    /// (status, headers, exc_info). Only exc_info may be given by name, as the signature in PEP 3333 suggests.
    fn parse<'py>(&self, py: Python<'py>) -> Option<[Option<Bound<'py, PyAny>>; 3]> {
        let mut parsed = [None, None, None];
        if !matches!(self.positional, 2 | 3) {
            return None;
        }
        for (index, slot) in parsed.iter_mut().enumerate().take(self.positional as usize) {
            *slot = Some(self.get(py, index));
        }
        if !self.keywords.is_null() {
            // SAFETY: the names of the keyword arguments are a tuple of str.
            let names = unsafe { Bound::from_borrowed_ptr(py, self.keywords).cast_into_unchecked::<PyTuple>() };
            match names.as_slice() {
                [] => {}
                [name] if self.positional == 2 && name.cast::<PyString>().is_ok_and(|name| *name == "exc_info") => {
                    parsed[2] = Some(self.get(py, 2));
                }
                _ => return None,
            }
        }
        Some(parsed)
    }
}

impl Arguments {
    #[cold]
    fn describe(&self, py: Python<'_>) -> String {
        let mut text = format!("{} by position", self.positional);
        if !self.keywords.is_null() {
            // SAFETY: as in `parse`.
            let names = unsafe { Bound::from_borrowed_ptr(py, self.keywords).cast_into_unchecked::<PyTuple>() };
            for name in names.as_slice() {
                text.push_str(&format!(", {name}= by name"));
            }
        }
        text
    }
}

/// A breach found while a turn is held, when no Python code may run: turned into a `Breach` afterwards.
#[derive(Default)]
struct Fault<'py> {
    rule: &'static str,
    value: Option<Bound<'py, PyAny>>,
    index: Option<usize>,
    name: Option<Bound<'py, PyString>>,
}

impl<'py> Fault<'py> {
    fn of(rule: &'static str, value: &Bound<'py, PyAny>) -> Self {
        Self { rule, value: Some(value.clone()), ..Self::default() }
    }

    fn of_field(rule: &'static str, name: &Bound<'py, PyString>, value: &Bound<'py, PyAny>) -> Self {
        Self { name: Some(name.clone()), ..Self::of(rule, value) }
    }

    fn bare(rule: &'static str) -> Self {
        Self { rule, ..Self::default() }
    }

    fn into_breach(self, py: Python<'py>) -> Breach<'py> {
        let mut breach = Breach::of(py, self.rule).at_caller();
        if let Some(index) = self.index {
            breach = breach.with("index", index);
        }
        if let Some(name) = self.name {
            breach = breach.with("name", short_text(&name));
        }
        match self.value {
            Some(value) => breach.value(&value),
            None => breach,
        }
    }
}

fn start_response_with<'py>(lease: Borrowed<'_, 'py, Lease>, arguments: &Arguments) -> PyResult<Bound<'py, PyAny>> {
    let (py, lease) = (lease.py(), lease.get());
    let Some([Some(status), Some(headers), exc_info]) = arguments.parse(py) else {
        let given = arguments.describe(py);
        return Err(Breach::of(py, "start-response-arguments").with("value", given).at_caller().raise(lease));
    };
    let exception = match exc_info.filter(|exc_info| !exc_info.is_none()) {
        None => None,
        Some(triple) => match exception_of(&triple) {
            Some(exception) => Some((exception, triple)),
            None => return Err(Breach::of(py, "exc-info-not-triple").value(&triple).at_caller().raise(lease)),
        },
    };
    let begun = begin(&mut lease.turn(py), py, &status, &headers, exception.is_some());
    match begun {
        Ok(Begun { write, dropped }) => {
            for fault in dropped {
                fault.into_breach(py).report(lease);
            }
            Ok(write)
        }
        Err(Fault { rule: "start-response-late", .. }) => {
            let Some((exception, triple)) = exception else { return Err(PyErr::fetch(py)) };
            Breach::of(py, "start-response-late").value(&exception).at_caller().report(lease);
            let traceback = triple.get_item(2)?;
            Err(PyErr::from_value(exception.call_method1("with_traceback", (traceback,))?))
        }
        Err(fault) => Err(fault.into_breach(py).raise(lease)),
    }
}

/// The exception of a `sys.exc_info()` triple.
fn exception_of<'py>(triple: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    match triple.cast::<PyTuple>().ok()?.as_slice() {
        [_, exception, _] if exception.cast::<PyBaseException>().is_ok() => Some(exception.clone()),
        _ => None,
    }
}

/// What a successful `start_response` leaves.
struct Begun<'py> {
    write: Bound<'py, PyAny>,
    dropped: Vec<Fault<'py>>,
}

/// Checks status and headers and writes them to the head, replacing an earlier one.
fn begin<'py>(
    state: &mut State,
    py: Python<'py>,
    status: &Bound<'py, PyAny>,
    headers: &Bound<'py, PyAny>,
    has_exception: bool,
) -> Result<Begun<'py>, Fault<'py>> {
    if has_exception && (state.is_ended || state.is_head_sent()) {
        return Err(Fault::bare("start-response-late"));
    }
    if !has_exception && (state.is_ended || state.is_called) {
        return Err(Fault::of("start-response-twice", status));
    }
    let Some(write) = state.write(py) else { return Err(Fault::of("start-response-twice", status)) };
    // PEP 3333: a further call without exc_info is fatal also when this one raises.
    state.is_called = true;
    match fill(&mut state.head, status, headers) {
        Ok(dropped) => Ok(Begun { write, dropped }),
        Err(fault) => {
            state.head.clear();
            Err(fault)
        }
    }
}

fn fill<'py>(
    head: &mut ResponseHead,
    status: &Bound<'py, PyAny>,
    headers: &Bound<'py, PyAny>,
) -> Result<Vec<Fault<'py>>, Fault<'py>> {
    let status_text = status.cast::<PyString>().map_err(|_| Fault::of("status-not-str", status))?;
    let status_bytes = raw::latin1_bytes(status_text).ok_or_else(|| Fault::of("status-malformed", status))?;
    head.start(status_bytes).map_err(|error| match error {
        dragoman_http1::StatusError::Informational => Fault::of("status-informational", status),
        _ => Fault::of("status-malformed", status),
    })?;
    let mut dropped = Vec::new();
    each_field(headers, |name, value| match head.field(latin1_name(name)?, latin1_value(name, value)?) {
        Ok(FieldKind::Written) => Ok(()),
        Ok(FieldKind::HopByHop) => {
            dropped.push(Fault::of_field("header-hop-by-hop", name, value));
            Ok(())
        }
        Err(error) => Err(fault_of(error, name, value)),
    })?;
    Ok(dropped)
}

/// Goes through a list of (name, value) tuples of `str`, and says which item is none.
fn each_field<'py>(
    headers: &Bound<'py, PyAny>,
    mut field: impl FnMut(&Bound<'py, PyString>, &Bound<'py, PyString>) -> Result<(), Fault<'py>>,
) -> Result<(), Fault<'py>> {
    let list = headers.cast::<PyList>().map_err(|_| Fault::of("headers-not-list", headers))?;
    for (index, item) in list.iter().enumerate() {
        let checked = match item.cast::<PyTuple>().map(|pair| pair.as_slice()) {
            Ok([name, value]) => match (name.cast::<PyString>(), value.cast::<PyString>()) {
                (Ok(name), Ok(value)) => field(name, value),
                (Err(_), _) => Err(Fault::of("header-name-type", name)),
                (Ok(name), Err(_)) => Err(Fault::of_field("header-value-type", name, value)),
            },
            _ => Err(Fault::of("headers-item", &item)),
        };
        checked.map_err(|fault| Fault { index: Some(index), ..fault })?;
    }
    Ok(())
}

fn latin1_name<'a, 'py>(name: &'a Bound<'py, PyString>) -> Result<&'a [u8], Fault<'py>> {
    raw::latin1_bytes(name).ok_or_else(|| Fault::of_field("header-not-latin1", name, name))
}

fn latin1_value<'a, 'py>(name: &Bound<'py, PyString>, value: &'a Bound<'py, PyString>) -> Result<&'a [u8], Fault<'py>> {
    raw::latin1_bytes(value).ok_or_else(|| Fault::of_field("header-not-latin1", name, value))
}

#[cold]
fn fault_of<'py>(error: FieldError, name: &Bound<'py, PyString>, value: &Bound<'py, PyString>) -> Fault<'py> {
    let is_control = |character: char| character.is_ascii_control();
    match error {
        FieldError::NameMalformed => Fault::of_field("header-name-malformed", name, name),
        // The one of the two that is to blame.
        FieldError::Injection | FieldError::Control(_) if name.to_string_lossy().contains(is_control) => {
            Fault::of_field("header-injection", name, name)
        }
        FieldError::Injection | FieldError::Control(_) => Fault::of_field("header-injection", name, value),
        FieldError::ContentLength => Fault::of_field("header-duplicate-length", name, value),
    }
}

fn write_block<'py>(lease: Borrowed<'_, 'py, Lease>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (py, lease) = (lease.py(), lease.get());
    let Ok(bytes) = data.cast::<PyBytes>() else {
        return Err(Breach::of(py, "write-not-bytes").value(data).at_caller().raise(lease));
    };
    let mut turn = lease.turn(py);
    let broken = if turn.is_ended {
        Some("write-after-end")
    } else if !turn.head.is_started() {
        Some("start-response-missing")
    } else {
        None
    };
    if let Some(rule) = broken {
        drop(turn);
        return Err(Breach::of(py, rule).value(data).at_caller().raise(lease));
    }
    if !bytes.as_bytes().is_empty() {
        let sent = turn.send(bytes, None);
        let is_flushed = turn.flush(py).is_ok();
        drop(turn);
        crate::body::report_unsent(lease, sent, data, None, |breach| breach.at_caller());
        if !is_flushed {
            return Err(ClientDisconnected::new_err("the client is gone"));
        }
    }
    Ok(py.None().into_bound(py))
}

fn send_hints<'py>(lease: Borrowed<'_, 'py, Lease>, headers: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (py, lease) = (lease.py(), lease.get());
    let (mut checked, mut fields, mut dropped) = (ResponseHead::new(), Vec::new(), Vec::new());
    // Any final status will do: only the fields are of use.
    let _ = checked.start(b"200 OK");
    let outcome = each_field(headers, |name, value| {
        let (name_bytes, value_bytes) = (latin1_name(name)?, latin1_value(name, value)?);
        match checked.field(name_bytes, value_bytes) {
            Ok(FieldKind::Written) => {
                for part in [name_bytes, b": ", value_bytes, b"\r\n"] {
                    fields.extend_from_slice(part);
                }
            }
            Ok(FieldKind::HopByHop) => dropped.push(Fault::of_field("header-hop-by-hop", name, value)),
            Err(error) => return Err(fault_of(error, name, value)),
        }
        Ok(())
    });
    if let Err(fault) = outcome {
        return Err(fault.into_breach(py).raise(lease));
    }
    for fault in dropped {
        fault.into_breach(py).report(lease);
    }
    if let Some(exchange) = lease.turn(py).exchange() {
        // Advice only: that the client is gone shows where it matters.
        let _ = exchange.send_interim(103, &fields);
    }
    Ok(py.None().into_bound(py))
}
