//! Host and request target: what is accepted is in the grammar of RFC 3986, and its parts are parts of what was sent.
#![no_main]

use dragoman_fuzz::reference::{is_host_with_port, is_path};
use dragoman_http1::head::decode_path;
use dragoman_http1::{FieldTable, Host, Limits, TargetForm, Version, fields, request_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check_host(bytes);
    for method in ["GET", "OPTIONS"] {
        check_target(method, bytes);
        check_target(method, &[b"/", bytes].concat());
        check_target(method, &[b"http://", bytes].concat());
        check_target(method, &[b"HTTPS://", bytes, b"/?"].concat());
    }
});

fn check_host(value: &[u8]) {
    let block = [b"Host: ", value, b"\r\n\r\n"].concat();
    let mut table = FieldTable::new();
    let Ok(facts) = fields(&block, Version::Http11, &Limits::default(), &mut table) else { return };
    match facts.host {
        Host::Absent => assert!(!table.iter(&block).any(|(name, _)| name.eq_ignore_ascii_case(b"host"))),
        Host::Empty => assert!(table.iter(&block).any(|(_, value)| value.is_empty())),
        Host::Named { start, len } => {
            let host = &block[start as usize..][..len as usize];
            assert!(is_host_with_port(host) && !host.contains(&b','), "Host: {}", host.escape_ascii());
        }
    }
}

fn check_target(method: &str, target: &[u8]) {
    let bytes = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
    let Ok(Some(line)) = request_line(&bytes, &Limits::default()) else { return };
    // The input may hold a line of its own; then it is that line that was read.
    assert!(line.target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
    if line.form == TargetForm::Asterisk {
        return assert_eq!((line.method, line.target, line.path), (&b"OPTIONS"[..], &b"*"[..], &b"*"[..]));
    }
    assert!(is_path(line.path), "path {}", line.path.escape_ascii());
    assert_eq!(line.path_is_encoded, line.path.contains(&b'%'));
    let after_authority = match (line.form, line.authority) {
        (TargetForm::Absolute, Some(authority)) => {
            assert!(is_host_with_port(authority) && !authority.contains(&b','), "{}", authority.escape_ascii());
            let scheme_len = line.target.windows(3).position(|three| three == b"://").expect("a scheme") + 3;
            let scheme = line.target[..scheme_len].to_ascii_lowercase();
            assert!(scheme == b"http://" || scheme == b"https://");
            line.target[scheme_len..].strip_prefix(authority).expect("the authority follows the scheme")
        }
        (TargetForm::Origin, None) => line.target,
        other => panic!("{other:?}"),
    };
    // Path and query are the rest of the target; only an absent path is made up.
    let query_start = after_authority.iter().position(|&byte| byte == b'?');
    let (path, query) = after_authority.split_at(query_start.unwrap_or(after_authority.len()));
    assert_eq!(line.path, if path.is_empty() { b"/" } else { path });
    assert_eq!(line.query, query.strip_prefix(b"?").unwrap_or_default());
    let mut decoded = Vec::new();
    decode_path(line.path, &mut decoded);
    assert_eq!(decoded, naively_decoded(line.path));
    assert!(!decoded.contains(&0));
}

fn naively_decoded(path: &[u8]) -> Vec<u8> {
    let mut parts = path.split(|&byte| byte == b'%');
    let mut decoded = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let digits = std::str::from_utf8(&part[..2]).expect("ASCII");
        decoded.push(u8::from_str_radix(digits, 16).expect("two digits"));
        decoded.extend_from_slice(&part[2..]);
    }
    decoded
}
