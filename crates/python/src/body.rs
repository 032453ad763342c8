//! The application's iterable: each block goes out before the next is asked for, and `close()` is called once.

use crate::errors::{Breach, application_failed, application_refused};
use crate::file_wrapper::{self, FileWrapper};
use crate::lease::{Lease, WsgiExchange};
use crate::raw;
use dragoman_engine::{Ended, Sent};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

/// Copied output of a list that is held back until it leaves in one write. No application code runs between its blocks.
const BATCH_BYTES: usize = 64 * 1024;

/// Sends what the application has returned, and closes it.
pub fn respond<'py>(lease: &Lease, environ: &Bound<'py, PyDict>, iterable: Bound<'py, PyAny>) {
    let body = Body { lease, iterable: &iterable };
    match body.run() {
        Ok(()) | Err(Stop::Enough) => body.finish(),
        Err(stop) => {
            lease.turn(iterable.py()).is_ended = true;
            match stop {
                Stop::Breach(breach) => application_refused(lease, breach),
                Stop::Raised(error) => application_failed(lease, environ, error),
                Stop::Gone | Stop::Enough => {}
            }
        }
    }
    body.close();
}

/// Reports what the engine did not take of a block.
pub fn report_unsent<'py>(
    lease: &Lease,
    sent: Sent,
    data: &Bound<'py, PyAny>,
    index: Option<usize>,
    place: impl FnOnce(Breach<'py>) -> Breach<'py>,
) {
    let rule = match sent {
        Sent::All => return,
        Sent::Cut { .. } => "body-too-long",
        Sent::Dropped => "body-on-no-content",
    };
    report_unsent_as(lease, rule, sent, data, index, place);
}

#[cold]
fn report_unsent_as<'py>(
    lease: &Lease,
    rule: &'static str,
    sent: Sent,
    data: &Bound<'py, PyAny>,
    index: Option<usize>,
    place: impl FnOnce(Breach<'py>) -> Breach<'py>,
) {
    let py = data.py();
    let (status, declared, is_head) = {
        let turn = lease.turn(py);
        (turn.head.status(), turn.head.content_length(), turn.request_line().0 == b"HEAD")
    };
    // A body in answer to HEAD is what most applications give, and harmless.
    if is_head && sent == Sent::Dropped {
        return;
    }
    let mut breach = Breach::of(py, rule).value(data).with("index", index).with("status", status);
    if let (Sent::Cut { taken }, Some(declared), Ok(len)) = (sent, declared, data.len()) {
        breach = breach.with("declared", declared).with("sent", declared + (len as u64 - taken));
    }
    place(breach).report(lease);
}

/// Why iteration ended before the iterable did.
enum Stop<'py> {
    /// Nothing more may be sent; the response is as declared.
    Enough,
    /// The client is gone.
    Gone,
    /// The application broke a rule after which nothing of its own can be sent.
    Breach(Breach<'py>),
    /// The application raised.
    Raised(PyErr),
}

struct Body<'a, 'py> {
    lease: &'a Lease,
    iterable: &'a Bound<'py, PyAny>,
}

impl<'py> Body<'_, 'py> {
    fn run(&self) -> Result<(), Stop<'py>> {
        let iterable = self.iterable;
        if let Ok(list) = iterable.cast_exact::<PyList>() {
            self.run_sequence(|| list.len(), |index| list.get_item(index))
        } else if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
            self.run_sequence(|| tuple.len(), |index| tuple.get_item(index))
        } else if iterable.cast::<PyString>().is_ok() {
            Err(Stop::Breach(self.breach("body-is-str").value(iterable).at(self.application())))
        } else if let Ok(wrapper) = iterable.cast_exact::<FileWrapper>()
            && let Some(file) = file_wrapper::sendable(wrapper)
        {
            self.run_file(file)
        } else {
            self.run_iterator()
        }
    }

    /// A list or tuple: no application code runs from block to block.
    fn run_sequence(
        &self,
        len: impl Fn() -> usize,
        block: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
    ) -> Result<(), Stop<'py>> {
        let (mut index, mut unflushed) = (0, 0);
        // Another thread may change a list while a flush waits.
        while index < len() {
            let data = block(index).map_err(Stop::Raised)?;
            let sent = self.send(&data, index, || len() == 1)?;
            index += 1;
            // What goes by reference is in memory anyway, so that no thread need wait for its leaving.
            unflushed += if sent > WsgiExchange::COPY_BYTES { 0 } else { sent };
            if unflushed > BATCH_BYTES && index < len() {
                unflushed = 0;
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Any other iterable: PEP 3333, "Buffering and Streaming", wants every block sent before the next is asked for.
    fn run_iterator(&self) -> Result<(), Stop<'py>> {
        let iterator = match self.iterable.try_iter() {
            Ok(iterator) => iterator,
            Err(error) => return Err(self.not_iterable(error)),
        };
        for (index, data) in iterator.enumerate() {
            let data = data.map_err(Stop::Raised)?;
            let is_only = || raw::has_len(self.iterable) && self.iterable.len().is_ok_and(|len| len == 1);
            if self.send(&data, index, is_only)? > 0 {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn run_file(&self, file: file_wrapper::Sendable) -> Result<(), Stop<'py>> {
        let py = self.iterable.py();
        let mut turn = self.lease.turn(py);
        if !turn.head.is_started() {
            drop(turn);
            return Err(Stop::Breach(self.breach("start-response-missing").at(self.application())));
        }
        if turn.is_head_sent() {
            // write() came first: what it sent and the file are one body.
        } else {
            let declared = turn.head.content_length();
            turn.send_head(declared.is_none().then_some(file.len));
        }
        let Some(exchange) = turn.exchange() else { return Err(Stop::Gone) };
        let len = exchange.body_left().map_or(file.len, |left| left.min(file.len));
        if len > 0 {
            exchange.send_file(file.descriptor, file.offset, len);
        }
        Ok(())
    }

    /// Sends one block. Returns the number of bytes that now wait to leave.
    fn send(&self, data: &Bound<'py, PyAny>, index: usize, is_only: impl FnOnce() -> bool) -> Result<usize, Stop<'py>> {
        let py = data.py();
        let Ok(bytes) = data.cast::<PyBytes>() else {
            let breach = self.breach("body-not-bytes").value(data).with("index", index).at(self.iterable_place());
            return Err(Stop::Breach(breach));
        };
        let len = bytes.as_bytes().len();
        let mut turn = self.lease.turn(py);
        if !turn.head.is_started() {
            drop(turn);
            if len == 0 {
                // PEP 3333 wants the head before any body content: the application may still be waiting for its status.
                return Ok(0);
            }
            let breach = self.breach("start-response-missing").value(data).with("index", index);
            return Err(Stop::Breach(breach.at(self.iterable_place())));
        }
        if len == 0 {
            return Ok(0);
        }
        let mut known_length = None;
        if turn.head.content_length().is_none() && !turn.is_head_sent() {
            // `__len__` may be the application's code.
            drop(turn);
            known_length = is_only().then_some(len as u64);
            turn = self.lease.turn(py);
        }
        let sent = turn.send(bytes, known_length);
        drop(turn);
        if sent == Sent::All {
            return Ok(len);
        }
        report_unsent(self.lease, sent, data, Some(index), |breach| breach.at(self.iterable_place()));
        Err(Stop::Enough)
    }

    fn flush(&self) -> Result<(), Stop<'py>> {
        let py = self.iterable.py();
        self.lease.turn(py).flush(py).map_err(|_| Stop::Gone)
    }

    /// Ends the response after the last block.
    fn finish(&self) {
        let py = self.iterable.py();
        let mut turn = self.lease.turn(py);
        if !turn.head.is_started() {
            drop(turn);
            application_refused(self.lease, self.breach("start-response-missing").at(self.application()));
            return;
        }
        turn.is_ended = true;
        if !turn.is_head_sent() {
            // An empty body is known whole, but in answer to HEAD it says nothing about that of GET.
            let is_head = turn.request_line().0 == b"HEAD";
            turn.send_head((!is_head).then_some(0));
        }
        let Some(exchange) = turn.exchange() else { return };
        if let Ended::Short { declared, sent } = exchange.finish() {
            drop(turn);
            let breach = self.breach("body-too-short").with("declared", declared).with("sent", sent);
            breach.at(self.iterable_place()).report(self.lease);
        }
    }

    /// PEP 3333: `close()` is called at the end of every request, however it ended.
    fn close(&self) {
        let iterable = self.iterable;
        let py = iterable.py();
        if iterable.is_exact_instance_of::<PyList>() || iterable.is_exact_instance_of::<PyTuple>() {
            return;
        }
        let closed = iterable.getattr_opt(intern!(py, "close")).and_then(|close| match close {
            Some(close) => {
                // What is complete must not wait for the application's clearing up. (A file leaves without its help.)
                if !iterable.is_exact_instance_of::<FileWrapper>() {
                    let _ = self.flush();
                }
                close.call0().map(drop)
            }
            None => Ok(()),
        });
        if let Err(error) = closed {
            self.close_raised(error);
        }
    }

    #[cold]
    fn close_raised(&self, error: PyErr) {
        // As in `application_failed`: the exception is dropped here and now.
        Python::attach(|py| {
            let exception = error.into_value(py).into_bound(py).into_any();
            let breach = Breach::of(py, "close-raised").with("exception", &exception);
            breach.value(&exception).at_raise(&exception).report(self.lease);
        });
    }

    #[cold]
    fn not_iterable(&self, error: PyErr) -> Stop<'py> {
        let (py, iterable) = (self.iterable.py(), self.iterable);
        let class = iterable.get_type();
        let has = |name: &str| class.hasattr(name).unwrap_or(false);
        if !error.is_instance_of::<PyTypeError>(py) || has("__iter__") || has("__getitem__") {
            return Stop::Raised(error);
        }
        let is_async = has("__await__") || has("__aiter__");
        if is_async && let Ok(Some(close)) = iterable.getattr_opt("close") {
            // Else the interpreter warns that it was never awaited, which explains less than the report.
            let _ = close.call0();
        }
        let rule = if is_async { "app-is-coroutine" } else { "body-not-iterable" };
        Stop::Breach(self.breach(rule).value(iterable).at(self.application()))
    }

    #[cold]
    fn breach(&self, rule: &'static str) -> Breach<'py> {
        let returned = self.iterable.get_type().name().ok();
        Breach::of(self.iterable.py(), rule).with("returned_type", returned)
    }

    fn application(&self) -> &Bound<'py, PyAny> {
        self.lease.shared().application.bind(self.iterable.py())
    }

    /// A generator stands at the line that gave the block; else the application is the nearest that can be named.
    fn iterable_place(&self) -> &Bound<'py, PyAny> {
        match self.iterable.hasattr("gi_code") {
            Ok(true) => self.iterable,
            _ => self.application(),
        }
    }
}
