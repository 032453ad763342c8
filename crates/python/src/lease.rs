//! The lease of one exchange to the application: what `start_response`, `write` and `wsgi.input` reach it through.

use crate::gil::Gil;
use crate::wsgi::{Shared, Wsgi};
use dragoman_engine::{Disconnected, Exchange, Refusal, Sent, Unlock};
use dragoman_http1::ResponseHead;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// The exchange as the gateway uses it.
pub type WsgiExchange = Exchange<'static, Wsgi>;

/// One exchange on loan from `begin` to `end`; severed after that. A serving thread uses one lease for request after
/// request as long as nobody else holds a reference to it.
///
/// Invariant: the exchange is touched only by the holder of the one `Turn`, so that another Python thread that reads
/// `wsgi.input` or calls `write` never meets the serving thread in it, and never sees it after `end`.
#[pyclass(frozen, name = "Request", module = "dragoman._native")]
pub struct Lease {
    shared: Arc<Shared>,
    state: UnsafeCell<State>,
    is_taken: AtomicBool,
    waiting: AtomicUsize,
    parking: Mutex<()>,
    freed: Condvar,
    /// The thread that serves the requests for which this lease is used.
    thread: ThreadId,
    past: OnceLock<(Vec<u8>, Vec<u8>)>,
}

// SAFETY: `state` is reached only through a `Turn`, of which `is_taken` allows one at a time; what it points to is used
// by the serving thread or while that thread waits in the application's call.
unsafe impl Send for Lease {}
// SAFETY: as above.
unsafe impl Sync for Lease {}

/// The response of one request as far as the application has got.
pub struct State {
    exchange: Option<NonNull<WsgiExchange>>,
    write: Option<NonNull<ffi::PyObject>>,
    /// Status and fields from `start_response`.
    pub head: ResponseHead,
    /// `start_response` was called, whether or not it raised.
    pub is_called: bool,
    /// The iterable is done with: `write` fails from here on.
    pub is_ended: bool,
    /// The client has sent too little of the body for too long.
    pub timed_out: Option<Refusal>,
}

impl Lease {
    /// A lease without an exchange, for the calling thread's requests.
    pub fn new(shared: Arc<Shared>) -> Self {
        let state = State {
            exchange: None,
            write: None,
            head: ResponseHead::new(),
            is_called: false,
            is_ended: false,
            timed_out: None,
        };
        Self {
            shared,
            state: UnsafeCell::new(state),
            is_taken: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            parking: Mutex::new(()),
            freed: Condvar::new(),
            thread: thread::current().id(),
            past: OnceLock::new(),
        }
    }

    /// What all requests share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether the calling thread is the one that calls the application.
    pub fn is_of_this_thread(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// Lends `exchange` out; `start_response` gives out `write`.
    ///
    /// # Safety
    /// Until `end` has returned the exchange stays where it is and is used through this lease only, and the caller
    /// keeps `write` alive (a lease that owned it would be a cycle, since `write` owns the lease).
    pub unsafe fn begin(&self, exchange: NonNull<WsgiExchange>, write: &Bound<'_, PyAny>) {
        let mut turn = self.turn(write.py());
        turn.exchange = Some(exchange);
        turn.write = NonNull::new(write.as_ptr());
        turn.head.clear();
        turn.is_called = false;
        turn.is_ended = false;
        turn.timed_out = None;
    }

    /// Severs the lease: waits until no other thread is in the exchange; later calls find it gone. The response's head
    /// moves to `head`, whose memory is used for the next one.
    pub fn end(&self, py: Python<'_>, head: &mut ResponseHead) {
        let mut turn = self.turn(py);
        std::mem::swap(&mut turn.head, head);
        turn.exchange = None;
        turn.write = None;
        turn.is_ended = true;
    }

    /// Keeps method and target, by which calls that come after the end are named. For a lease that is not used again.
    pub fn retire(&self, method: &[u8], target: &[u8]) {
        let _ = self.past.set((method.to_vec(), target.to_vec()));
    }

    /// Exclusive use of the exchange. Waits without the GIL while another thread is in it.
    pub fn turn(&self, py: Python<'_>) -> Turn<'_> {
        if self.is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.wait(&mut Gil::held(py));
        }
        Turn { lease: self }
    }

    #[cold]
    fn wait(&self, gil: &mut Gil) {
        // The bound makes up for a release that looks at `waiting` just before it is counted up.
        const RECHECK: Duration = Duration::from_millis(5);
        gil.unlocked(|| {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let mut parked = self.parking.lock().unwrap_or_else(PoisonError::into_inner);
            while self.is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
                parked = self.freed.wait_timeout(parked, RECHECK).unwrap_or_else(PoisonError::into_inner).0;
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Exclusive use of one exchange. Nothing that runs Python code may be called while it is held.
pub struct Turn<'l> {
    lease: &'l Lease,
}

impl Turn<'_> {
    /// Method and request target, also after the end where they were kept.
    pub fn request_line(&self) -> (&[u8], &[u8]) {
        match self.exchange.map(|exchange| {
            // SAFETY: lent until `end`, and this is the only turn.
            unsafe { exchange.as_ref() }.request().line
        }) {
            Some(line) => (line.method, line.target),
            None => self.lease.past.get().map_or((b"", b""), |(method, target)| (method, target)),
        }
    }
}

impl State {
    /// The exchange, or `None` when the request is over.
    pub fn exchange(&mut self) -> Option<&mut WsgiExchange> {
        // SAFETY: lent until `end`; `&mut self` comes from the only turn.
        self.exchange.as_mut().map(|exchange| unsafe { exchange.as_mut() })
    }

    /// The `write` that goes with this request, while it lasts.
    pub fn write<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: alive until `end`, which clears it.
        self.write.map(|write| unsafe { Bound::from_borrowed_ptr(py, write.as_ptr()) })
    }

    /// Whether the head is out, so that it cannot be replaced.
    pub fn is_head_sent(&self) -> bool {
        // SAFETY: lent until `end`; `&self` comes from the only turn.
        self.exchange.is_none_or(|exchange| unsafe { exchange.as_ref() }.is_head_sent())
    }

    /// Hands the head over. `known_length`: of a body known whole whose length was not declared.
    pub fn send_head(&mut self, known_length: Option<u64>) {
        if let Some(mut exchange) = self.exchange {
            // SAFETY: lent until `end`; `&mut self` comes from the only turn; the head is no part of the exchange.
            unsafe { exchange.as_mut() }.send_head(&self.head, known_length);
        }
    }

    /// Adds a block of the body, the head before it where it is still due. Large blocks go by reference.
    pub fn send(&mut self, data: &Bound<'_, PyBytes>, known_length: Option<u64>) -> Sent {
        if !self.is_head_sent() {
            self.send_head(known_length);
        }
        let Some(exchange) = self.exchange() else { return Sent::Dropped };
        let bytes = data.as_bytes();
        if bytes.len() > WsgiExchange::COPY_BYTES {
            exchange.send_held(crate::gil::held_bytes(data.clone()))
        } else {
            exchange.send(bytes)
        }
    }

    /// Makes everything added so far leave.
    pub fn flush(&mut self, py: Python<'_>) -> Result<(), Disconnected> {
        match self.exchange() {
            Some(exchange) => exchange.flush(&mut Gil::held(py)),
            None => Err(Disconnected),
        }
    }
}

impl Deref for Turn<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        // SAFETY: there is one turn at a time.
        unsafe { &*self.lease.state.get() }
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut State {
        // SAFETY: there is one turn at a time.
        unsafe { &mut *self.lease.state.get() }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lease.is_taken.store(false, Ordering::Release);
        if self.lease.waiting.load(Ordering::Relaxed) > 0 {
            let _parked = self.lease.parking.lock().unwrap_or_else(PoisonError::into_inner);
            self.lease.freed.notify_one();
        }
    }
}
