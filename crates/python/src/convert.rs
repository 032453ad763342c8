//! Python values in and out of the gateway's own types, off the hot path.

use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// The entries of a dict that must all be there (a `TypedDict`).
pub struct Entries<'a, 'py>(pub &'a Bound<'py, PyDict>);

impl<'py> Entries<'_, 'py> {
    /// The entry `name` as a `T`; the error names it.
    pub fn get<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<T> {
        let Some(entry) = self.0.get_item(name)? else { return Err(PyKeyError::new_err(name.to_owned())) };
        entry.extract::<T>().map_err(|error| PyValueError::new_err(format!("{name}: {}", error.into())))
    }
}

/// The repr of `value`, cut to a length that fits a line of a report. Never raises.
pub fn short_repr<'py>(value: &Bound<'py, PyAny>) -> Bound<'py, PyString> {
    let text = reprlib(value.py()).and_then(|repr| repr.call_method1("repr", (value,))).and_then(|text| text.str());
    match text {
        Ok(text) => short_text(&text),
        Err(error) => {
            // PyO3 counts this thread as attached here, so that the exception and its frames do not outlive the request.
            Python::attach(|_| drop(error));
            PyString::new(value.py(), &format!("<{} without a repr>", type_name(value)))
        }
    }
}

/// `text`, cut to a length that fits a line of a report.
pub fn short_text<'py>(text: &Bound<'py, PyString>) -> Bound<'py, PyString> {
    const CHARACTERS: usize = 100;
    let text_bytes = text.to_string_lossy();
    match text_bytes.char_indices().nth(CHARACTERS) {
        Some((end, _)) => PyString::new(text.py(), &format!("{}…", &text_bytes[..end])),
        None => text.clone(),
    }
}

/// A `reprlib.Repr`, which looks at no more of a large value than it shows.
fn reprlib(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let repr = py.import("reprlib")?.call_method0("Repr")?;
    for limit in ["maxstring", "maxother", "maxlong"] {
        repr.setattr(limit, 80)?;
    }
    Ok(repr)
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string_lossy().into_owned())
}
