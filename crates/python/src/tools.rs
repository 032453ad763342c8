//! The functions that reach a request through its lease: what `start_response`, `write` and the environ's are made of.

use crate::lease::Lease;
use crate::raw::{self, Definition};
use crate::start_response::{Arguments, start_response_with};
use crate::write::{send_hints, write_block};
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
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
    unsafe { enter(lease, |lease| start_response_with(lease, &Arguments::new(args, positional, keywords))) }
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
