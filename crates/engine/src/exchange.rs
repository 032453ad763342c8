//! One request and its response, as the gateway sees them: it has exactly one owner at a time.

use crate::gateway::{Gateway, Held, Peer, Unlock};
use dragoman_http1::{FieldFacts, FieldTable, RequestLine, ResponseHead};
use std::os::fd::OwnedFd;

/// A parsed request head.
#[derive(Clone, Copy)]
pub struct Request<'t> {
    /// The request line.
    pub line: RequestLine<'t>,
    /// The exact field block, final empty line included: equal blocks (with equal version) mean equal fields and facts.
    pub block: &'t [u8],
    /// The fields of the block.
    pub fields: &'t FieldTable,
    /// What follows from them.
    pub facts: &'t FieldFacts,
}

/// The request body as it was prepared before the call.
pub enum RequestBody {
    /// There is none (or it is empty).
    Empty,
    /// Complete and in memory. `was_chunked`: decoded from the chunked coding.
    Memory { bytes: Vec<u8>, was_chunked: bool },
    /// Complete and in an unlinked temporary file, at offset 0. `was_chunked` as above.
    File { file: std::fs::File, len: u64, was_chunked: bool },
    /// `Content-Length` is `len`; read it with `Exchange::read_body`.
    Stream { len: u64 },
}

/// The client is gone: output is pointless, `wsgi.input` raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnected;

/// Why the body could not be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The client closed or reset before the body's end.
    Disconnected,
    /// The client sent nothing for the body idle time.
    TimedOut,
}

/// What became of body bytes that the gateway gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All taken.
    All,
    /// Only so many fitted within the declared Content-Length; the rest is cut.
    Cut { taken: u64 },
    /// The response has no body (HEAD, 204, 205, 304): dropped.
    Dropped,
}

/// How a response ended, as `Exchange::finish` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As declared.
    Complete,
    /// Fewer bytes than Content-Length: the connection is closed.
    Short { declared: u64, sent: u64 },
}

/// One request and its response.
pub struct Exchange<'t, G: Gateway> {
    _skeleton: std::marker::PhantomData<&'t G>,
}

impl<'t, G: Gateway> Exchange<'t, G> {
    /// The request head. It lives in the serving thread's buffer, valid for the whole call.
    pub fn request(&self) -> Request<'t> { todo!() }
    /// Who asks.
    pub fn peer(&self) -> &Peer { todo!() }
    /// Which of the configured listeners took the connection (index into the list given at start).
    pub fn listener(&self) -> usize { todo!() }
    /// Takes the prepared body; a second call gives `Empty`.
    pub fn take_body(&mut self) -> RequestBody { todo!() }
    /// Reads up to `buffer.len()` bytes of a `Stream` body: 0 at its end. Sends 100 Continue first where it is owed.
    /// Waits without the lock; leadership and permit are given away for the wait.
    pub fn read_body<U: Unlock>(&mut self, _buffer: &mut [u8], _lock: &mut U) -> Result<usize, BodyError> { todo!() }
    /// What the connection keeps for the gateway.
    pub fn memory(&mut self) -> &mut G::Memory { todo!() }
    /// Whether the client has closed its side or is gone. Asks the socket, does not wait.
    pub fn is_disconnected(&self) -> bool { todo!() }
    /// The socket, for `gunicorn.socket`-like uses and tests.
    pub fn socket(&self) -> std::os::fd::BorrowedFd<'_> { todo!() }

    /// Sends an interim response (103 Early Hints) now: `fields` are checked, serialised "Name: value\r\n" lines.
    /// Nothing happens for HTTP/1.0 clients or after the head.
    pub fn send_interim(&mut self, _status: u16, _fields: &[u8]) -> Result<(), Disconnected> { todo!() }
    /// Whether the final head has been handed over with `send_head`: from then on it cannot be replaced.
    pub fn is_head_sent(&self) -> bool { todo!() }
    /// Hands over the final head. `known_length`: length of the whole body where it is known though not declared.
    /// The bytes leave with the first body bytes or at `flush`.
    pub fn send_head(&mut self, _head: &ResponseHead, _known_length: Option<u64>) { todo!() }
    /// Body bytes still owed to the declared length; `None` when the length is not fixed.
    pub fn body_left(&self) -> Option<u64> { todo!() }
    /// Adds body bytes (copied; meant for small ones). They leave at `flush`, at the latest when the call ends.
    pub fn send(&mut self, _data: &[u8]) -> Sent { todo!() }
    /// Adds body bytes by reference: for data above `Exchange::COPY_BYTES`.
    pub fn send_held(&mut self, _data: Held) -> Sent { todo!() }
    /// Adds a range of a regular file, sent by sendfile. `file` is the engine's own descriptor.
    pub fn send_file(&mut self, _file: OwnedFd, _offset: u64, _len: u64) -> Sent { todo!() }
    /// Makes everything added so far leave. Past the high-water mark it waits for the peer, without the lock.
    pub fn flush<U: Unlock>(&mut self, _lock: &mut U) -> Result<(), Disconnected> { todo!() }
    /// Ends the response: the last chunk where one is due. Without it the connection is cut when the call returns.
    pub fn finish(&mut self) -> Ended { todo!() }
    /// Cuts the connection after the call, so that the client cannot take the body for whole.
    pub fn abort(&mut self) { todo!() }
    /// Answers with the server's own text/plain error (e.g. 500) if no head was sent, else aborts. Keeps the connection
    /// where the framing allows it.
    pub fn refuse(&mut self, _status: u16, _code: &str, _text: &str) { todo!() }
    /// Above this, give data by reference.
    pub const COPY_BYTES: usize = 16 * 1024;
}
