//! Slow readers, written from the grammar without a look at the crates: what is accepted must read the same here.

/// A request as its sender meant it.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'b> {
    pub method: &'b [u8],
    pub target: &'b [u8],
    pub version: &'b [u8],
    pub fields: Vec<(&'b [u8], &'b [u8])>,
    pub body: Vec<u8>,
    /// Bytes of all of it.
    pub len: usize,
}

/// A response head as its receiver sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct ResponseHead<'b> {
    pub status: u16,
    pub reason: &'b [u8],
    pub fields: Vec<(&'b [u8], &'b [u8])>,
    /// Bytes of it, final empty line included.
    pub len: usize,
}

/// RFC 9112 §2.1: one request at the front of `bytes`; `None` for whatever a strict reader does not take.
pub fn request(bytes: &[u8]) -> Option<Request<'_>> {
    let mut at = 0;
    while bytes[at..].starts_with(b"\r\n") {
        at += 2;
    }
    let line = line_at(bytes, &mut at)?;
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = parts[..] else { return None };
    if !is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    if !matches!(version, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9']) {
        return None;
    }
    let fields = fields_at(bytes, &mut at)?;
    let values = |name: &str| -> Vec<&[u8]> {
        fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
            .collect()
    };
    let (body, len) = match (&values("transfer-encoding")[..], &values("content-length")[..]) {
        ([], []) => (Vec::new(), 0),
        ([], [length]) => {
            let len = decimal(length)?;
            (bytes.get(at..at.checked_add(len)?)?.to_vec(), len)
        }
        // RFC 9112 §6.1: a chunked body in HTTP/1.0 has faulty framing.
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") && version != b"HTTP/1.0" => chunked(&bytes[at..])?,
        _ => return None,
    };
    Some(Request { method, target, version, fields, body, len: at + len })
}

/// RFC 9112 §4 and §5: one response head at the front of `bytes`.
pub fn response_head(bytes: &[u8]) -> Option<ResponseHead<'_>> {
    let mut at = 0;
    let line = line_at(bytes, &mut at)?;
    let rest = line.strip_prefix(b"HTTP/1.1 ")?;
    let (code, reason) = rest.split_at_checked(3)?;
    let reason = reason.strip_prefix(b" ")?;
    if !code.iter().all(u8::is_ascii_digit) || !reason.iter().all(is_value_byte) {
        return None;
    }
    let status = decimal(code)? as u16;
    let fields = fields_at(bytes, &mut at)?;
    Some(ResponseHead { status, reason, fields, len: at })
}

/// RFC 9112 §7.1: (data, bytes used) of the chunked body at the front of `bytes`; sizes and extensions unbounded.
pub fn chunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut at, mut data) = (0, Vec::new());
    loop {
        let line = line_at(bytes, &mut at)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if !is_chunk_extension(extension) {
            return None;
        }
        if size == 0 {
            fields_at(bytes, &mut at)?;
            return Some((data, at));
        }
        data.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
}

/// RFC 3986 §3.2.2 and §3.2.3: `host [ ":" port ]` with a host that is not empty.
pub fn is_host_with_port(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_host =
        if text.starts_with('[') { is_ipv6(host) } else { !host.is_empty() && is_made_of(host, "!$&'()*+,;=") };
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.chars().all(|c| c.is_ascii_digit())))
}

/// RFC 3986 §3.3: `*( "/" segment )`, with the bytes besides that are let through to the application.
pub fn is_path(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|path| {
        path.starts_with('/') && is_made_of(path, "!$&'()*+,;=:@/\"<>[\\]^`{|}") && !path.contains("%00")
    })
}

/// RFC 3986 §3.2.2: `IPv6address`, counted piece by piece.
fn is_ipv6(address: &str) -> bool {
    let (left, right) = match address.split_once("::") {
        Some((left, right)) if !right.contains("::") => (left, Some(right)),
        Some(_) => return false,
        None => (address, None),
    };
    let groups = |part: &str, may_end_in_ipv4: bool| -> Option<usize> {
        if part.is_empty() {
            return Some(0);
        }
        let pieces: Vec<&str> = part.split(':').collect();
        let last = pieces.len() - 1;
        pieces.iter().enumerate().try_fold(0, |count, (index, piece)| {
            let is_h16 = (1..=4).contains(&piece.len()) && piece.chars().all(|c| c.is_ascii_hexdigit());
            match (is_h16, index == last && may_end_in_ipv4 && is_ipv4(piece)) {
                (true, _) => Some(count + 1),
                (false, true) => Some(count + 2),
                (false, false) => None,
            }
        })
    };
    match right {
        None => groups(left, true) == Some(8),
        Some(right) => groups(left, false).zip(groups(right, true)).is_some_and(|(left, right)| left + right <= 7),
    }
}

/// RFC 3986 §3.2.2: four `dec-octet`s, without leading zeros.
fn is_ipv4(address: &str) -> bool {
    let octets: Vec<&str> = address.split('.').collect();
    octets.len() == 4 && octets.iter().all(|octet| octet.parse::<u8>().is_ok_and(|value| value.to_string() == *octet))
}

/// `unreserved`, `pct-encoded`, and the characters of `others`: RFC 3986 §2.
fn is_made_of(text: &str, others: &str) -> bool {
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let mut is_escape = || rest.by_ref().take(2).filter(char::is_ascii_hexdigit).count() == 2;
        let is_plain = character.is_ascii_alphanumeric() || "-._~".contains(character) || others.contains(character);
        if !(is_plain || character == '%' && is_escape()) {
            return false;
        }
    }
    true
}

/// RFC 9112 §7.1.1: `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`.
fn is_chunk_extension(bytes: &[u8]) -> bool {
    let mut rest = trim_start(bytes);
    if rest.is_empty() {
        return bytes.is_empty();
    }
    loop {
        let Some(after) = rest.strip_prefix(b";") else { return false };
        rest = trim_start(after);
        let name = rest.iter().take_while(|byte| is_token(&[**byte])).count();
        if name == 0 {
            return false;
        }
        let mut end = &rest[name..];
        if let Some(value) = trim_start(end).strip_prefix(b"=") {
            let Some(after) = after_value(trim_start(value)) else { return false };
            end = after;
        }
        if end.is_empty() {
            return true;
        }
        rest = trim_start(end);
    }
}

/// What follows the token or quoted string at the front.
fn after_value(bytes: &[u8]) -> Option<&[u8]> {
    let Some(quoted) = bytes.strip_prefix(b"\"") else {
        let token = bytes.iter().take_while(|byte| is_token(&[**byte])).count();
        return (token > 0).then(|| &bytes[token..]);
    };
    let mut at = 0;
    loop {
        match quoted.get(at)? {
            b'"' => return Some(&quoted[at + 1..]),
            b'\\' if is_value_byte(quoted.get(at + 1)?) => at += 2,
            byte if *byte != b'\\' && is_value_byte(byte) => at += 1,
            _ => return None,
        }
    }
}

/// The line at `at` without its CR LF, which `at` is moved behind. A CR or LF of its own is no line end.
fn line_at<'b>(bytes: &'b [u8], at: &mut usize) -> Option<&'b [u8]> {
    let rest = bytes.get(*at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    let line = &rest[..end];
    (!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))).then_some(line)
}

/// Field lines up to and with the empty line.
fn fields_at<'b>(bytes: &'b [u8], at: &mut usize) -> Option<Vec<(&'b [u8], &'b [u8])>> {
    let mut fields = Vec::new();
    loop {
        let line = line_at(bytes, at)?;
        if line.is_empty() {
            return Some(fields);
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || !value.iter().all(is_value_byte) {
            return None;
        }
        let value = trim_start(value);
        let blanks = value.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        fields.push((name, &value[..value.len() - blanks]));
    }
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[blanks..]
}

/// RFC 9110 §5.6.2.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// RFC 9110 §5.5: HTAB, SP, VCHAR, obs-text.
pub fn is_value_byte(byte: &u8) -> bool {
    *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)
}

/// `1*DIGIT`.
pub fn decimal(digits: &[u8]) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}
