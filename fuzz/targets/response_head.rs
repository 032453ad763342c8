//! Response heads: whatever an application gives, what comes out is one head with what was accepted of it.
#![no_main]

use arbitrary::Arbitrary;
use dragoman_fuzz::reference::{self, decimal, is_token, is_value_byte};
use dragoman_http1::{BodyLength, FieldError, FieldKind, Framed, ResponseHead, StatusError, Version};
use libfuzzer_sys::fuzz_target;

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";
const SERVER: &[u8] = b"dragoman";
/// RFC 9110 §7.6.1 and PEP 3333: fields of one connection.
const HOP_BY_HOP: [&[u8]; 9] = [
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

#[derive(Arbitrary, Debug)]
struct Given<'b> {
    status: Status<'b>,
    fields: Vec<(Name<'b>, &'b [u8])>,
    is_head: bool,
    is_http10: bool,
    is_kept: bool,
    known_length: Option<u64>,
    has_server: bool,
}

/// Good ones often, so that the fields have their turn.
#[derive(Arbitrary, Debug)]
enum Status<'b> {
    Code(u16),
    Bytes(&'b [u8]),
}

#[derive(Arbitrary, Debug)]
enum Name<'b> {
    ContentLength,
    Date,
    Server,
    HopByHop(u8),
    Bytes(&'b [u8]),
}

impl Name<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::ContentLength => b"Content-Length",
            Self::Date => b"date",
            Self::Server => b"SERVER",
            Self::HopByHop(index) => HOP_BY_HOP[usize::from(*index) % HOP_BY_HOP.len()],
            Self::Bytes(bytes) => bytes,
        }
    }
}

fuzz_target!(|given: Given| {
    let status = match given.status {
        Status::Code(code) => format!("{} Reason", code % 1000).into_bytes(),
        Status::Bytes(bytes) => bytes.to_vec(),
    };
    let mut head = ResponseHead::new();
    let started = head.start(&status);
    assert_eq!(started.is_ok(), is_final_status(&status), "{}", status.escape_ascii());
    match started {
        Err(StatusError::Control(byte)) => return assert!(status.contains(&byte)),
        Err(_) => return assert!(!head.is_started()),
        Ok(()) => {}
    }
    let written = write_fields(&mut head, &given.fields);
    let version = if given.is_http10 { Version::Http10 } else { Version::Http11 };
    let server = if given.has_server { SERVER } else { b"" };
    let mut out = b"before".to_vec();
    let framed = head.finish(given.is_head, version, given.is_kept, given.known_length, DATE, server, &mut out);
    let out = out.strip_prefix(b"before").expect("what was there stays");

    let parsed = reference::response_head(out).expect("one well-formed head");
    assert_eq!(parsed.len, out.len(), "something follows the head");
    assert_eq!((parsed.status, parsed.reason), (head.status(), &status[4..]));
    check_fields(&parsed, &written, given.has_server);
    check_framing(&parsed, framed, &given, version);
});

/// `3DIGIT SP reason`, 200 to 999.
fn is_final_status(status: &[u8]) -> bool {
    matches!(status, [b'2'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', reason @ ..] if reason.iter().all(is_value_byte))
}

/// Gives the fields to `head`; those that it took.
fn write_fields<'g>(head: &mut ResponseHead, fields: &'g [(Name<'g>, &'g [u8])]) -> Vec<(&'g [u8], &'g [u8])> {
    let mut written: Vec<(&[u8], &[u8])> = Vec::new();
    for (name, value) in fields {
        let name = name.bytes();
        let is_injection = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        let has_length = head.content_length().is_some();
        match head.field(name, value) {
            Ok(kind) => {
                assert!(is_token(name) && value.iter().all(is_value_byte));
                let is_hop_by_hop = HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop));
                assert_eq!(kind == FieldKind::HopByHop, is_hop_by_hop);
                assert!(!is_length || (!has_length && decimal(value).is_some()));
                if kind == FieldKind::Written {
                    written.push((name, value));
                }
            }
            Err(FieldError::Injection) => assert!(is_injection(name) || is_injection(value)),
            Err(FieldError::NameMalformed) => assert!(!is_token(name) && !is_injection(name)),
            Err(FieldError::Control(byte)) => assert!(value.contains(&byte) && !is_injection(value)),
            Err(FieldError::ContentLength) => {
                assert!(is_length && (has_length || decimal(value).is_none_or(|length| length as u64 > u64::MAX >> 1)));
            }
        }
    }
    for (name, _) in &written {
        let first = written.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
        assert_eq!(head.find(name), first);
    }
    written
}

/// Every field that was taken comes out once, in order, and nothing else but what the server adds.
fn check_fields(parsed: &reference::ResponseHead<'_>, written: &[(&[u8], &[u8])], has_server: bool) {
    let is = |name: &'static [u8]| move |field: &&(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name);
    let is_length = is(b"content-length");
    let given: Vec<_> =
        written.iter().filter(|field| !is_length(field)).map(|(name, value)| (*name, trim(value))).collect();
    let came: Vec<_> = parsed.fields.iter().filter(|field| !is_length(field)).copied().collect();
    assert!(came.starts_with(&given), "{came:?} {given:?}");
    for (name, _) in &came[given.len()..] {
        assert!(
            [&b"Date"[..], b"Server", b"Connection", b"Transfer-Encoding"].contains(name),
            "{}",
            name.escape_ascii()
        );
    }
    assert!(parsed.fields.iter().any(|field| is(b"date")(&field)));
    assert!(!has_server || parsed.fields.iter().any(|field| is(b"server")(&field)));
}

/// RFC 9112 §6.3, as a client reads it.
fn check_framing(parsed: &reference::ResponseHead<'_>, framed: Framed, given: &Given<'_>, version: Version) {
    let values = |name: &[u8]| -> Vec<&[u8]> {
        let named = parsed.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value).collect()
    };
    let (lengths, codings, options) = (values(b"content-length"), values(b"transfer-encoding"), values(b"connection"));
    assert!(lengths.len() <= 1 && codings.len() <= 1 && options.len() <= 1);
    assert!(lengths.is_empty() || codings.is_empty());
    let has_no_body = given.is_head || matches!(parsed.status, 204 | 304 | 205);
    match framed.body {
        BodyLength::None => assert!(has_no_body),
        BodyLength::Length(length) => {
            // As it was given, which may be with zeros before it.
            assert_eq!(lengths.first().and_then(|value| decimal(value)), Some(length as usize));
        }
        BodyLength::Chunked => assert!(codings == [b"chunked"] && version == Version::Http11),
        BodyLength::UntilClose => assert!(lengths.is_empty() && codings.is_empty() && !framed.is_kept),
    }
    assert_eq!(framed.body == BodyLength::None, has_no_body);
    match parsed.status {
        204 => assert!(lengths.is_empty() && codings.is_empty()),
        205 => assert_eq!(lengths, [b"0"]),
        304 => assert!(codings.is_empty()),
        _ => {}
    }
    assert!(!framed.is_kept || given.is_kept);
    let option = options.first().copied();
    match (framed.is_kept, version) {
        (true, Version::Http11) => assert_eq!(option, None),
        (true, Version::Http10) => assert_eq!(option, Some(&b"keep-alive"[..])),
        (false, _) => assert_eq!(option, Some(&b"close"[..])),
    }
}

fn trim(value: &[u8]) -> &[u8] {
    let start = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let end = value.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if start == value.len() { &[] } else { &value[start..value.len() - end] }
}
