//! The chunked transfer coding, decoded piece by piece: RFC 9112 §7.1.

use crate::grammar::{MAX_LENGTH, TCHAR, VALUE, hex_value, is_blank};
use crate::head::{FieldTable, Scanner};
use crate::{Limits, Reject, RejectKind};
use alloc::vec::Vec;

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
///
/// Holds no body bytes; a trailer section, which is rare, is kept until it is complete, up to [`Limits::trailers`].
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// Body bytes announced so far.
    announced: u64,
    /// Framing bytes so far: size lines and the CR LF after data.
    overhead: u64,
    /// Extension bytes of the current chunk.
    extension: usize,
    /// Extension bytes of all chunks.
    extensions: usize,
    trailers: Vec<u8>,
    scanner: Scanner,
}

/// `chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF`, as far as it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits: u8, size: u64 },
    Extension { place: Extension, size: u64 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailers,
    End,
}

/// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`, RFC 9112 §7.1.1: what was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// A blank where only `;` can follow.
    BlankBeforeSemicolon,
    Semicolon,
    Name,
    BlankAfterName,
    Equals,
    Token,
    Quoted,
    QuotedPair,
    ClosingQuote,
}

/// Framing that a body may cost beside [`OVERHEAD_PER_BYTE`]: an honest sender of small chunks stays far below, a flood
/// of them cannot make us work for nothing.
const OVERHEAD_FREE: u64 = 16 * 1024;

/// Framing bytes allowed for each byte of data; a chunk of one byte costs five.
const OVERHEAD_PER_BYTE: u64 = 8;

/// RFC 9110 §6.5.1: fields that frame, route or steer the connection mean nothing after the body, except to a reader who
/// merges them into the head.
const FORBIDDEN_TRAILERS: [&[u8]; 10] = [
    b"connection",
    b"content-length",
    b"expect",
    b"host",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

impl ChunkedDecoder {
    /// A decoder at the first chunk size.
    pub const fn new() -> Self {
        Self {
            state: State::Size { digits: 0, size: 0 },
            announced: 0,
            overhead: 0,
            extension: 0,
            extensions: 0,
            trailers: Vec::new(),
            scanner: Scanner::of_fields(),
        }
    }

    /// Memory in use: that of a trailer section on its way.
    pub fn memory(&self) -> usize {
        self.trailers.capacity()
    }

    /// Decodes at most one run of data from the front of `input`. `consumed == 0 && !is_end`: more input is needed.
    /// Bytes that were consumed must not be given again.
    ///
    /// After an error the decoder is of no more use. `Reject::at` counts from the start of `input`.
    pub fn decode<'i>(&mut self, input: &'i [u8], limits: &Limits) -> Result<Decoded<'i>, Reject> {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            match self.state {
                State::End => return Ok(Decoded { consumed: at, data: &[], is_end: true }),
                State::Trailers => {
                    let consumed = self.read_trailers(rest, limits).map_err(|reject| reject.shifted(at))?;
                    let is_end = self.state == State::End;
                    return Ok(Decoded { consumed: at + consumed, data: &[], is_end });
                }
                State::Data { left } if !rest.is_empty() => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - len as u64;
                    self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                    let data = rest.get(..len).unwrap_or_default();
                    return Ok(Decoded { consumed: at + len, data, is_end: false });
                }
                state => {
                    let Some(&byte) = rest.first() else {
                        return Ok(Decoded { consumed: at, data: &[], is_end: false });
                    };
                    self.state = self.after(state, byte, limits).map_err(|kind| Reject::new(kind, at))?;
                    at += 1;
                    self.overhead += 1;
                }
            }
        }
    }

    /// The state after one framing byte.
    fn after(&mut self, state: State, byte: u8, limits: &Limits) -> Result<State, RejectKind> {
        match state {
            State::Size { digits, size } => match hex_value(byte) {
                Some(_) if digits == 16 => Err(RejectKind::ChunkSizeTooLong),
                // Sixteen digits fill 64 bits exactly: nothing is shifted out.
                Some(value) => Ok(State::Size { digits: digits + 1, size: size << 4 | u64::from(value) }),
                None if digits == 0 => Err(RejectKind::ChunkSizeMalformed),
                None if size > MAX_LENGTH => Err(RejectKind::ChunkSizeOverflow),
                None => match byte {
                    b'\r' => Ok(State::SizeLf { size }),
                    b'\n' => Err(RejectKind::BareLf),
                    b';' => self.in_extension(Extension::Semicolon, size, limits),
                    b' ' | b'\t' => self.in_extension(Extension::BlankBeforeSemicolon, size, limits),
                    _ => Err(RejectKind::ChunkSizeMalformed),
                },
            },
            State::Extension { place, size } => match (place.after(byte), byte) {
                (Some(place), _) => self.in_extension(place, size, limits),
                (None, b'\r') if place.may_end() => Ok(State::SizeLf { size }),
                (None, b'\n') => Err(RejectKind::BareLf),
                (None, _) => Err(RejectKind::ChunkExtensionMalformed),
            },
            State::SizeLf { size } if byte == b'\n' => self.at_chunk(size, limits),
            State::SizeLf { .. } => Err(RejectKind::BareCr),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size { digits: 0, size: 0 }),
            State::DataCr | State::DataLf => Err(RejectKind::ChunkDataEnd),
            // Not read byte by byte.
            State::Data { .. } | State::Trailers | State::End => Ok(state),
        }
    }

    /// Counts one byte of an extension against both limits.
    fn in_extension(&mut self, place: Extension, size: u64, limits: &Limits) -> Result<State, RejectKind> {
        self.extension += 1;
        self.extensions += 1;
        if self.extension > limits.chunk_extension {
            return Err(RejectKind::ChunkExtensionTooLong);
        }
        if self.extensions > limits.chunk_extensions {
            return Err(RejectKind::ChunkExtensionsTooLong);
        }
        Ok(State::Extension { place, size })
    }

    /// A size line is complete: the chunk is refused or accepted before a byte of its data is read.
    fn at_chunk(&mut self, size: u64, limits: &Limits) -> Result<State, RejectKind> {
        self.extension = 0;
        if size == 0 {
            return Ok(State::Trailers);
        }
        if self.overhead > OVERHEAD_FREE.saturating_add(self.announced.saturating_mul(OVERHEAD_PER_BYTE)) {
            return Err(RejectKind::ChunkOverhead);
        }
        self.announced = self.announced.saturating_add(size);
        if self.announced > limits.body {
            return Err(RejectKind::ContentTooLarge);
        }
        Ok(State::Data { left: size })
    }

    /// `trailer-section CRLF`, read by the rules of the head's fields. Gives the bytes consumed.
    fn read_trailers(&mut self, input: &[u8], limits: &Limits) -> Result<usize, Reject> {
        if self.trailers.is_empty() && input.starts_with(b"\r\n") {
            self.state = State::End;
            return Ok(2);
        }
        let limits = Limits { fields: limits.trailer_fields, head: limits.trailers, ..*limits };
        let before = self.trailers.len();
        // One byte beyond the limit is enough to see that it is passed.
        let room = limits.head.saturating_add(1).saturating_sub(before);
        self.trailers.extend_from_slice(input.get(..room).unwrap_or(input));
        let offset = |reject: Reject| Reject { at: reject.at.saturating_sub(before), kind: trailer_kind(reject.kind) };
        match self.scanner.scan(&self.trailers, &limits).map_err(offset)? {
            None => Ok(self.trailers.len() - before),
            Some(end) => {
                self.trailers.truncate(end);
                check_trailers(&self.trailers, &limits).map_err(offset)?;
                self.trailers = Vec::new();
                self.state = State::End;
                Ok(end - before)
            }
        }
    }
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Extension {
    /// The place after one more byte of the extension; `None` where the byte is no part of one.
    fn after(self, byte: u8) -> Option<Self> {
        use Extension::*;
        match (self, byte) {
            (Quoted, b'"') => Some(ClosingQuote),
            (Quoted, b'\\') => Some(QuotedPair),
            (Quoted | QuotedPair, _) => VALUE.has(byte).then_some(Quoted),
            (BlankBeforeSemicolon | Name | BlankAfterName | Token | ClosingQuote, b';') => Some(Semicolon),
            (Name | BlankAfterName, b'=') => Some(Equals),
            (Equals, b'"') => Some(Quoted),
            (Semicolon | Equals | BlankBeforeSemicolon | BlankAfterName, _) if is_blank(byte) => Some(self),
            (Name, _) if is_blank(byte) => Some(BlankAfterName),
            (Token | ClosingQuote, _) if is_blank(byte) => Some(BlankBeforeSemicolon),
            (Semicolon | Name, _) if TCHAR.has(byte) => Some(Name),
            (Equals | Token, _) if TCHAR.has(byte) => Some(Token),
            _ => None,
        }
    }

    /// Whether the size line may end here.
    const fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::ClosingQuote)
    }
}

/// The head's limits have names of their own after a body, where 431 would be no answer.
const fn trailer_kind(kind: RejectKind) -> RejectKind {
    match kind {
        RejectKind::HeadTooLarge | RejectKind::FieldTooLarge => RejectKind::TrailersTooLarge,
        RejectKind::TooManyFields => RejectKind::TooManyTrailers,
        RejectKind::FieldsAfterBlank => RejectKind::LineFolded,
        other => other,
    }
}

fn check_trailers(section: &[u8], limits: &Limits) -> Result<(), Reject> {
    FieldTable::new().fill(section, limits, |name, _, at| {
        if FORBIDDEN_TRAILERS.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)) {
            return Err(Reject::new(RejectKind::TrailerForbidden, at));
        }
        Ok(())
    })
}
