//! Writes a record as one line: what each atom says, and how a value that somebody else chose is made harmless.

use super::format::{Atom, Format, MAX_REQUEST_FIELDS, length_bit};
use super::line::Line;
use super::stamp::Stamp;
use crate::gateway::Peer;
use crate::record::Record;
use std::fmt::Write;
use std::net::IpAddr;

impl Format {
    /// Writes `record`, without the line end. `stamp` is that of the record's second.
    pub(super) fn write(&self, record: &Record<'_>, stamp: &Stamp, pid: u32, line: &mut Line<'_>) {
        let mut fields = Fields { values: [None; MAX_REQUEST_FIELDS], is_repeated: 0 };
        fields.collect(record, self);
        let fields = &fields;
        if self.is_json {
            Pen::<true> { format: self, record, fields, line }.write(stamp, pid);
        } else {
            Pen::<false> { format: self, record, fields, line }.write(stamp, pid);
        }
    }
}

/// Values of the request fields that a format names.
struct Fields<'r> {
    values: [Option<&'r [u8]>; MAX_REQUEST_FIELDS],
    /// Bit n: there is more than one field of that name, `values` has the first.
    is_repeated: u32,
}

impl<'r> Fields<'r> {
    /// Finds them in one pass.
    fn collect(&mut self, record: &Record<'r>, format: &Format) {
        let Some((table, block)) = record.fields else { return };
        if format.request_fields.is_empty() {
            return;
        }
        for (name, value) in table.iter(block) {
            if format.field_lengths & length_bit(name) == 0 {
                continue;
            }
            for (index, (wanted, slot)) in format.request_fields.iter().zip(&mut self.values).enumerate() {
                if !is_name(wanted, name) {
                    continue;
                }
                if slot.is_none() { *slot = Some(value) } else { self.is_repeated |= 1 << index }
            }
        }
    }
}

/// Whether `name`, in whatever case, is `lower_case`. For short names cheaper than `eq_ignore_ascii_case`.
#[inline]
fn is_name(lower_case: &[u8], name: &[u8]) -> bool {
    lower_case.len() == name.len()
        && lower_case.iter().zip(name).all(|(&wanted, &byte)| LOWER_CASE[usize::from(byte)] == wanted)
}

static LOWER_CASE: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).to_ascii_lowercase();
        byte += 1;
    }
    table
};

/// The address of a connection's other end. That of a unix socket is the empty text.
fn address_of(peer: &Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tcp(address) => Some(address.ip()),
        Peer::Unix => None,
    }
}

/// Writes one line. A constant says whether it is JSON, so that the text formats pay nothing for it.
struct Pen<'p, 'r, 'b, const JSON: bool> {
    format: &'p Format,
    record: &'p Record<'r>,
    fields: &'p Fields<'r>,
    line: &'p mut Line<'b>,
}

impl<const JSON: bool> Pen<'_, '_, '_, JSON> {
    fn write(&mut self, stamp: &Stamp, pid: u32) {
        for piece in &self.format.pieces {
            self.line.block(&piece.text, piece.text_len);
            if let Some(atom) = &piece.atom {
                self.atom(atom, stamp, pid);
            }
        }
    }

    #[inline]
    fn atom(&mut self, atom: &Atom, stamp: &Stamp, pid: u32) {
        let record = self.record;
        let duration_us = record.duration_us;
        match atom {
            Atom::Peer => self.host(address_of(record.peer)),
            Atom::Client => self.host(record.client.or(address_of(record.peer))),
            Atom::Port => match record.peer {
                // As REMOTE_PORT: a proxy tells the address alone.
                _ if record.client.is_some() => self.absent(),
                Peer::Tcp(address) => self.line.number(address.port().into()),
                Peer::Unix => self.absent(),
            },
            Atom::User(field) => self.user(*field),
            Atom::Time => self.line.raw(stamp.common()),
            Atom::IsoTime => self.quoted(|pen| {
                pen.line.raw(stamp.iso());
                pen.line.digits(record.unix_us / 1000 % 1000, 3);
                pen.line.raw(b"Z");
            }),
            Atom::RequestLine => self.of_request_line(|pen| {
                pen.escaped(record.method);
                pen.line.raw(b" ");
                pen.escaped(record.target);
                pen.line.raw(b" ");
                pen.line.raw(record.protocol());
            }),
            Atom::Method => self.of_request_line(|pen| pen.escaped(record.method)),
            Atom::Target => self.of_request_line(|pen| pen.escaped(record.target)),
            Atom::Path => self.of_request_line(|pen| pen.escaped(record.path)),
            Atom::Query => self.quoted(|pen| pen.escaped(record.query)),
            Atom::Protocol => self.of_request_line(|pen| pen.line.raw(record.protocol())),
            Atom::Status => self.line.number(record.status.into()),
            Atom::BodyBytes => self.line.number(record.body_bytes),
            Atom::DurationSeconds => self.line.number(duration_us / 1_000_000),
            Atom::DurationMillis => self.line.number(duration_us / 1000),
            Atom::DurationMicros => self.line.number(duration_us),
            Atom::DurationDecimal => {
                self.line.number(duration_us / 1_000_000);
                self.line.raw(b".");
                self.line.digits(duration_us % 1_000_000, 6);
            }
            Atom::Pid => {
                self.line.raw(b"<");
                self.line.number(pid.into());
                self.line.raw(b">");
            }
            Atom::RequestField(index) => self.request_field(*index),
            Atom::ResponseField(name) => match record.response_field(name) {
                Some(value) => self.quoted(|pen| pen.escaped(value)),
                None => self.absent(),
            },
        }
    }

    fn host(&mut self, address: Option<IpAddr>) {
        match address {
            Some(address) => self.quoted(|pen| match address {
                IpAddr::V4(ip) => {
                    let [a, b, c, d] = ip.octets();
                    pen.line.octet_and_dot(a);
                    pen.line.octet_and_dot(b);
                    pen.line.octet_and_dot(c);
                    pen.line.number(d.into());
                }
                // RFC 5952. The standard library's text costs some 1,000 instructions.
                IpAddr::V6(ip) => drop(write!(pen.line, "{ip}")),
            }),
            // An empty column would shift all others.
            None => self.absent(),
        }
    }

    /// A part of the request line; absent when none could be read.
    fn of_request_line(&mut self, write: impl FnOnce(&mut Self)) {
        if self.record.method.is_empty() { self.absent() } else { self.quoted(write) }
    }

    fn request_field(&mut self, index: usize) {
        let Some(&Some(value)) = self.fields.values.get(index) else { return self.absent() };
        self.quoted(|pen| {
            pen.escaped(value);
            if pen.fields.is_repeated & (1 << index) != 0 {
                pen.repeated(index);
            }
        });
    }

    /// The field lines after the first, RFC 9110 §5.2: in order, with commas between.
    #[cold]
    fn repeated(&mut self, index: usize) {
        let (Some(wanted), Some((table, block))) = (self.format.request_fields.get(index), self.record.fields) else {
            return;
        };
        let values = table.iter(block).filter(|(name, _)| is_name(wanted, name));
        for (_, value) in values.skip(1) {
            self.line.raw(b",");
            self.escaped(value);
        }
    }

    /// The user-id of Basic credentials, RFC 7617 §2.
    fn user(&mut self, authorization: usize) {
        let Some(&Some(credentials)) = self.fields.values.get(authorization) else { return self.absent() };
        let Some(token) = basic_token(credentials) else { return self.absent() };
        let mut len = 0;
        if user_id(token, |_| len += 1) && len > 0 {
            user_id(token, |byte| self.user_byte(byte));
        } else {
            self.absent();
        }
    }

    fn user_byte(&mut self, byte: u8) {
        // The column has no quotes: a space would begin the next one.
        if byte == b' ' { self.line.raw(b"\\x20") } else { self.escaped(&[byte]) }
    }

    fn escaped(&mut self, bytes: &[u8]) {
        if JSON { self.line.json(bytes) } else { self.line.text(bytes) }
    }

    fn quoted(&mut self, write: impl FnOnce(&mut Self)) {
        if JSON {
            self.line.raw(b"\"");
        }
        write(self);
        if JSON {
            self.line.raw(b"\"");
        }
    }

    fn absent(&mut self) {
        if JSON { self.line.raw(b"null") } else { self.line.raw(b"-") }
    }
}

/// What follows `Basic` (case-insensitive) and spaces.
fn basic_token(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked(5)?;
    let is_basic = scheme.eq_ignore_ascii_case(b"basic") && token.starts_with(b" ");
    is_basic.then(|| token.trim_ascii())
}

/// Gives the bytes before the first colon of a base64 text (RFC 4648 §4); `false`: it is none.
fn user_id(token: &[u8], mut give: impl FnMut(u8)) -> bool {
    let mut bits: u32 = 0;
    let mut count = 0;
    for &char in token.strip_suffix(b"==").or(token.strip_suffix(b"=")).unwrap_or(token) {
        let value = match char {
            b'A'..=b'Z' => char - b'A',
            b'a'..=b'z' => char - b'a' + 26,
            b'0'..=b'9' => char - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return false,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            match (bits >> count) as u8 {
                b':' => return true,
                byte => give(byte),
            }
        }
    }
    // Credentials without a colon name a user all the same, as gunicorn has it.
    true
}
