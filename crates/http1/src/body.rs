//! The chunked transfer coding, decoded piece by piece: RFC 9112 §7.1.

use crate::{Limits, Reject};

/// One step of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'i> {
    /// Bytes of the input that were used up.
    pub consumed: usize,
    /// Body bytes among them; may be empty.
    pub data: &'i [u8],
    /// The body and its trailers are complete: what follows is the next message.
    pub is_end: bool,
}

/// State between two pieces of input.
#[derive(Clone, Debug, Default)]
pub struct ChunkedDecoder {}

impl ChunkedDecoder {
    /// A decoder at the first chunk size.
    pub const fn new() -> Self { Self {} }
    /// Decodes at most one run of data from the front of `input`. `consumed == 0 && !is_end`: more input is needed.
    /// Bytes that were consumed must not be given again.
    pub fn decode<'i>(&mut self, _input: &'i [u8], _limits: &Limits) -> Result<Decoded<'i>, Reject> { todo!() }
}
