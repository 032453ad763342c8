//! The response head and the framing of its body: status, fields, Date, Server, length or chunked, keep-alive.

use crate::Version;
use alloc::vec::Vec;

/// Why a status was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusError {
    /// Not `NNN reason`.
    Malformed,
    /// A control character; CR, LF or NUL is header injection.
    Control(u8),
    /// A 1xx code as the final status.
    Informational,
}

/// Why a response field was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// The name is empty or not a token.
    NameMalformed,
    /// CR, LF or NUL in name or value.
    Injection,
    /// Another control character in the value.
    Control(u8),
    /// Content-Length that is not a number, or sent twice.
    ContentLength,
}

/// What became of a response field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Written to the head.
    Written,
    /// A field that only the server may set: dropped (report it).
    HopByHop,
}

/// How the response body is delimited on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// No body bytes may be sent (HEAD, 204, 205, 304).
    None,
    /// Exactly so many.
    Length(u64),
    /// Chunked coding.
    Chunked,
    /// Until the connection closes.
    UntilClose,
}

/// The finished framing decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed {
    /// Body delimiting.
    pub body: BodyLength,
    /// Whether the connection may be kept after this response.
    pub is_kept: bool,
}

/// Status and fields of one response, serialised as they come; reusable without allocation.
#[derive(Debug, Default)]
pub struct ResponseHead { _buffer: Vec<u8> }

impl ResponseHead {
    /// An empty head.
    pub const fn new() -> Self { Self { _buffer: Vec::new() } }
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) { todo!() }
    /// Starts a head, replacing whatever was there: `status` is e.g. `b"200 OK"`, bytes >= 0x80 are latin-1 text.
    pub fn start(&mut self, _status: &[u8]) -> Result<(), StatusError> { todo!() }
    /// Whether `start` has succeeded since the last `clear`.
    pub fn is_started(&self) -> bool { todo!() }
    /// Adds a field in order.
    pub fn field(&mut self, _name: &[u8], _value: &[u8]) -> Result<FieldKind, FieldError> { todo!() }
    /// The status code.
    pub fn status(&self) -> u16 { todo!() }
    /// Content-Length that was given.
    pub fn content_length(&self) -> Option<u64> { todo!() }
    /// Value of the first field of that name (case-insensitive), for the access log.
    pub fn find(&self, _name: &[u8]) -> Option<&[u8]> { todo!() }
    /// Writes the whole head to `out`: status line (always HTTP/1.1), fields, Date and Server where missing (`server` empty: none),
    /// framing fields, Connection, empty line. `known_length`: the length of a body known whole, used where
    /// Content-Length was not given. `is_kept`: the server is willing to keep the connection and the client wants it.
    pub fn finish(&self, _is_head: bool, _version: Version, _is_kept: bool, _known_length: Option<u64>, _date: &[u8; 29], _server: &[u8], _out: &mut Vec<u8>) -> Framed { todo!() }
}

/// Writes the size line of a chunk of `len` > 0 bytes, CR LF included.
pub fn chunk_start(_len: usize, _out: &mut Vec<u8>) { todo!() }

/// Ends a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Ends a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The interim response that asks for the body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Writes a complete answer of the server's own: text/plain "code: text", `Connection: close`, Date; HEAD without body.
pub fn refusal(_status: u16, _code: &str, _text: &str, _is_head: bool, _date: &[u8; 29], _retry_after_s: Option<u32>, _out: &mut Vec<u8>) { todo!() }

/// The reason phrase of a status code, `"Unknown"` where none is registered.
pub fn reason(_status: u16) -> &'static str { todo!() }
