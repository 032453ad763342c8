//! What the engine asks of the side that answers requests.

use crate::exchange::Exchange;
use std::ptr::NonNull;

/// The side that answers requests: the WSGI gateway, or a plain Rust one in tests and benches.
///
/// A serving thread calls `enter` once, then for each batch of requests `resume`, `call` once per request, `suspend`.
/// Between `suspend` and `resume` no method that needs the gateway's lock (the GIL) runs on that thread.
pub trait Gateway: Send + Sync + Sized + 'static {
    /// State of one serving thread: reused buffers and objects. Never leaves its thread.
    type Thread;
    /// What a connection keeps for the gateway between its requests. Made without the lock; dropped on any thread
    /// without the lock, so that its `Drop` must only put references on a list that the next lock holder empties.
    type Memory: Send + Default;

    /// The calling thread becomes a serving thread. Called without the lock.
    fn enter(&self) -> Self::Thread;
    /// Takes the lock; may block.
    fn resume(&self, thread: &mut Self::Thread);
    /// Gives the lock back.
    fn suspend(&self, thread: &mut Self::Thread);
    /// Answers one request, with the lock held at entry and at return. Never unwinds for an application's fault.
    fn call(&self, thread: &mut Self::Thread, exchange: &mut Exchange<'_, Self>);
    /// The response head of the call that has just returned, for the access log.
    fn response_head<'t>(&self, thread: &'t Self::Thread) -> Option<&'t dragoman_http1::ResponseHead>;
    /// The serving thread ends. Called without the lock.
    fn leave(&self, thread: Self::Thread);
}

/// Gives the gateway's lock back while a thread waits or sends much.
pub trait Unlock {
    /// Runs `wait` without the lock, then takes it again.
    fn unlocked<R>(&mut self, wait: impl FnOnce() -> R) -> R;
}

/// For gateways without a lock.
impl Unlock for () {
    fn unlocked<R>(&mut self, wait: impl FnOnce() -> R) -> R {
        wait()
    }
}

/// Bytes that the gateway keeps alive until the engine has sent them: a large body by reference.
#[derive(Debug)]
pub struct Held {
    data: NonNull<u8>,
    len: usize,
    owner: NonNull<()>,
    release: unsafe fn(NonNull<()>),
}

// SAFETY: the bytes are immutable while held, and `release` may be called on any thread (contract of `Held::new`).
unsafe impl Send for Held {}

impl Held {
    /// Wraps `len` bytes at `data`, kept alive by `owner`.
    ///
    /// # Safety
    /// The bytes stay valid and unchanged until `release(owner)` is called; `release` may be called on any thread,
    /// with or without the gateway's lock, exactly once.
    pub unsafe fn new(data: NonNull<u8>, len: usize, owner: NonNull<()>, release: unsafe fn(NonNull<()>)) -> Self {
        Self { data, len, owner, release }
    }

    /// Keeps only the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: valid and unchanged until `release`, which only `Drop` calls.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: called once, here.
        unsafe { (self.release)(self.owner) }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// TCP peer.
    Tcp(std::net::SocketAddr),
    /// A peer on a unix socket.
    Unix,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Tcp(address) => address.fmt(f),
            Peer::Unix => f.write_str("on a unix socket"),
        }
    }
}
