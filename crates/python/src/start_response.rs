//! `start_response` and the `write` that it returns: PEP 3333, "The start_response() Callable".

use crate::convert::short_text;
use crate::errors::Breach;
use crate::lease::{Lease, State};
use crate::raw;
use dragoman_http1::{FieldError, FieldKind, ResponseHead};
use pyo3::exceptions::PyBaseException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

/// The arguments of a call as the interpreter hands them over.
pub struct Arguments {
    args: *const *mut ffi::PyObject,
    positional: isize,
    keywords: *mut ffi::PyObject,
}

impl Arguments {
    /// `positional` arguments at `args`, followed by those that `keywords` (null or a tuple) names.
    ///
    /// # Safety
    /// As the interpreter calls a function of the fast convention; not used after the call.
    pub unsafe fn new(args: *const *mut ffi::PyObject, positional: isize, keywords: *mut ffi::PyObject) -> Self {
        Self { args, positional, keywords }
    }

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
pub struct Fault<'py> {
    rule: &'static str,
    value: Option<Bound<'py, PyAny>>,
    index: Option<usize>,
    name: Option<Bound<'py, PyString>>,
    /// The call came when its request had ended.
    is_after_end: bool,
}

impl<'py> Fault<'py> {
    #[cold]
    fn of(rule: &'static str, value: &Bound<'py, PyAny>) -> Box<Self> {
        Box::new(Self { rule, value: Some(value.clone()), ..Self::default() })
    }

    /// A field that broke `rule`; `value` is what is to blame.
    #[cold]
    pub fn of_field(rule: &'static str, name: &Bound<'py, PyString>, value: &Bound<'py, PyAny>) -> Box<Self> {
        let mut fault = Self::of(rule, value);
        fault.name = Some(name.clone());
        fault
    }

    #[cold]
    fn bare(rule: &'static str) -> Box<Self> {
        Box::new(Self { rule, ..Self::default() })
    }

    /// The breach, now that Python code may run.
    pub fn into_breach(self, py: Python<'py>) -> Breach<'py> {
        let mut breach = Breach::of(py, self.rule).at_caller();
        if let Some(index) = self.index {
            breach = breach.with("index", index);
        }
        if let Some(name) = self.name {
            breach = breach.with("name", short_text(&name));
        }
        if self.is_after_end {
            breach = breach.after_end();
        }
        match self.value {
            Some(value) => breach.value(&value),
            None => breach,
        }
    }
}

/// What a check gives. A fault is large and rare: it is kept out of the registers of those that find none.
pub type Checked<'py, T> = Result<T, Box<Fault<'py>>>;

/// The callable's body: checks and keeps the head, gives `write`.
pub fn start_response_with<'py>(lease: Borrowed<'_, 'py, Lease>, arguments: &Arguments) -> PyResult<Bound<'py, PyAny>> {
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
        Err(fault) if fault.rule == "start-response-late" => {
            let Some((exception, triple)) = exception else { return Err(PyErr::fetch(py)) };
            let breach = Breach::of(py, "start-response-late").value(&exception).with("exception", &exception);
            breach.at_caller().report(lease);
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
) -> Checked<'py, Begun<'py>> {
    if has_exception && (state.is_ended || state.is_head_sent()) {
        return Err(Fault::bare("start-response-late"));
    }
    let write = state.write(py).filter(|_| !state.is_ended);
    let Some(write) = write else {
        // Perhaps the first call of all, so that "again" would be untrue.
        let mut fault = Fault::of("start-response-twice", status);
        fault.is_after_end = true;
        return Err(fault);
    };
    if !has_exception && state.is_called {
        return Err(Fault::of("start-response-twice", status));
    }
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
) -> Checked<'py, Vec<Fault<'py>>> {
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
            dropped.push(*Fault::of_field("header-hop-by-hop", name, value));
            Ok(())
        }
        Err(error) => Err(fault_of(error, name, value)),
    })?;
    Ok(dropped)
}

/// Goes through a list of (name, value) tuples of `str`, and says which item is none.
pub fn each_field<'py>(
    headers: &Bound<'py, PyAny>,
    mut field: impl FnMut(&Bound<'py, PyString>, &Bound<'py, PyString>) -> Checked<'py, ()>,
) -> Checked<'py, ()> {
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
        if let Err(mut fault) = checked {
            fault.index = Some(index);
            return Err(fault);
        }
    }
    Ok(())
}

/// The bytes of a field's name.
pub fn latin1_name<'a, 'py>(name: &'a Bound<'py, PyString>) -> Checked<'py, &'a [u8]> {
    raw::latin1_bytes(name).ok_or_else(|| Fault::of_field("header-not-latin1", name, name))
}

/// The bytes of a field's value.
pub fn latin1_value<'a, 'py>(name: &Bound<'py, PyString>, value: &'a Bound<'py, PyString>) -> Checked<'py, &'a [u8]> {
    raw::latin1_bytes(value).ok_or_else(|| Fault::of_field("header-not-latin1", name, value))
}

/// The rule that a field broke.
#[cold]
pub fn fault_of<'py>(error: FieldError, name: &Bound<'py, PyString>, value: &Bound<'py, PyString>) -> Box<Fault<'py>> {
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
