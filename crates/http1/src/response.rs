//! The response head and the framing of its body: status, fields, Date, Server, length or chunked, keep-alive.

use crate::Version;
use crate::grammar::{TCHAR, content_length, first_control, is_name};
pub use crate::status::reason;
use alloc::vec::Vec;
use core::ops::Range;

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
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// Status line and field lines as they go out. Empty until `start` succeeds.
    buffer: Vec<u8>,
    status: u16,
    /// The Content-Length that was given and its line in `buffer`, which some responses leave out.
    content_length: Option<(u64, Range<usize>)>,
    has_date: bool,
    has_server: bool,
}

impl ResponseHead {
    /// An empty head.
    pub const fn new() -> Self {
        Self { buffer: Vec::new(), status: 0, content_length: None, has_date: false, has_server: false }
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.status = 0;
        self.content_length = None;
        self.has_date = false;
        self.has_server = false;
    }

    /// Starts a head, replacing whatever was there: `status` is e.g. `b"200 OK"`, bytes >= 0x80 are latin-1 text.
    ///
    /// The reason may be empty, the space before it not (RFC 9112 §4). A refused status leaves what was there.
    pub fn start(&mut self, status: &[u8]) -> Result<(), StatusError> {
        // The status of nearly every response needs no second look.
        let code = if status == b"200 OK" { 200 } else { status_code(status)? };
        self.clear();
        self.status = code;
        self.buffer.extend_from_slice(b"HTTP/1.1 ");
        self.buffer.extend_from_slice(status);
        self.buffer.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Whether `start` has succeeded since the last `clear`.
    pub fn is_started(&self) -> bool {
        self.status != 0
    }

    /// Adds a field in order, after `start`.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<FieldKind, FieldError> {
        // The two names of nearly every response need no second look.
        let known = if name == b"Content-Type" {
            KnownField::Other
        } else if name == b"Content-Length" {
            KnownField::ContentLength
        } else if TCHAR.is_run(name) {
            KnownField::of(name)
        } else {
            return Err(name_error(name));
        };
        // A length is digits alone, so that it needs no look for controls.
        let length = if known == KnownField::ContentLength { content_length(value) } else { None };
        if length.is_none()
            && let Some(control) = first_control(value)
        {
            return Err(value_error(control, value));
        }
        let start = self.buffer.len();
        match known {
            KnownField::HopByHop => return Ok(FieldKind::HopByHop),
            KnownField::ContentLength if length.is_none() || self.content_length.is_some() => {
                return Err(FieldError::ContentLength);
            }
            _ => {}
        }
        self.has_date |= known == KnownField::Date;
        self.has_server |= known == KnownField::Server;
        self.buffer.reserve(name.len() + value.len() + 4);
        self.buffer.extend_from_slice(name);
        self.buffer.extend_from_slice(b": ");
        self.buffer.extend_from_slice(value);
        self.buffer.extend_from_slice(b"\r\n");
        if let Some(length) = length {
            self.content_length = Some((length, start..self.buffer.len()));
        }
        Ok(FieldKind::Written)
    }

    /// The status code; 0 before `start`.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Content-Length that was given.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length.as_ref().map(|(length, _)| *length)
    }

    /// Value of the first field of that name (case-insensitive), for the access log.
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        // No name or value holds a line end, so that each LF ends a line.
        self.buffer.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
            let (found, rest) = line.split_at_checked(name.len())?;
            let value = rest.strip_prefix(b": ")?.strip_suffix(b"\r")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Writes the whole head to `out`: status line (always HTTP/1.1), fields, Date and Server where missing (`server`
    /// empty: none), framing fields, Connection, empty line. `known_length`: the length of a body known whole, used where
    /// Content-Length was not given. `is_kept`: the server is willing to keep the connection and the client wants it.
    // Every response passes here, and a second caller, for answers of the engine's own, would make it a call.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "each is a fact of its own, known to the one caller")]
    pub fn finish(
        &self,
        is_head: bool,
        version: Version,
        is_kept: bool,
        known_length: Option<u64>,
        date: &[u8; 29],
        server: &[u8],
        out: &mut Vec<u8>,
    ) -> Framed {
        let given_length = self.content_length();
        let plan = Plan::of(self.status, version, given_length, known_length);
        let is_kept = is_kept && plan.body != BodyLength::UntilClose;
        out.reserve(self.buffer.len() + server.len() + TAIL_BYTES);
        self.write_fields(plan.drops_given_length, out);
        if !self.has_date {
            write_date(date, out);
        }
        if !self.has_server && !server.is_empty() {
            write_field(b"Server: ", server, out);
        }
        match plan.adds {
            Added::Nothing => {}
            Added::ContentLength(length) => write_number_field(b"Content-Length: ", length, out),
            Added::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        match (is_kept, version) {
            (true, Version::Http11) => {}
            // RFC 9112 §9.3: only an answer that says so tells an HTTP/1.0 client that the connection stays.
            (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
        }
        out.extend_from_slice(b"\r\n");
        Framed { body: if is_head { BodyLength::None } else { plan.body }, is_kept }
    }

    fn write_fields(&self, drops_given_length: bool, out: &mut Vec<u8>) {
        match &self.content_length {
            Some((_, line)) if drops_given_length => {
                out.extend_from_slice(self.buffer.get(..line.start).unwrap_or_default());
                out.extend_from_slice(self.buffer.get(line.end..).unwrap_or_default());
            }
            _ => out.extend_from_slice(&self.buffer),
        }
    }
}

/// Bytes that `finish` adds to the fields at most, `server` not counted.
const TAIL_BYTES: usize = 160;

/// What the status and the version ask of the body and its framing fields; for HEAD as for GET.
struct Plan {
    body: BodyLength,
    drops_given_length: bool,
    adds: Added,
}

/// A framing field that the application did not give.
enum Added {
    Nothing,
    ContentLength(u64),
    Chunked,
}

impl Plan {
    fn of(status: u16, version: Version, given_length: Option<u64>, known_length: Option<u64>) -> Self {
        let plan = |body, adds| Self { body, drops_given_length: false, adds };
        match (status, given_length, known_length, version) {
            // RFC 9110 §8.6: no Content-Length in a 204.
            (204, ..) => Self { drops_given_length: true, ..plan(BodyLength::None, Added::Nothing) },
            // RFC 9110 §15.3.6: a 205 says that it is empty.
            (205, ..) => Self { drops_given_length: true, ..plan(BodyLength::None, Added::ContentLength(0)) },
            // RFC 9110 §15.4.5: Content-Length in a 304 is the one that a 200 would have; only the application knows it.
            (304, ..) => plan(BodyLength::None, Added::Nothing),
            (_, Some(given), ..) => plan(BodyLength::Length(given), Added::Nothing),
            (_, None, Some(known), _) => plan(BodyLength::Length(known), Added::ContentLength(known)),
            (_, None, None, Version::Http11) => plan(BodyLength::Chunked, Added::Chunked),
            // RFC 9112 §6.1: chunked is for HTTP/1.1 clients alone.
            (_, None, None, Version::Http10) => plan(BodyLength::UntilClose, Added::Nothing),
        }
    }
}

/// Fields that the server looks at while they pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KnownField {
    HopByHop,
    ContentLength,
    Date,
    Server,
    Other,
}

impl KnownField {
    /// RFC 9110 §7.6.1 names the fields of one connection, PEP 3333 ("Other HTTP Features") forbids them to
    /// applications. The length tells most names apart before a byte of them is read.
    #[inline]
    fn of(name: &[u8]) -> Self {
        match name.len() {
            2 if is_name(name, b"te") => Self::HopByHop,
            4 if is_name(name, b"date") => Self::Date,
            6 if is_name(name, b"server") => Self::Server,
            7 if is_name(name, b"trailer") || is_name(name, b"upgrade") => Self::HopByHop,
            10 if is_name(name, b"connection") || is_name(name, b"keep-alive") => Self::HopByHop,
            14 if is_name(name, b"content-length") => Self::ContentLength,
            16 if is_name(name, b"proxy-connection") => Self::HopByHop,
            17 if is_name(name, b"transfer-encoding") => Self::HopByHop,
            18 if is_name(name, b"proxy-authenticate") => Self::HopByHop,
            19 if is_name(name, b"proxy-authorization") => Self::HopByHop,
            _ => Self::Other,
        }
    }
}

/// RFC 9112 §4: `status-code SP [ reason-phrase ]`, of a final response.
fn status_code(status: &[u8]) -> Result<u16, StatusError> {
    if let Some(control) = first_control(status) {
        return Err(StatusError::Control(control));
    }
    match status {
        [b'1', b'0'..=b'9', b'0'..=b'9', b' ', ..] => Err(StatusError::Informational),
        [a @ b'2'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
            Ok(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => Err(StatusError::Malformed),
    }
}

/// The bytes that end a line for one reader or another.
const fn is_injection(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

#[cold]
fn name_error(name: &[u8]) -> FieldError {
    if name.iter().any(|&byte| is_injection(byte)) { FieldError::Injection } else { FieldError::NameMalformed }
}

/// Injection is the graver fault, wherever in the value it stands.
#[cold]
fn value_error(control: u8, value: &[u8]) -> FieldError {
    if value.iter().any(|&byte| is_injection(byte)) { FieldError::Injection } else { FieldError::Control(control) }
}

fn write_date(date: &[u8; 29], out: &mut Vec<u8>) {
    write_field(b"Date: ", date, out);
}

/// `label` is the name with colon and space.
fn write_field(label: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(label);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_number_field(label: &[u8], number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(label);
    write_digits::<10>(number, out);
    out.extend_from_slice(b"\r\n");
}

/// `number` in the given base, without leading zeros.
fn write_digits<const BASE: u64>(number: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut left = number;
    let mut len = 0;
    for place in digits.iter_mut().rev() {
        let digit = (left % BASE) as u8;
        *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        left /= BASE;
        len += 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - len..).unwrap_or_default());
}

/// Writes the size line of a chunk of `len` > 0 bytes, CR LF included.
pub fn chunk_start(len: usize, out: &mut Vec<u8>) {
    // RFC 9112 §7.1: a chunk of size 0 would end the body.
    debug_assert!(len > 0);
    write_digits::<16>(len as u64, out);
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Ends a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The interim response that asks for the body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Writes a complete answer of the server's own: text/plain "code: text", `Connection: close`, Date; HEAD without body.
pub fn refusal(
    status: u16,
    code: &str,
    text: &str,
    is_head: bool,
    date: &[u8; 29],
    retry_after_s: Option<u32>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_digits::<10>(u64::from(status), out);
    write_field(b" ", reason(status).as_bytes(), out);
    write_date(date, out);
    out.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\n");
    write_number_field(b"Content-Length: ", (code.len() + 2 + text.len() + 1) as u64, out);
    if let Some(seconds) = retry_after_s {
        write_number_field(b"Retry-After: ", u64::from(seconds), out);
    }
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    if !is_head {
        for part in [code, ": ", text, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}
