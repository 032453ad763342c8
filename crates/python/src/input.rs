//! `wsgi.input`: empty, in memory, in a file, or read from the connection as the application asks for it.

use crate::gil::Gil;
use crate::lease::Lease;
use crate::raw;
use dragoman_engine::{BodyError, RequestBody, Room, SpoolFile};
use pyo3::buffer::PyBuffer;
use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

create_exception!(
    dragoman._native,
    ClientDisconnected,
    PyOSError,
    "The client closed or reset the connection before the request body was complete."
);

/// The request body as a binary file. Never past the body's end, and then `b""` for ever; never a short read taken for
/// the end.
#[pyclass(module = "dragoman._native")]
pub struct Input {
    source: Source,
    /// Bytes that were read ahead of the application: `buffer[at..]` is next. All of the body when it is in memory.
    buffer: Vec<u8>,
    at: usize,
    is_closed: bool,
    /// A read of the connection has failed.
    is_broken: bool,
}

enum Source {
    /// All that there is lies in the buffer.
    Memory,
    /// An unlinked temporary file; `offset` is behind the buffer.
    File { file: SpoolFile, len: u64, offset: u64 },
    /// The connection, for as long as the request lasts; `left` is behind the buffer.
    Stream { lease: Py<Lease>, left: u64 },
}

/// What is read ahead in one go.
const READ_AHEAD: usize = 64 * 1024;

/// How soon a thread beside that of the call, which waits for the body without a turn, learns that the request is over.
const LOOK_AGAIN_MS: u64 = 50;

/// Above this, memory for a read grows with what arrives, not with what was asked for.
const READ_AT_ONCE: usize = 1024 * 1024;

impl Input {
    /// The input for a prepared body, and the length of one that was decoded from the chunked coding.
    pub fn new(body: RequestBody, lease: &Bound<'_, Lease>) -> (Self, Option<u64>) {
        match body {
            RequestBody::Empty => (Self::of(Source::Memory, Vec::new()), Some(0)),
            RequestBody::Memory { bytes, was_chunked } => {
                let decoded = was_chunked.then_some(bytes.len() as u64);
                (Self::of(Source::Memory, bytes), decoded)
            }
            RequestBody::File { file, len, was_chunked } => {
                (Self::of(Source::File { file, len, offset: 0 }, Vec::new()), was_chunked.then_some(len))
            }
            RequestBody::Stream { len } => {
                (Self::of(Source::Stream { lease: lease.clone().unbind(), left: len }, Vec::new()), None)
            }
        }
    }

    fn of(source: Source, buffer: Vec<u8>) -> Self {
        Self { source, buffer, at: 0, is_closed: false, is_broken: false }
    }

    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Bytes of the body that lie behind the buffer.
    fn left(&self) -> u64 {
        match &self.source {
            Source::Memory => 0,
            Source::File { len, offset, .. } => len.saturating_sub(*offset),
            Source::Stream { left, .. } => *left,
        }
    }

    /// Reads from behind the buffer; 0 only at the end of the body.
    fn read_source(&mut self, py: Python<'_>, room: &mut Room<'_>) -> PyResult<usize> {
        let wanted = usize::try_from(self.left()).unwrap_or(usize::MAX).min(room.left());
        if wanted == 0 {
            return Ok(0);
        }
        match &mut self.source {
            Source::Memory => Ok(0),
            Source::File { file, offset, .. } => {
                let count = py.detach(|| room.read_at(file.file(), *offset, wanted))?;
                if count == 0 {
                    return Err(PyOSError::new_err("the file that holds the request body was cut"));
                }
                *offset += count as u64;
                Ok(count)
            }
            Source::Stream { lease, left } => {
                if self.is_broken {
                    return Err(ClientDisconnected::new_err("the request body broke off in an earlier read"));
                }
                // What an unfinished read had got is lost with it: to go on would be a body with a hole.
                let count = read_exchange(py, lease.get(), room).inspect_err(|_| self.is_broken = true)?;
                *left -= count as u64;
                Ok(count)
            }
        }
    }

    /// Makes the buffer hold something, unless the body is at its end.
    fn fill(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.at < self.buffer.len() || self.left() == 0 {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let outcome = Room::behind(&mut buffer, READ_AHEAD, |room| self.read_source(py, room));
        self.buffer = buffer;
        self.at = 0;
        outcome.map(drop)
    }

    /// Fills the room as far as the body goes.
    fn read_into(&mut self, py: Python<'_>, room: &mut Room<'_>) -> PyResult<()> {
        self.at += room.put(self.buffered());
        while room.left() > 0 && self.read_source(py, room)? > 0 {}
        Ok(())
    }

    fn read_bytes<'py>(&mut self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        let there = usize::try_from(self.left()).unwrap_or(usize::MAX).saturating_add(self.buffered().len());
        let wanted = size.min(there);
        if wanted <= self.buffered().len() {
            let bytes = PyBytes::new(py, &self.buffered()[..wanted]);
            self.at += wanted;
            return Ok(bytes);
        }
        if wanted <= READ_AT_ONCE {
            // The body is never shorter than was said: `read_source` raises instead.
            return raw::filled_bytes(py, wanted, |room| self.read_into(py, room));
        }
        let mut bytes = Vec::new();
        while bytes.len() < wanted {
            let step = READ_AT_ONCE.min(wanted - bytes.len());
            let is_full = Room::behind(&mut bytes, step, |room| self.read_into(py, room).map(|()| room.left() == 0))?;
            if !is_full {
                break;
            }
        }
        Ok(PyBytes::new(py, &bytes))
    }

    fn read_line<'py>(&mut self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut line = Vec::new();
        loop {
            self.fill(py)?;
            let limit = size - line.len();
            let buffered = self.buffered();
            let window = &buffered[..buffered.len().min(limit)];
            let end = memchr::memchr(b'\n', window).map(|at| at + 1);
            let count = end.unwrap_or(window.len());
            let is_done = end.is_some() || count == limit || count == 0;
            if is_done && line.is_empty() {
                let whole = PyBytes::new(py, &window[..count]);
                self.at += count;
                return Ok(whole);
            }
            line.extend_from_slice(&window[..count]);
            self.at += count;
            if is_done {
                return Ok(PyBytes::new(py, &line));
            }
        }
    }

    fn check_open(&self) -> PyResult<()> {
        match self.is_closed {
            true => Err(PyValueError::new_err("I/O operation on closed file.")),
            false => Ok(()),
        }
    }
}

#[pymethods]
impl Input {
    /// Exactly `size` bytes, or all that is left of the body; the whole rest for None or a negative size.
    #[pyo3(signature = (size = None, /))]
    fn read<'py>(this: &Bound<'py, Self>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        used(this)?.read_bytes(this.py(), at_most(size))
    }

    /// As `read`, but gives what one read of the connection brings.
    #[pyo3(signature = (size = None, /))]
    fn read1<'py>(this: &Bound<'py, Self>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        let mut input = used(this)?;
        input.fill(this.py())?;
        let size = at_most(size).min(input.buffered().len());
        input.read_bytes(this.py(), size)
    }

    /// Up to and with the next line feed, at most `size` bytes.
    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(this: &Bound<'py, Self>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        used(this)?.read_line(this.py(), at_most(size))
    }

    /// The lines that are left; with `hint`, no more once that many bytes are reached.
    #[pyo3(signature = (hint = None, /))]
    fn readlines<'py>(this: &Bound<'py, Self>, hint: Option<i64>) -> PyResult<Bound<'py, PyList>> {
        let (mut input, lines, mut total) = (used(this)?, PyList::empty(this.py()), 0);
        // As in the io module, a hint of zero is none.
        let enough = at_most(hint.filter(|hint| *hint > 0));
        while total < enough {
            let line = input.read_line(this.py(), usize::MAX)?;
            if line.as_bytes().is_empty() {
                break;
            }
            total += line.as_bytes().len();
            lines.append(line)?;
        }
        Ok(lines)
    }

    /// Fills a writable buffer as far as the body goes; the number of bytes.
    fn readinto(this: &Bound<'_, Self>, buffer: PyBuffer<u8>) -> PyResult<usize> {
        let (mut input, py) = (used(this)?, this.py());
        let (mut bytes, mut total) = (Vec::new(), 0);
        while total < buffer.len_bytes() {
            let wanted = READ_AHEAD.min(buffer.len_bytes() - total);
            bytes.clear();
            Room::behind(&mut bytes, wanted, |room| input.read_into(py, room))?;
            raw::write_to(py, &buffer, total, &bytes)?;
            total += bytes.len();
            if bytes.len() < wanted {
                break;
            }
        }
        Ok(total)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = used(this)?.read_line(this.py(), usize::MAX)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }

    /// Moves to another place of a body that is complete.
    #[pyo3(signature = (offset, whence = 0, /))]
    fn seek(this: &Bound<'_, Self>, offset: i64, whence: i32) -> PyResult<u64> {
        let mut input = used(this)?;
        let (here, len) = input.place(this.py())?;
        let base = match whence {
            0 => 0,
            1 => here,
            2 => len,
            _ => return Err(PyValueError::new_err(format!("invalid whence ({whence}, should be 0, 1 or 2)"))),
        };
        let wanted = i128::from(base) + i128::from(offset);
        let Ok(wanted) = u64::try_from(wanted) else {
            return Err(PyValueError::new_err(format!("negative seek position {wanted}")));
        };
        let wanted = wanted.min(len);
        match &mut input.source {
            Source::File { offset, .. } => {
                *offset = wanted;
                input.buffer.clear();
                input.at = 0;
            }
            // Within the length of a Vec, so within usize.
            _ => input.at = wanted as usize,
        }
        Ok(wanted)
    }

    /// The place in a body that is complete.
    fn tell(this: &Bound<'_, Self>) -> PyResult<u64> {
        Ok(used(this)?.place(this.py())?.0)
    }

    /// Whether `seek` and `tell` work: the body is complete, in memory or in a file.
    fn seekable(&self) -> bool {
        !matches!(self.source, Source::Stream { .. })
    }

    /// Always.
    fn readable(&self) -> bool {
        true
    }

    /// Never.
    fn writable(&self) -> bool {
        false
    }

    /// Nothing to do: there for wrappers of the io module.
    fn flush(&self) {}

    /// Frees what the input holds. The rest of the body is never read.
    fn close(this: &Bound<'_, Self>) -> PyResult<()> {
        let closed = Self { is_closed: true, ..Self::of(Source::Memory, Vec::new()) };
        *this.try_borrow_mut().map_err(|_| in_use())? = closed;
        Ok(())
    }

    /// Whether `close` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.is_closed
    }
}

impl Input {
    /// (place, length) of a body that is complete.
    fn place(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        match &self.source {
            Source::Memory => Ok((self.at as u64, self.buffer.len() as u64)),
            Source::File { len, offset, .. } => Ok((offset - self.buffered().len() as u64, *len)),
            Source::Stream { .. } => {
                let class = py.import("io")?.getattr("UnsupportedOperation")?;
                Err(PyErr::from_value(class.call1(("the request body is still arriving: no seek",))?))
            }
        }
    }
}

/// The input for one operation. Two Python threads in it at once would tear the body apart.
fn used<'py>(input: &Bound<'py, Input>) -> PyResult<PyRefMut<'py, Input>> {
    let input = input.try_borrow_mut().map_err(|_| in_use())?;
    input.check_open()?;
    Ok(input)
}

fn in_use() -> PyErr {
    PyRuntimeError::new_err("wsgi.input is being read by another thread")
}

/// A size argument: None and negative ones mean no bound.
fn at_most(size: Option<i64>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

fn read_exchange(py: Python<'_>, lease: &Lease, room: &mut Room<'_>) -> PyResult<usize> {
    let is_of_call = lease.is_of_this_thread();
    let mut arrival = None;
    loop {
        let mut turn = lease.turn(py);
        let Some(exchange) = turn.exchange() else {
            return Err(PyValueError::new_err("wsgi.input was read after its request had ended"));
        };
        let lock = &mut Gil::held(py);
        let outcome =
            if is_of_call { exchange.read_body(room, lock).map(Some) } else { exchange.try_read_body(room, lock) };
        match outcome {
            Ok(Some(0)) | Err(BodyError::Disconnected) => {
                let text = "the client closed the connection in the middle of the request body";
                return Err(ClientDisconnected::new_err(text));
            }
            Ok(Some(count)) => return Ok(count),
            Ok(None) => {
                if arrival.is_none() {
                    arrival = Some(exchange.body_arrival()?);
                }
            }
            Err(BodyError::TimedOut(refusal)) => {
                turn.timed_out = Some(refusal);
                return Err(ClientDisconnected::new_err(refusal.text));
            }
        }
        drop(turn);
        if let Some(arrival) = &arrival {
            py.detach(|| arrival.wait(LOOK_AGAIN_MS));
        }
    }
}
