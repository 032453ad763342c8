//! The environ that the requests of one listener start from: all that is the same for each of them.

use crate::empty_input::EmptyInput;
use crate::file_wrapper::FileWrapper;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

/// One listening socket, as the environ names it.
pub struct Place {
    /// It is a unix socket: the name comes from Host.
    pub is_unix: bool,
    /// SERVER_NAME.
    pub server_name: String,
    /// SERVER_PORT.
    pub server_port: String,
}

/// What is the same for all requests.
pub struct Constants<'py> {
    /// `--root-path`: SCRIPT_NAME of the paths under it.
    pub root_path: String,
    /// SERVER_SOFTWARE.
    pub software: String,
    /// More than one application call at once in this process.
    pub is_multithread: bool,
    /// The application runs in other processes as well.
    pub is_multiprocess: bool,
    /// `wsgi.errors`.
    pub errors: Bound<'py, PyAny>,
    /// `--env`: additions, which win over the other constants.
    pub additions: Bound<'py, PyDict>,
}

/// The environ of one listener, copied for each request.
pub struct Template {
    /// All keys that every request has, with a placeholder where the value is the request's own.
    pub environ: Py<PyDict>,
    /// The listener is a unix socket.
    pub is_unix: bool,
}

impl Template {
    /// All keys that every request has, so that setting them in a copy never makes it grow.
    pub fn new(place: &Place, constants: &Constants<'_>) -> PyResult<Self> {
        let py = constants.errors.py();
        let environ = PyDict::new(py);
        let set = |name: &str, value: &Bound<'_, PyAny>| environ.set_item(PyString::intern(py, name), value);
        let set_text = |name: &str, value: &str| set(name, PyString::intern(py, value).as_any());
        set_text("GATEWAY_INTERFACE", "CGI/1.1")?;
        set_text("SERVER_SOFTWARE", if constants.software.is_empty() { "dragoman" } else { &constants.software })?;
        // Without a Host field even a unix socket needs a name: PEP 3333 wants it never empty.
        set_text("SERVER_NAME", if place.server_name.is_empty() { "localhost" } else { &place.server_name })?;
        set_text("SERVER_PORT", if place.server_port.is_empty() { "80" } else { &place.server_port })?;
        set_text("wsgi.url_scheme", "http")?;
        set("wsgi.version", (1, 0).into_pyobject(py)?.as_any())?;
        set("wsgi.errors", &constants.errors)?;
        set("wsgi.input", Bound::new(py, EmptyInput)?.as_any())?;
        set("wsgi.file_wrapper", py.get_type::<FileWrapper>().as_any())?;
        set("wsgi.multithread", &PyBool::new(py, constants.is_multithread))?;
        set("wsgi.multiprocess", &PyBool::new(py, constants.is_multiprocess))?;
        set("wsgi.run_once", &PyBool::new(py, false))?;
        // No input reads past the end of the body, so that nobody needs to count.
        set("wsgi.input_terminated", &PyBool::new(py, true))?;
        environ.update(constants.additions.as_mapping())?;
        set_text("SERVER_PROTOCOL", "HTTP/1.1")?;
        for name in
            ["REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_URI", "REMOTE_ADDR"]
        {
            set_text(name, "")?;
        }
        if !place.is_unix {
            set_text("REMOTE_PORT", "")?;
        }
        for name in ["wsgi.early_hints", "dragoman.disconnected"] {
            set(name, py.None().bind(py))?;
        }
        Ok(Self { environ: environ.unbind(), is_unix: place.is_unix })
    }
}
