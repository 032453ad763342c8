//! The request target: its forms, its authority, its path; RFC 9112 §3.2 and RFC 3986.

use crate::grammar::{PATH_PLAIN, REG_NAME, TARGET, hex_value};
use crate::{Reject, RejectKind};
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use memchr::memchr;

/// The forms of a request target, RFC 9112 §3.2. Authority form belongs to CONNECT, which is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetForm {
    /// `/path?query`.
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `*`.
    Asterisk,
}

/// A target taken apart.
#[derive(Clone, Copy)]
pub(super) struct Target<'b> {
    pub(super) form: TargetForm,
    pub(super) authority: Option<&'b [u8]>,
    pub(super) path: &'b [u8],
    pub(super) path_is_encoded: bool,
    pub(super) query: &'b [u8],
    /// Bytes of the target.
    pub(super) len: usize,
}

impl<'b> Target<'b> {
    /// Reads `absolute-path [ "?" query ]` from the front of `bytes`, up to the first byte that is no part of it.
    ///
    /// `//host/path` and dot segments are a path like any other: never an authority, never resolved.
    #[inline(always)]
    pub(super) fn origin(bytes: &'b [u8]) -> Result<Self, Reject> {
        let (path_len, path_is_encoded) = path_len(bytes)?;
        let (path, rest) = bytes.split_at_checked(path_len).unwrap_or((bytes, &[]));
        let (query, len) = match rest {
            [b'?', rest @ ..] => {
                let query_len = TARGET.first_outside(rest).unwrap_or(rest.len());
                (rest.get(..query_len).unwrap_or_default(), path_len + 1 + query_len)
            }
            _ => (&[][..], path_len),
        };
        Ok(Self { form: TargetForm::Origin, authority: None, path, path_is_encoded, query, len })
    }

    /// Reads a target that does not begin with `/` and holds only bytes that a target may hold.
    pub(super) fn other(target: &'b [u8], method: &[u8]) -> Result<Self, Reject> {
        if target == b"*" {
            if method != b"OPTIONS" {
                return Err(Reject::new(RejectKind::AsteriskNotOptions, 0));
            }
            let (form, query) = (TargetForm::Asterisk, &[][..]);
            return Ok(Self { form, authority: None, path: target, path_is_encoded: false, query, len: target.len() });
        }
        let authority_start = scheme_len(target)?;
        let hierarchy = target.get(authority_start..).unwrap_or_default();
        let authority_len = hierarchy.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(hierarchy.len());
        let (authority, rest) = hierarchy.split_at_checked(authority_len).unwrap_or((hierarchy, &[]));
        if authority.contains(&b'@') {
            return Err(Reject::new(RejectKind::TargetUserinfo, authority_start));
        }
        if !is_host_with_port(authority) {
            return Err(Reject::new(RejectKind::TargetAuthority, authority_start));
        }
        let mut read = Self::origin(rest).map_err(|reject| reject.shifted(authority_start + authority_len))?;
        if read.path.is_empty() {
            read.path = b"/";
        }
        Ok(Self { form: TargetForm::Absolute, authority: Some(authority), len: target.len(), ..read })
    }
}

/// Whether `bytes` is a non-empty `uri-host [ ":" port ]`, RFC 9110 §7.2 with RFC 3986 §3.2.2.
///
/// Stricter than the grammar where two readers could differ: no comma, no zone and no `IPvFuture` in brackets (no such
/// version exists), a port of at most 65535.
pub(crate) fn is_host_with_port(bytes: &[u8]) -> bool {
    let (is_host, port) = match bytes {
        [b'[', rest @ ..] => match memchr(b']', rest).and_then(|end| rest.split_at_checked(end)) {
            Some((address, [b']', port @ ..])) => (is_ipv6(address), port),
            _ => return false,
        },
        _ => {
            let end = bytes.iter().position(|&byte| byte == b':').unwrap_or(bytes.len());
            let (name, port) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            (is_reg_name(name), port)
        }
    };
    is_host
        && match port {
            [] => true,
            [b':', digits @ ..] => is_port(digits),
            _ => false,
        }
}

/// Percent-decodes the path of a checked request line onto `out`.
///
/// A `%` without two hexadecimal digits, which no checked line holds, is copied as it is.
pub fn decode_path(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some((plain, escaped)) = memchr(b'%', rest).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        let (byte, after) = match escaped {
            [_, high, low, after @ ..] => (hex_pair(*high, *low), after),
            _ => (None, escaped),
        };
        // Without a value the % stands for itself.
        out.push(byte.unwrap_or(b'%'));
        rest = if byte.is_some() { after } else { escaped.get(1..).unwrap_or_default() };
    }
    out.extend_from_slice(rest);
}

/// Bytes of the path at the front of `bytes`, and whether an escape is among them.
#[inline(always)]
fn path_len(bytes: &[u8]) -> Result<(usize, bool), Reject> {
    let plain_len = PATH_PLAIN.first_outside(bytes).unwrap_or(bytes.len());
    if bytes.get(plain_len) == Some(&b'%') {
        return Ok((encoded_path_len(bytes, plain_len)?, true));
    }
    Ok((plain_len, false))
}

/// As [`path_len`], for a path whose first escape is at `at`.
fn encoded_path_len(bytes: &[u8], mut at: usize) -> Result<usize, Reject> {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += PATH_PLAIN.first_outside(rest).unwrap_or(rest.len());
        match bytes.get(at..) {
            // A decoded NUL ends the string for whoever reads it in C.
            Some([b'%', b'0', b'0', ..]) => return Err(Reject::new(RejectKind::TargetNul, at)),
            Some([b'%', high, low, ..]) if hex_pair(*high, *low).is_some() => at += 3,
            Some([b'%', ..]) => return Err(Reject::new(RejectKind::TargetEscape, at)),
            _ => return Ok(at),
        }
    }
}

/// Bytes of `http://` or `https://`, any case (RFC 3986 §3.1).
fn scheme_len(target: &[u8]) -> Result<usize, Reject> {
    let colon = memchr(b':', target).ok_or(Reject::new(RejectKind::TargetMalformed, 0))?;
    let (scheme, rest) = target.split_at_checked(colon).unwrap_or((target, &[]));
    if !rest.starts_with(b"://") {
        return Err(Reject::new(RejectKind::TargetMalformed, colon));
    }
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Reject::new(RejectKind::TargetScheme, 0));
    }
    Ok(colon + 3)
}

/// RFC 3986 §2.1: `pct-encoded = "%" HEXDIG HEXDIG`, the byte that the two digits stand for.
fn hex_pair(high: u8, low: u8) -> Option<u8> {
    Some(hex_value(high)? << 4 | hex_value(low)?)
}

fn is_ipv6(address: &[u8]) -> bool {
    core::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

fn is_reg_name(name: &[u8]) -> bool {
    REG_NAME.is_run(name) || (!name.is_empty() && is_encoded_reg_name(name))
}

fn is_encoded_reg_name(mut name: &[u8]) -> bool {
    loop {
        name = match name {
            [] => return true,
            [b'%', high, low, rest @ ..] if hex_pair(*high, *low).is_some() => rest,
            [byte, rest @ ..] if REG_NAME.has(*byte) => rest,
            _ => return false,
        };
    }
}

/// RFC 3986 §3.2.3: `*DIGIT`, so that an empty port is the scheme's own.
fn is_port(digits: &[u8]) -> bool {
    digits.len() <= 5
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0_u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65535
}
