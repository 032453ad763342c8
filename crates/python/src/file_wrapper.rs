//! `wsgi.file_wrapper`: PEP 3333, "Optional Platform-Specific File Handling".

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// An iterable over the blocks of a file; a regular file leaves by sendfile when the application returns it as it is.
/// `filelike` and `blksize` are the names that wsgiref's has; weak references let a checker see that it was dropped.
#[pyclass(frozen, weakref, module = "dragoman._native")]
pub struct FileWrapper {
    file: Py<PyAny>,
    block_size: usize,
}

/// What `read` is asked for when the application names no size.
const BLOCK_SIZE: usize = 64 * 1024;

#[pymethods]
impl FileWrapper {
    /// Wraps anything with `read(size)`.
    #[new]
    #[pyo3(signature = (file, block_size = BLOCK_SIZE, /))]
    fn new(file: Py<PyAny>, block_size: usize) -> PyResult<Self> {
        if block_size == 0 {
            return Err(PyValueError::new_err("block_size must be at least 1"));
        }
        Ok(Self { file, block_size })
    }

    #[getter]
    fn filelike(&self, py: Python<'_>) -> Py<PyAny> {
        self.file.clone_ref(py)
    }

    #[getter]
    fn blksize(&self) -> usize {
        self.block_size
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    /// The next block; none when `read` gives an empty one.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.file.bind(py).call_method1(intern!(py, "read"), (self.block_size,))?;
        let is_end = match block.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().is_empty(),
            Err(_) => !block.is_truthy()?,
        };
        Ok((!is_end).then_some(block))
    }

    /// Closes the file, where it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.file.bind(py).getattr_opt(intern!(py, "close"))? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

/// A range of a regular file, with a descriptor of its own: it outlives the application's `close()`.
pub struct Sendable {
    /// The engine's own descriptor.
    pub descriptor: OwnedFd,
    /// Where the rest of the file starts.
    pub offset: u64,
    /// Its length.
    pub len: u64,
}

/// The rest of the wrapped file, if reading it can mean nothing but the bytes of its descriptor.
///
/// A `fileno()` alone proves nothing: `GzipFile` has one, and a buffer moves the descriptor's own offset. So the types
/// are compared exactly, and the offset is `tell()`'s. `None`: to be read block by block.
pub fn sendable(wrapper: &Bound<'_, FileWrapper>) -> Option<Sendable> {
    // Whatever is wrong with the file shows again when it is read.
    examine(wrapper).ok().flatten()
}

fn examine(wrapper: &Bound<'_, FileWrapper>) -> PyResult<Option<Sendable>> {
    let py = wrapper.py();
    let mut file = wrapper.get().file.bind(py).clone();
    let class = |module: &str, name: &str| -> PyResult<Bound<'_, PyType>> {
        Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?)
    };
    if file.get_type().is(&class("tempfile", "_TemporaryFileWrapper")?) {
        file = file.getattr(intern!(py, "file"))?;
    }
    let (raw_class, kind) = (class("io", "FileIO")?, file.get_type());
    let is_random = kind.is(&class("io", "BufferedRandom")?);
    let is_file = if is_random || kind.is(&class("io", "BufferedReader")?) {
        file.getattr("raw")?.get_type().is(&raw_class)
    } else {
        kind.is(&raw_class)
    };
    // The instance may carry a `read` of its own, and then only that one knows what it gives.
    let has_own_read = |object: &Bound<'_, PyAny>| -> PyResult<bool> {
        match object.getattr_opt(intern!(py, "__dict__"))? {
            Some(attributes) => {
                Ok(attributes.cast::<PyDict>().is_ok_and(|names| names.contains("read").unwrap_or(true)))
            }
            None => Ok(false),
        }
    };
    if !is_file || has_own_read(&file)? || file.getattr("closed")?.is_truthy()? || !readable(&file)? {
        return Ok(None);
    }
    if is_random {
        file.call_method0("flush")?;
    }
    let offset: u64 = file.call_method0("tell")?.extract()?;
    let number: RawFd = file.call_method0("fileno")?.extract()?;
    // SAFETY: `file` is open and owns the descriptor, for as long as it takes to duplicate it.
    let file = File::from(unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()?);
    let metadata = file.metadata()?;
    let len = metadata.len().saturating_sub(offset);
    Ok(metadata.is_file().then(|| Sendable { descriptor: file.into(), offset, len }))
}

fn readable(file: &Bound<'_, PyAny>) -> PyResult<bool> {
    file.call_method0("readable")?.is_truthy()
}
