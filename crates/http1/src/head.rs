//! The request head: finding its end as bytes arrive, the request line, the field block.

use crate::{FieldFacts, Limits, Reject};
use alloc::vec::Vec;

/// HTTP versions that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, and HTTP/1.2 to 1.9 read as 1.1.
    Http11,
}

/// The forms of a request target, RFC 9112 §3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`.
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `*`.
    Asterisk,
}

/// A checked request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'b> {
    /// Method, a token.
    pub method: &'b [u8],
    /// The target exactly as sent.
    pub target: &'b [u8],
    /// Its form.
    pub form: TargetForm,
    /// `uri-host[:port]` of an absolute-form target.
    pub authority: Option<&'b [u8]>,
    /// Raw (still percent-encoded) path; `/` for an absolute form without one, `*` for asterisk form.
    pub path: &'b [u8],
    /// Whether the path holds a `%`, so that it needs decoding.
    pub path_is_encoded: bool,
    /// Raw query without `?`; empty when absent.
    pub query: &'b [u8],
    /// Version.
    pub version: Version,
    /// Bytes of the line with its CR LF and skipped leading empty lines: the field block starts there.
    pub len: usize,
}

/// Finds the end of a head as bytes arrive: constant work per byte however they are split.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scanner {}

impl Scanner {
    /// A scanner at the first byte of a message.
    pub const fn new() -> Self { Self {} }
    /// `buffer` is everything received of this message so far. `Some(n)`: the head is `buffer[..n]`,
    /// skipped empty lines and the final empty line included. `None`: more bytes are needed.
    pub fn scan(&mut self, _buffer: &[u8], _limits: &Limits) -> Result<Option<usize>, Reject> { todo!() }
}

/// Parses the request line at the start of `buffer`; `None` while the line is incomplete.
pub fn request_line<'b>(_buffer: &'b [u8], _limits: &Limits) -> Result<Option<RequestLine<'b>>, Reject> { todo!() }

/// Names and values of one field block as spans; reusable without allocation.
#[derive(Clone, Debug, Default)]
pub struct FieldTable { _spans: Vec<u32> }

impl FieldTable {
    /// An empty table.
    pub const fn new() -> Self { Self { _spans: Vec::new() } }
    /// Number of field lines.
    pub fn len(&self) -> usize { todo!() }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool { todo!() }
    /// (name, value) in order, as slices of the block the table was filled from. Values are trimmed of SP and HTAB.
    pub fn iter<'t, 'b: 't>(&'t self, _block: &'b [u8]) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + 't { core::iter::empty() }
}

/// Parses a field block (all lines after the request line, final empty line included) into `table`.
pub fn fields(_block: &[u8], _version: Version, _limits: &Limits, _table: &mut FieldTable) -> Result<FieldFacts, Reject> { todo!() }

/// The Host rules that need target and fields together.
pub fn check_host(_line: &RequestLine<'_>, _facts: &FieldFacts) -> Result<(), Reject> { todo!() }
