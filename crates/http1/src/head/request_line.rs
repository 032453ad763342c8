//! The request line: `method SP request-target SP HTTP-version CRLF`, RFC 9112 §3.

use super::Version;
use super::scanner::Scanner;
use super::target::{Target, TargetForm};
use crate::grammar::{TARGET, TCHAR, is_blank};
use crate::{Limits, Reject, RejectKind};
use memchr::memchr;

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

/// RFC 9112 §2.2 asks to skip at least one empty line that an old client sent after a body; a flood of them is none.
pub const MAX_EMPTY_LINES: usize = 3;

/// Parses the request line at the start of `buffer`; `None` while the line is incomplete.
///
/// Keeps every rule of the line by itself, so that a caller who has the whole line need not scan it first. While the
/// line is incomplete only its length is judged: [`Scanner`] finds the other faults as the bytes arrive.
pub fn request_line<'b>(buffer: &'b [u8], limits: &Limits) -> Result<Option<RequestLine<'b>>, Reject> {
    if let Some(line) = common_line(buffer, limits) {
        return Ok(Some(line));
    }
    // Line ends, NUL and size come first, as they do when the bytes arrive one by one.
    checked_line(buffer, limits).map_err(|reject| Scanner::request_line_fault(buffer, limits).unwrap_or(reject))
}

/// The line that nearly every request has, in one pass: origin form, HTTP/1.1 or 1.0, no empty line before it. `None`
/// says nothing about the line: [`checked_line`] judges it.
#[inline(always)]
fn common_line<'b>(buffer: &'b [u8], limits: &Limits) -> Option<RequestLine<'b>> {
    // The bytes that end each part are in none of its classes, so that no part runs past the line.
    let method_len = TCHAR.first_outside(buffer.get(..=limits.method).unwrap_or(buffer))?;
    let (method, [b' ', rest @ ..]) = buffer.split_at_checked(method_len)? else { return None };
    let [b'/', ..] = rest else { return None };
    let Target { form, authority, path, path_is_encoded, query, len: target_len } = Target::origin(rest).ok()?;
    let (target, after) = rest.split_at_checked(target_len)?;
    let version = match after.first_chunk::<11>()? {
        b" HTTP/1.1\r\n" => Version::Http11,
        b" HTTP/1.0\r\n" => Version::Http10,
        _ => return None,
    };
    let line_len = method_len + 1 + target_len + b" HTTP/1.1".len();
    if method.is_empty() || method == b"CONNECT" || line_len > limits.request_line {
        return None;
    }
    let len = line_len + 2;
    Some(RequestLine { method, target, form, authority, path, path_is_encoded, query, version, len })
}

/// Any line, judged part by part.
fn checked_line<'b>(buffer: &'b [u8], limits: &Limits) -> Result<Option<RequestLine<'b>>, Reject> {
    let start = skip_empty_lines(buffer)?;
    let rest = buffer.get(start..).unwrap_or_default();
    // The longest line and its CR LF.
    let window = rest.get(..limits.request_line.saturating_add(2)).unwrap_or(rest);
    let Some(lf) = memchr(b'\n', window) else {
        let longest = limits.request_line.saturating_add(usize::from(rest.last() == Some(&b'\r')));
        if rest.len() > longest {
            return Err(Reject::new(RejectKind::RequestLineTooLong, start + limits.request_line));
        }
        return Ok(None);
    };
    let Some((line, b"\r")) = window.get(..lf).and_then(|line| line.split_at_checked(lf.wrapping_sub(1))) else {
        return Err(Reject::new(RejectKind::BareLf, start + lf));
    };
    parse(line, limits, start + lf + 1).map(Some).map_err(|reject| reject.shifted(start))
}

fn skip_empty_lines(buffer: &[u8]) -> Result<usize, Reject> {
    let mut rest = buffer;
    let mut start = 0;
    while let [b'\r', b'\n', after @ ..] = rest {
        if start == 2 * MAX_EMPTY_LINES {
            return Err(Reject::new(RejectKind::EmptyLines, start));
        }
        rest = after;
        start += 2;
    }
    Ok(start)
}

/// Parses a line without its CR LF; `len` is what it takes of the message.
fn parse<'b>(line: &'b [u8], limits: &Limits, len: usize) -> Result<RequestLine<'b>, Reject> {
    let (method, rest) = split_method(line, limits)?;
    let target_start = method.len() + 1;
    let origin = match rest.first() {
        Some(b'/') => Some(Target::origin(rest).map_err(|reject| reject.shifted(target_start))?),
        _ => None,
    };
    let target_len = origin.map_or_else(|| TARGET.first_outside(rest).unwrap_or(rest.len()), |target| target.len);
    let (target, version) = split_target(rest, target_len).map_err(|reject| reject.shifted(target_start))?;
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => rare_version(line, version).map_err(|kind| Reject::new(kind, target_start + target_len + 1))?,
    };
    if method == b"CONNECT" {
        return Err(Reject::new(RejectKind::ConnectUnsupported, 0));
    }
    let Target { form, authority, path, path_is_encoded, query, .. } = match origin {
        Some(origin) => origin,
        None => Target::other(target, method).map_err(|reject| reject.shifted(target_start))?,
    };
    Ok(RequestLine { method, target, form, authority, path, path_is_encoded, query, version, len })
}

/// The method and what follows the space after it.
fn split_method<'b>(line: &'b [u8], limits: &Limits) -> Result<(&'b [u8], &'b [u8]), Reject> {
    let end = TCHAR.first_outside(line).unwrap_or(line.len());
    let (method, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    match rest {
        [b' ', rest @ ..] if !method.is_empty() => {
            if method.len() > limits.method {
                return Err(Reject::new(RejectKind::MethodTooLong, limits.method));
            }
            Ok((method, rest))
        }
        [] | [b' ' | b'\t', ..] => Err(Reject::new(RejectKind::RequestLineSpacing, end)),
        _ => Err(Reject::new(RejectKind::MethodMalformed, end)),
    }
}

/// The target and the version after it, which may still be anything.
fn split_target(rest: &[u8], len: usize) -> Result<(&[u8], &[u8]), Reject> {
    let (target, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
    let kind = match after {
        [b' ', version @ ..] if !target.is_empty() => return Ok((target, version)),
        [] if !target.is_empty() => RejectKind::Http09,
        [] | [b' ' | b'\t', ..] => RejectKind::RequestLineSpacing,
        _ => RejectKind::TargetMalformed,
    };
    Err(Reject::new(kind, len))
}

/// RFC 9112 §2.3: `HTTP-version = HTTP-name "/" DIGIT "." DIGIT`, case-sensitive; RFC 9110 §2.5: a higher minor version
/// than ours is read as ours.
#[cold]
fn rare_version(line: &[u8], version: &[u8]) -> Result<Version, RejectKind> {
    match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::Http11),
        _ if line == b"PRI * HTTP/2.0" => Err(RejectKind::Http2Preface),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(RejectKind::VersionUnsupported)
        }
        _ if version.is_empty() || version.iter().any(|&byte| is_blank(byte)) => Err(RejectKind::RequestLineSpacing),
        _ => Err(RejectKind::VersionMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_common_line_is_read_as_any_line_is(
            line in "[A-Z:]{0,4}(CONNECT)? {1,2}/?[/a-c%14#\\x7f]{0,6}\\??[a-c%?/]{0,4} HTTP/[12]\\.[012]\\r?\\n?",
            rest in "(Host: a\r\n)?",
            request_line in 0_usize..30,
        ) {
            let buffer: String = line + &rest;
            for limits in [Limits::default(), Limits { request_line, method: 3, ..Limits::default() }] {
                if let Some(line) = common_line(buffer.as_bytes(), &limits) {
                    prop_assert_eq!(checked_line(buffer.as_bytes(), &limits), Ok(Some(line)));
                }
            }
        }
    }

    #[test]
    fn a_plain_get_is_a_common_line() {
        let line = common_line(b"GET /a%41?b HTTP/1.1\r\n", &Limits::default());
        assert_eq!(line, checked_line(b"GET /a%41?b HTTP/1.1\r\n", &Limits::default()).unwrap());
        assert!(line.is_some());
    }
}
