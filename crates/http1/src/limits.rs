//! The bounds on what a peer may send, as values.

/// Bounds on one message. All sizes in bytes, all counts in items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line without its CR LF.
    pub request_line: usize,
    /// Method name.
    pub method: usize,
    /// One field line without its CR LF.
    pub field: usize,
    /// Number of field lines.
    pub fields: usize,
    /// The whole head, request line and final empty line included.
    pub head: usize,
    /// Decoded body; `u64::MAX` for none.
    pub body: u64,
    /// Extensions of one chunk.
    pub chunk_extension: usize,
    /// Extensions of all chunks of a body together.
    pub chunk_extensions: usize,
    /// Number of trailer fields.
    pub trailer_fields: usize,
    /// Trailer section.
    pub trailers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 8 * 1024,
            method: 32,
            field: 16 * 1024,
            fields: 100,
            head: 64 * 1024,
            body: 64 * 1024 * 1024,
            chunk_extension: 256,
            chunk_extensions: 16 * 1024,
            trailer_fields: 64,
            trailers: 16 * 1024,
        }
    }
}
