//! `wsgi.input` of a request without a body. It has no state, so that all requests share one.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// A binary file that is at its end for ever.
#[pyclass(frozen, module = "dragoman._native")]
pub struct EmptyInput;

#[pymethods]
impl EmptyInput {
    /// Nothing.
    #[pyo3(signature = (_size = None, /))]
    fn read<'py>(&self, py: Python<'py>, _size: Option<i64>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, b"")
    }

    /// Nothing.
    #[pyo3(signature = (_size = None, /))]
    fn read1<'py>(&self, py: Python<'py>, _size: Option<i64>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, b"")
    }

    /// Nothing.
    #[pyo3(signature = (_size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, _size: Option<i64>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, b"")
    }

    /// No lines.
    #[pyo3(signature = (_hint = None, /))]
    fn readlines<'py>(&self, py: Python<'py>, _hint: Option<i64>) -> Bound<'py, PyList> {
        PyList::empty(py)
    }

    /// Fills nothing.
    fn readinto(&self, _buffer: PyBuffer<u8>) -> usize {
        0
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    /// There is one place only.
    #[pyo3(signature = (_offset, _whence = 0, /))]
    fn seek(&self, _offset: i64, _whence: i32) -> u64 {
        0
    }

    /// The one place.
    fn tell(&self) -> u64 {
        0
    }

    /// Always.
    fn seekable(&self) -> bool {
        true
    }

    /// Always.
    fn readable(&self) -> bool {
        true
    }

    /// Never.
    fn writable(&self) -> bool {
        false
    }

    /// Nothing to do.
    fn flush(&self) {}

    /// Has no effect: the object belongs to all requests.
    fn close(&self) {}

    /// Never.
    #[getter]
    fn closed(&self) -> bool {
        false
    }
}
