//! From fields to body length and connection options: RFC 9112 §6.3, step by step.

use crate::grammar::{TCHAR, content_length, is_name, trim};
use crate::head::is_host_with_port;
use crate::{Limits, Reject, RejectKind, Version};

/// How the request body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Exactly so many bytes (0 when Content-Length says 0).
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
}

/// The Host field as a span of the field block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// No Host field.
    Absent,
    /// A Host field with an empty value.
    Empty,
    /// A valid `uri-host[:port]`.
    Named {
        /// Offset in the field block.
        start: u32,
        /// Length in bytes.
        len: u32,
    },
}

/// What the Connection field asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// `close` is among the options.
    pub close: bool,
    /// `keep-alive` is among the options.
    pub keep_alive: bool,
    /// `upgrade` is among the options.
    pub upgrade: bool,
}

/// Everything that is derived from one field block and the version, nothing from peer or target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldFacts {
    /// Body framing.
    pub framing: Framing,
    /// The Host field.
    pub host: Host,
    /// `Expect: 100-continue` was sent by an HTTP/1.1 client.
    pub expects_continue: bool,
    /// Connection options.
    pub connection: ConnectionOptions,
    /// A field name with an underscore is among the fields (still in the table; the gateway drops it).
    pub has_underscore_name: bool,
    /// A field is among them by which a proxy tells of its client: X-Forwarded-For, -Proto, -Protocol or -Ssl.
    pub is_forwarded: bool,
}

/// A field value and its offset in the block.
type Seen<'b> = Option<(&'b [u8], usize)>;

/// Notes the fields that concern framing, routing and the connection while a block is read.
#[derive(Default)]
pub(crate) struct Collector<'b> {
    host: Seen<'b>,
    content_length: Seen<'b>,
    transfer_encoding: Seen<'b>,
    content_type: Seen<'b>,
    authorization: Seen<'b>,
    connection: ConnectionOptions,
    expects_continue: bool,
    /// Where an expectation other than `100-continue` stands.
    unknown_expectation: Option<usize>,
    has_underscore_name: bool,
    is_forwarded: bool,
}

impl<'b> Collector<'b> {
    /// Takes note of one field whose value begins at `at`.
    #[inline]
    pub(crate) fn observe(&mut self, name: &'b [u8], value: &'b [u8], at: usize) -> Result<(), Reject> {
        self.has_underscore_name |= name.iter().fold(false, |has, &byte| has | (byte == b'_'));
        // The length tells most names apart before a byte of them is read.
        match name.len() {
            4 if is_name(name, b"host") => once(&mut self.host, value, at, RejectKind::HostRepeated),
            6 if is_name(name, b"expect") => {
                self.note_expectations(value, at);
                Ok(())
            }
            10 if is_name(name, b"connection") => {
                self.note_connection_options(value);
                Ok(())
            }
            12 if is_name(name, b"content-type") => once(&mut self.content_type, value, at, RejectKind::FieldRepeated),
            13 if is_name(name, b"authorization") => {
                once(&mut self.authorization, value, at, RejectKind::FieldRepeated)
            }
            14 if is_name(name, b"content-length") => {
                once(&mut self.content_length, value, at, RejectKind::FieldRepeated)
            }
            17 if is_name(name, b"transfer-encoding") => {
                once(&mut self.transfer_encoding, value, at, RejectKind::FieldRepeated)
            }
            15 | 17 | 20 if is_forwarding_name(name) => {
                self.is_forwarded = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What follows from all fields of `block` together.
    pub(crate) fn conclude(self, block: &'b [u8], version: Version, limits: &Limits) -> Result<FieldFacts, Reject> {
        let host = self.host(block, version)?;
        let framing = self.framing(version, limits)?;
        // RFC 9110 §10.1.1: an HTTP/1.0 client cannot read a 100, so that its expectation is ignored.
        let is_http11 = version == Version::Http11;
        if let (true, Some(at)) = (is_http11, self.unknown_expectation) {
            return Err(Reject::new(RejectKind::ExpectationUnknown, at));
        }
        Ok(FieldFacts {
            framing,
            host,
            expects_continue: is_http11 && self.expects_continue,
            connection: self.connection,
            has_underscore_name: self.has_underscore_name,
            is_forwarded: self.is_forwarded,
        })
    }

    /// RFC 9112 §3.2: exactly one valid Host in HTTP/1.1.
    fn host(&self, block: &'b [u8], version: Version) -> Result<Host, Reject> {
        let Some((value, value_start)) = self.host else {
            if version == Version::Http11 {
                return Err(Reject::new(RejectKind::HostMissing, block.len().saturating_sub(2)));
            }
            return Ok(Host::Absent);
        };
        if value.is_empty() {
            return Ok(Host::Empty);
        }
        if !is_host_with_port(value) {
            return Err(Reject::new(RejectKind::HostMalformed, value_start));
        }
        Ok(Host::Named { start: value_start as u32, len: value.len() as u32 })
    }

    /// RFC 9112 §6.3: the steps that concern requests.
    fn framing(&self, version: Version, limits: &Limits) -> Result<Framing, Reject> {
        // RFC 9112 §6.3(1) and (2) are about responses.
        if let Some((value, at)) = self.transfer_encoding {
            // RFC 9112 §6.3(3): both fields present is how smuggling starts. Refuse; picking one is guessing.
            if self.content_length.is_some() {
                return Err(Reject::new(RejectKind::TransferEncodingWithLength, at));
            }
            // RFC 9112 §6.1: in HTTP/1.0 the framing is faulty even without a length.
            if version == Version::Http10 {
                return Err(Reject::new(RejectKind::TransferEncodingInHttp10, at));
            }
            // RFC 9112 §6.3(4): chunked is the final coding, or there is no telling where the body ends.
            check_transfer_codings(value).map_err(|kind| Reject::new(kind, at))?;
            return Ok(Framing::Chunked);
        }
        // RFC 9112 §6.3(7): neither field, no body.
        let Some((value, at)) = self.content_length else { return Ok(Framing::None) };
        // RFC 9112 §6.3(5): a list of equal numbers may be refused like any other list, and is.
        let length = content_length(value).ok_or(Reject::new(RejectKind::ContentLengthMalformed, at))?;
        if length > limits.body {
            return Err(Reject::new(RejectKind::ContentTooLarge, at));
        }
        // RFC 9112 §6.3(6).
        Ok(Framing::Length(length))
    }

    /// RFC 9110 §7.6.1: a list of options, any case. Unknown ones name fields for a proxy to drop.
    fn note_connection_options(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(trim) {
            self.connection.close |= option.eq_ignore_ascii_case(b"close");
            self.connection.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.connection.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// RFC 9110 §10.1.1: a list whose only known member is `100-continue`; empty members count for nothing (§5.6.1).
    fn note_expectations(&mut self, value: &[u8], at: usize) {
        for expectation in value.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty()) {
            if expectation.eq_ignore_ascii_case(b"100-continue") {
                self.expects_continue = true;
            } else {
                self.unknown_expectation.get_or_insert(at);
            }
        }
    }
}

/// Whether a proxy tells of its client by the field. What it says counts only from a trusted peer, which is not known here.
fn is_forwarding_name(name: &[u8]) -> bool {
    is_name(name, b"x-forwarded-for")
        || is_name(name, b"x-forwarded-ssl")
        || is_name(name, b"x-forwarded-proto")
        || is_name(name, b"x-forwarded-protocol")
}

/// Keeps the only value of a field that has one: of two, each reader on the way may take another.
fn once<'b>(seen: &mut Seen<'b>, value: &'b [u8], at: usize, repeated: RejectKind) -> Result<(), Reject> {
    match seen.replace((value, at)) {
        None => Ok(()),
        Some(_) => Err(Reject::new(repeated, at)),
    }
}

/// RFC 9112 §6.1: `#transfer-coding`, of which `chunked` alone is implemented. No empty members, no parameters.
fn check_transfer_codings(value: &[u8]) -> Result<(), RejectKind> {
    let codings = || value.split(|&byte| byte == b',').map(trim);
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings().all(|coding| TCHAR.is_run(coding)) {
        return Err(RejectKind::TransferEncodingMalformed);
    }
    // RFC 9112 §7: identity was removed from the registry; where it is still sent, it hides a coding from a reader.
    if codings().any(|coding| coding.eq_ignore_ascii_case(b"identity")) {
        return Err(RejectKind::TransferEncodingIdentity);
    }
    if codings().filter(is_chunked).count() > 1 {
        return Err(RejectKind::TransferEncodingTwice);
    }
    if !codings().next_back().as_ref().is_some_and(is_chunked) {
        return Err(RejectKind::TransferEncodingNotFinal);
    }
    if codings().count() > 1 {
        return Err(RejectKind::TransferCodingUnsupported);
    }
    Ok(())
}
