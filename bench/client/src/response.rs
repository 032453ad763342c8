//! Reads responses strictly (RFC 9112): anything that two readers could take differently is a breach.

use crate::pattern::Body;

/// A head longer than this is a breach, so that a server gone wild cannot fill the memory.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// What the answer to one request must be.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The status code.
    pub status: u16,
    /// The body; for HEAD, the body that GET would have had.
    pub body: Body,
    /// The request was HEAD: no body follows, whatever the fields say (RFC 9112 §6.3(1)).
    pub is_head: bool,
    /// The value that the field `X-Request` must carry back; 0 = not asked for.
    pub request_id: u64,
}

/// How a response broke the rules, or differed from what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breach {
    /// The status line is no `HTTP/1.x NNN reason`.
    StatusLine,
    /// A field line is malformed; the offset is that of the line in the head.
    FieldLine(usize),
    /// No end of the head within the limit.
    HeadTooLong,
    /// Content-Length is malformed, repeated, or beside Transfer-Encoding.
    ContentLength,
    /// A transfer coding other than exactly `chunked`.
    TransferEncoding,
    /// A chunk's size line, its end, or the trailer section is malformed.
    Chunk,
    /// The status differs.
    Status { got: u16, want: u16 },
    /// The body's declared or real length differs.
    BodyLength { got: u64, want: u64 },
    /// The body differs from this offset on (or before).
    BodyDiffers(usize),
    /// `X-Request` is missing or names another request: answers were swapped or state leaked.
    RequestId,
    /// The connection ended before the answer did.
    ClosedEarly,
    /// Bytes came that belong to no answer.
    Surplus(usize),
    /// Nothing came for too long.
    Stalled,
    /// The connection could not be opened, or failed.
    Socket(std::io::ErrorKind),
}

impl Breach {
    /// The breach without its facts, to count by.
    pub fn kind(&self) -> String {
        let text = format!("{self:?}");
        text.chars().take_while(|character| character.is_alphanumeric()).collect()
    }
}

/// What a complete response leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// More input is needed.
    NotYet,
    /// Complete; the connection stays.
    Keep,
    /// Complete; the server said that it closes.
    Closing,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    bytes: usize,
    status: u16,
    framing: Framing,
    is_closing: bool,
    request_id: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Clone, Copy)]
enum State {
    Head,
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
}

/// The reader of one connection's responses.
pub struct Reader {
    state: State,
    is_closing: bool,
    body_seen: usize,
    /// The last head and its reading: servers repeat it byte for byte within a second, and then comparing is enough.
    memo: Option<(Vec<u8>, Head)>,
}

impl Reader {
    /// A reader before its first response.
    pub fn new() -> Self {
        Self { state: State::Head, is_closing: false, body_seen: 0, memo: None }
    }

    /// Takes what it can of `input`; returns the number of bytes taken and whether the response is complete.
    ///
    /// Call again with the rest and more when `NotYet`; a rest is only ever an incomplete line.
    pub fn advance(&mut self, input: &[u8], expected: &Expected) -> Result<(usize, Done), Breach> {
        let mut taken = 0;
        loop {
            let rest = &input[taken..];
            match self.state {
                State::Head => {
                    let Some(head) = self.head(rest)? else { return Ok((taken, Done::NotYet)) };
                    taken += head.bytes;
                    if (100..200).contains(&head.status) && head.status != 101 {
                        continue;
                    }
                    if self.begin_body(&head, expected)? {
                        return Ok((taken, self.complete(expected)?));
                    }
                }
                State::Length(left) | State::ChunkData(left) => {
                    let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.check_body(&rest[..count], expected)?;
                    taken += count;
                    let left = left - count as u64;
                    let is_chunk = matches!(self.state, State::ChunkData(_));
                    self.state = match (left, is_chunk) {
                        (0, true) => State::ChunkEnd,
                        (0, false) => return Ok((taken, self.complete(expected)?)),
                        (_, true) => State::ChunkData(left),
                        (_, false) => State::Length(left),
                    };
                    if left > 0 {
                        return Ok((taken, Done::NotYet));
                    }
                }
                State::ChunkSize => {
                    let Some(line) = line(rest)? else { return Ok((taken, Done::NotYet)) };
                    taken += line.len() + 2;
                    self.state = match chunk_size(line)? {
                        0 => State::Trailer,
                        size => State::ChunkData(size),
                    };
                }
                State::ChunkEnd => {
                    let Some(line) = line(rest)? else { return Ok((taken, Done::NotYet)) };
                    if !line.is_empty() {
                        return Err(Breach::Chunk);
                    }
                    taken += 2;
                    self.state = State::ChunkSize;
                }
                State::Trailer => {
                    let Some(line) = line(rest)? else { return Ok((taken, Done::NotYet)) };
                    taken += line.len() + 2;
                    if line.is_empty() {
                        return Ok((taken, self.complete(expected)?));
                    }
                    field(line).ok_or(Breach::Chunk)?;
                }
                State::UntilClose => {
                    self.check_body(rest, expected)?;
                    return Ok((input.len(), Done::NotYet));
                }
            }
        }
    }

    /// The peer has closed: completes a body that was framed by that, and nothing else.
    pub fn end(&mut self, expected: &Expected) -> Result<Done, Breach> {
        match self.state {
            State::UntilClose => self.complete(expected),
            _ => Err(Breach::ClosedEarly),
        }
    }

    fn head(&mut self, input: &[u8]) -> Result<Option<Head>, Breach> {
        if let Some((bytes, head)) = &self.memo {
            if input.starts_with(bytes) {
                return Ok(Some(*head));
            }
        }
        let window = &input[..input.len().min(MAX_HEAD_BYTES)];
        let Some(end) = window.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if input.len() >= MAX_HEAD_BYTES { Err(Breach::HeadTooLong) } else { Ok(None) };
        };
        let head = parse_head(&input[..end + 2])?;
        self.memo = Some((input[..head.bytes].to_vec(), head));
        Ok(Some(head))
    }

    /// Enters the body; true when there is none to read.
    fn begin_body(&mut self, head: &Head, expected: &Expected) -> Result<bool, Breach> {
        if head.status != expected.status {
            return Err(Breach::Status { got: head.status, want: expected.status });
        }
        if expected.request_id != head.request_id && expected.request_id != 0 {
            return Err(Breach::RequestId);
        }
        let want = expected.body.bytes().len() as u64;
        if let Framing::Length(got) = head.framing {
            if got != want {
                return Err(Breach::BodyLength { got, want });
            }
        }
        self.body_seen = 0;
        self.is_closing = head.is_closing;
        if expected.is_head || matches!(head.status, 204 | 304) {
            self.body_seen = expected.body.bytes().len();
            return Ok(true);
        }
        self.state = match head.framing {
            Framing::Length(0) => return Ok(true),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => {
                self.is_closing = true;
                State::UntilClose
            }
        };
        Ok(false)
    }

    fn check_body(&mut self, bytes: &[u8], expected: &Expected) -> Result<(), Breach> {
        let want = expected.body.bytes();
        match want.get(self.body_seen..self.body_seen + bytes.len()) {
            Some(part) if part == bytes => {
                self.body_seen += bytes.len();
                Ok(())
            }
            Some(_) => Err(Breach::BodyDiffers(self.body_seen)),
            None => Err(Breach::BodyLength { got: (self.body_seen + bytes.len()) as u64, want: want.len() as u64 }),
        }
    }

    fn complete(&mut self, expected: &Expected) -> Result<Done, Breach> {
        self.state = State::Head;
        let (got, want) = (self.body_seen, expected.body.bytes().len());
        if got != want {
            return Err(Breach::BodyLength { got: got as u64, want: want as u64 });
        }
        Ok(if self.is_closing { Done::Closing } else { Done::Keep })
    }
}

/// Reads a head that ends with the CRLF of its last line.
fn parse_head(text: &[u8]) -> Result<Head, Breach> {
    let mut rest = text;
    let status_line = line(rest)?.ok_or(Breach::StatusLine)?;
    rest = &rest[status_line.len() + 2..];
    let (is_http11, status) = parse_status_line(status_line).ok_or(Breach::StatusLine)?;
    let (mut length, mut is_chunked, mut request_id) = (None, false, 0);
    let mut is_closing = !is_http11;
    while !rest.is_empty() {
        let malformed = Breach::FieldLine(text.len() - rest.len());
        let field_line = line(rest)?.ok_or(malformed.clone())?;
        rest = &rest[field_line.len() + 2..];
        let (name, value) = field(field_line).ok_or(malformed)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let number = digits(value).ok_or(Breach::ContentLength)?;
            if length.replace(number).is_some() {
                return Err(Breach::ContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if is_chunked || !is_http11 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Breach::TransferEncoding);
            }
            is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                is_closing |= option.eq_ignore_ascii_case(b"close");
                is_closing &= is_http11 || !option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if name.eq_ignore_ascii_case(b"x-request") {
            request_id = digits(value).ok_or(Breach::RequestId)?;
        }
    }
    let framing = match (length, is_chunked) {
        (Some(_), true) => return Err(Breach::ContentLength),
        (Some(length), false) => Framing::Length(length),
        (None, true) => Framing::Chunked,
        (None, false) => Framing::UntilClose,
    };
    Ok(Head { bytes: text.len() + 2, status, framing, is_closing, request_id })
}

/// `status-line = HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4).
fn parse_status_line(line: &[u8]) -> Option<(bool, u16)> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let (minor, rest) = rest.split_first()?;
    let code = rest.strip_prefix(b" ")?;
    let is_complete = code.get(3) == Some(&b' ') && matches!(minor, b'0' | b'1');
    let status = u16::try_from(digits(code.get(..3)?)?).ok()?;
    (is_complete && status >= 100).then_some((*minor == b'1', status))
}

/// The line at the front of `input` without its CRLF; `None` while it is incomplete. A bare CR or LF is a breach.
fn line(input: &[u8]) -> Result<Option<&[u8]>, Breach> {
    let end = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    match end.map(|end| (end, &input[end..])) {
        None if input.len() >= MAX_HEAD_BYTES => Err(Breach::HeadTooLong),
        None => Ok(None),
        Some((end, [b'\r', b'\n', ..])) => Ok(Some(&input[..end])),
        Some((_, [b'\r'])) => Ok(None),
        Some((end, _)) => Err(Breach::FieldLine(end)),
    }
}

/// `field-line = field-name ":" OWS field-value OWS` (RFC 9112 §5): a token right before the colon, no folding.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7F);
    (!name.is_empty() && name.iter().all(is_token) && value.iter().all(is_text)).then_some((name, value.trim_ascii()))
}

/// `chunk-size [ chunk-ext ]` (RFC 9112 §7.1).
fn chunk_size(line: &[u8]) -> Result<u64, Breach> {
    let size = line.split(|&byte| byte == b';').next().unwrap_or(line).trim_ascii_end();
    let is_hex = (1..=15).contains(&size.len()) && size.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(size).map_err(|_| Breach::Chunk)?;
    if is_hex { u64::from_str_radix(text, 16).map_err(|_| Breach::Chunk) } else { Err(Breach::Chunk) }
}

/// `1*DIGIT`, at most 18 of them.
fn digits(text: &[u8]) -> Option<u64> {
    let is_number = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
