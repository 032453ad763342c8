//! What a group sends next: batches of request bytes with the answers that they must get.

use crate::pattern::Body;
use crate::response::Expected;
use std::sync::Arc;

/// Bytes to send on one connection in one go, and what must come back.
#[derive(Clone)]
pub struct Batch {
    /// One or several (pipelined) requests.
    pub bytes: Arc<[u8]>,
    /// The answer to each of them, in order.
    pub expected: Arc<[Expected]>,
    /// What becomes of the connection.
    pub end: End,
}

/// What becomes of a connection after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The next batch goes over it.
    Keep,
    /// The server closes it after the last answer (asked for by the request).
    ServerCloses,
    /// The client leaves once so many bytes of answer came: by FIN, or by RST.
    Abort { after_bytes: usize, is_reset: bool },
}

/// A supply of batches; each group has its own.
pub trait Plan: Send {
    /// The next batch of at most `requests_left` requests (>= 1).
    fn next(&mut self, requests_left: u64) -> Batch;
}

/// The header set of a request template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fields {
    /// Host alone.
    #[default]
    Plain,
    /// What a desktop browser sends with a navigation: 13 fields, about 700 bytes.
    Browser,
}

/// One request, repeated.
#[derive(Clone, Debug)]
pub struct Template {
    /// Method token.
    pub method: String,
    /// Request target in origin form.
    pub target: String,
    /// Value of Host.
    pub host: String,
    /// Header set.
    pub fields: Fields,
    /// Request body; `None` sends neither body nor Content-Length.
    pub body: Option<Body>,
    /// Send the body in chunks of so many bytes; 0 = with a Content-Length.
    pub chunk_bytes: usize,
    /// The server is to close the connection after each answer, and the next request opens a new one.
    pub is_fresh: bool,
    /// The answer.
    pub expected: Expected,
}

impl Template {
    /// The bytes of the request; `extra` are further field lines, each with its CRLF.
    pub fn bytes(&self, extra: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n{extra}", self.method, self.target, self.host);
        if self.fields == Fields::Browser {
            head.push_str(BROWSER_FIELDS);
        }
        if self.is_fresh {
            head.push_str("Connection: close\r\n");
        }
        match &self.body {
            Some(_) if self.chunk_bytes > 0 => head.push_str("Transfer-Encoding: chunked\r\n"),
            Some(body) => head.push_str(&format!("Content-Length: {}\r\n", body.bytes().len())),
            None => {}
        }
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        match &self.body {
            Some(body) if self.chunk_bytes > 0 => append_chunked(&mut bytes, body.bytes(), self.chunk_bytes),
            Some(body) => bytes.extend_from_slice(body.bytes()),
            None => {}
        }
        bytes
    }
}

/// The same request for ever, `depth` at a time.
pub struct Repeat {
    single: Vec<u8>,
    expected: Expected,
    end: End,
    full: Batch,
}

impl Repeat {
    /// Repeats `template`; `depth` (>= 1) requests are sent together and answered before the next ones.
    pub fn new(template: &Template, depth: usize) -> Self {
        let single = template.bytes("");
        let end = if template.is_fresh { End::ServerCloses } else { End::Keep };
        let full = batch_of(&single, &template.expected, depth, end);
        Self { single, expected: template.expected.clone(), end, full }
    }
}

impl Plan for Repeat {
    fn next(&mut self, requests_left: u64) -> Batch {
        let depth = self.full.expected.len();
        match usize::try_from(requests_left) {
            Ok(left) if left < depth => batch_of(&self.single, &self.expected, left, self.end),
            _ => self.full.clone(),
        }
    }
}

fn batch_of(single: &[u8], expected: &Expected, depth: usize, end: End) -> Batch {
    Batch { bytes: single.repeat(depth).into(), expected: vec![expected.clone(); depth].into(), end }
}

/// `chunked-body` (RFC 9112 §7.1) in chunks of `chunk_bytes`.
fn append_chunked(out: &mut Vec<u8>, body: &[u8], chunk_bytes: usize) {
    for chunk in body.chunks(chunk_bytes) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
}

const BROWSER_FIELDS: &str = concat!(
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.7\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Referer: https://example.org/articles/2024/the-way-of-a-request\r\n",
    "Cookie: session=eyJfZnJlc2giOmZhbHNlfQ.ZxYw1Q.4dJm8o1mC2vJv9q0b6nXw7T5hKs; theme=dark; csrftoken=Yk3vQ8mZr1\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "Sec-Fetch-Dest: document\r\n",
    "Sec-Fetch-Mode: navigate\r\n",
    "Sec-Fetch-Site: same-origin\r\n",
    "Sec-Fetch-User: ?1\r\n",
    "Priority: u=0, i\r\n",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn template(body: Option<Body>, chunk_bytes: usize) -> Template {
        Template {
            method: "POST".into(),
            target: "/".into(),
            host: "h".into(),
            fields: Fields::Plain,
            body,
            chunk_bytes,
            is_fresh: false,
            expected: Expected { status: 200, body: Body::empty(), is_head: false, request_id: 0 },
        }
    }

    #[test]
    fn a_body_goes_with_its_length_or_in_chunks() {
        let body = Some(Body::literal(b"hello"));
        assert_eq!(
            template(body.clone(), 0).bytes(""),
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
        );
        assert_eq!(
            template(body, 4).bytes(""),
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n1\r\no\r\n0\r\n\r\n"
        );
    }

    #[test]
    fn the_last_batch_is_no_deeper_than_what_is_left() {
        let mut plan = Repeat::new(&template(None, 0), 16);
        assert_eq!(plan.next(100).expected.len(), 16);
        assert_eq!(plan.next(3).expected.len(), 3);
    }
}
