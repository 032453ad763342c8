//! What holds for every input: one reading however it is split, no panic, nothing injected.

mod support;

use dragoman_http1::response::{CHUNK_END, LAST_CHUNK, chunk_start};
use dragoman_http1::{
    ChunkedDecoder, FieldTable, Limits, Reject, RejectKind, ResponseHead, Scanner, Version, fields, head::decode_path,
    request_line,
};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{Message, Order, Outcome, every_byte, read};

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// A thousand cases each; more with `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(1000), failure_persistence: None, ..default }
}

/// Small limits, so that short inputs pass them.
const TIGHT: Limits = Limits {
    request_line: 40,
    method: 8,
    field: 24,
    fields: 4,
    head: 120,
    body: 40,
    chunk_extension: 8,
    chunk_extensions: 20,
    trailer_fields: 2,
    trailers: 30,
};

/// Limits that let nothing through.
const NOTHING: Limits = Limits {
    request_line: 0,
    method: 0,
    field: 0,
    fields: 0,
    head: 0,
    body: 0,
    chunk_extension: 0,
    chunk_extensions: 0,
    trailer_fields: 0,
    trailers: 0,
};

/// The pieces that chunked bodies and attacks on them are made of.
const CHUNK_PIECES: &[&str] = &[
    "1\r\nx\r\n",
    "5\r\nhello\r\n",
    "0\r\n",
    "\r\n",
    "\r",
    "\n",
    ";a",
    "=\"b\"",
    " ",
    "0",
    "A: b\r\n",
    "Host: a\r\n",
    "a",
    "000000000000001",
    "ffffffffffffffff",
];

/// The pieces that messages and attacks on them are made of.
const PIECES: &[&str] = &[
    "GET",
    "POST",
    "CONNECT",
    "OPTIONS",
    " ",
    "/",
    "*",
    "/a?b",
    "http://b/c",
    "%41",
    "%00",
    "%zz",
    "#",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "\r\n",
    "\r\n\r\n",
    "\r",
    "\n",
    "\0",
    "\t",
    "\x16",
    "Host: a",
    "Host:",
    "Content-Length: 5",
    "Content-Length: 0",
    "hello",
    "Transfer-Encoding: chunked",
    "Connection: close",
    "Expect: 100-continue",
    "X_Y: z",
    "X",
    ":",
    ": ",
    ";",
    "5",
    "0",
    "\u{e9}",
    "longer-than-the-tight-limit-of-one-field",
    "GET / HTTP/1.1\r\nHost: a\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    ";a=b",
    "\"",
    "\\",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec());
    vec(prop_oneof![8 => piece, 1 => vec(any::<u8>(), 1..4)], 0..24).prop_map(|pieces| pieces.concat())
}

/// A message that most often is a good one.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let field = ("[A-Za-z_-]{1,12}", "[ -~\u{e9}\t]{0,20}").prop_map(|(name, value)| format!("{name}: {value}\r\n"));
    let line = ("[A-Z]{1,8}", "/[a-z/.~%4]{0,12}", "(\\?[a-z=&%]{0,8})?", "1\\.[019]")
        .prop_map(|(method, path, query, version)| format!("{method} {path}{query} HTTP/{version}\r\n"));
    let body = prop_oneof![
        Just(Vec::new()),
        Just(b"\r\n".to_vec()),
        chunked_body().prop_map(|(_, encoded)| [&b"Transfer-Encoding: chunked\r\n\r\n"[..], &encoded].concat()),
        vec(any::<u8>(), 0..30)
            .prop_map(|body| [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()),
    ];
    (line, vec(field, 0..5), body)
        .prop_map(|(line, fields, body)| [line.as_bytes(), b"Host: a\r\n", fields.concat().as_bytes(), &body].concat())
}

/// (data, encoding) of a chunked body.
fn chunked_body() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    vec(vec(any::<u8>(), 1..40), 0..8).prop_map(|chunks| {
        let mut encoded = Vec::new();
        for chunk in &chunks {
            chunk_start(chunk.len(), &mut encoded);
            encoded.extend_from_slice(chunk);
            encoded.extend_from_slice(CHUNK_END);
        }
        encoded.extend_from_slice(LAST_CHUNK);
        (chunks.concat(), encoded)
    })
}

/// A response field name, good or bad.
fn field_name() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z-]{1,18}", "[!-~]{0,4}", ".{0,4}"]
}

/// A response field value, good or bad.
fn field_value() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~\t]{0,30}", ".{0,30}", "[\r\n\0a]{0,3}"]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![soup(), plausible(), (plausible(), soup()).prop_map(|(message, soup)| [message, soup].concat())]
}

fn cuts(bytes: &[u8], places: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// Decodes a chunked body that arrives in the given pieces; gives the data, the bytes used and whether it ended.
/// A refusal without its offset, which counts from the piece that shows it.
fn decode(bytes: &[u8], cuts: &[usize], limits: &Limits) -> Result<(Vec<u8>, usize, bool), RejectKind> {
    let (mut decoder, mut at, mut data) = (ChunkedDecoder::new(), 0, Vec::new());
    for &end in cuts.iter().chain([&bytes.len()]) {
        loop {
            let input = &bytes[at..end.max(at)];
            let step = decoder.decode(input, limits).map_err(|reject| {
                assert!(reject.at <= input.len());
                reject.kind
            })?;
            at += step.consumed;
            data.extend_from_slice(step.data);
            if step.is_end {
                return Ok((data, at, true));
            }
            if step.consumed == 0 {
                break;
            }
        }
    }
    Ok((data, at, false))
}

/// The head as a client would send it that says the same.
fn rewritten(message: &Message) -> Vec<u8> {
    let version = if message.version == Version::Http10 { "1.0" } else { "1.1" };
    let mut head = [&message.method, &b" "[..], &message.target, b" HTTP/", version.as_bytes(), b"\r\n"].concat();
    for (name, value) in &message.fields {
        head.extend([name, &b": "[..], value, b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The lines of a head as a naive reader sees them, for whom CR, LF and CR LF all end one.
fn naive_lines(head: &[u8]) -> usize {
    let text: Vec<u8> = head.to_vec();
    let crlf = text.windows(2).filter(|pair| pair == b"\r\n").count();
    let bare = text.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count() - 2 * crlf;
    crlf + bare
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whole_and_split_deliveries_agree(
        bytes in message(), places in vec(any::<prop::sample::Index>(), 0..6), is_tight in any::<bool>(),
    ) {
        let limits = if is_tight { TIGHT } else { Limits::default() };
        let whole = read(&bytes, &[], Order::ScanFirst, &limits);
        prop_assert_eq!(&read(&bytes, &every_byte(&bytes), Order::ScanFirst, &limits), &whole);
        prop_assert_eq!(&read(&bytes, &cuts(&bytes, &places), Order::ScanFirst, &limits), &whole);
        prop_assert_eq!(&read(&bytes, &[], Order::LineFirst, &limits), &whole);
        prop_assert_eq!(&read(&bytes, &every_byte(&bytes), Order::LineFirst, &limits), &whole);
    }

    #[test]
    fn an_accepted_head_written_out_again_parses_the_same(bytes in message()) {
        if let Outcome::Accepted(message) = read(&bytes, &[], Order::ScanFirst, &Limits::default()) {
            let mut head = rewritten(&message);
            head.extend_from_slice(&bytes[message.head_len..message.len]);
            let Outcome::Accepted(again) = read(&head, &[], Order::ScanFirst, &Limits::default()) else {
                return Err(TestCaseError::fail("refused when written out again"));
            };
            prop_assert_eq!(&again.fields, &message.fields);
            prop_assert_eq!(&again.target, &message.target);
            prop_assert_eq!(&again.path, &message.path);
            prop_assert_eq!(again.facts.framing, message.facts.framing);
            prop_assert_eq!(again.facts.connection, message.facts.connection);
            prop_assert_eq!(&again.body, &message.body);
        }
    }

    #[test]
    fn no_function_panics_on_arbitrary_bytes(bytes in prop_oneof![vec(any::<u8>(), 0..200), soup()]) {
        for limits in [Limits::default(), TIGHT, NOTHING] {
            let _ = Scanner::new().scan(&bytes, &limits);
            let _ = request_line(&bytes, &limits);
            let mut table = FieldTable::new();
            for version in [Version::Http10, Version::Http11] {
                let _ = fields(&bytes, version, &limits, &mut table);
                prop_assert!(table.iter(&bytes).count() == table.len());
            }
            let _ = decode(&bytes, &every_byte(&bytes), &limits);
            let mut path = Vec::new();
            decode_path(&bytes, &mut path);
            prop_assert!(path.len() <= bytes.len());
        }
    }

    /// httparse tells names and values apart, and a reader of our own explains what it refuses: both draw one line.
    #[test]
    fn field_blocks_are_accepted_exactly_when_no_line_of_them_has_a_fault(
        lines in vec("[A-Za-z]{0,2}[ \t\u{b}(]{0,1}:{0,1}[ \ta\u{7}\u{e9}\r\n]{0,4}(\r\n|\r\n|\r\n|\n)", 0..22),
    ) {
        let block = [lines.concat().as_bytes(), b"\r\n"].concat();
        let mut table = FieldTable::new();
        let read = fields(&block, Version::Http10, &Limits::default(), &mut table);
        prop_assert_eq!(read.is_ok(), is_good_block(&block), "{:?}", block.escape_ascii().to_string());
    }

    #[test]
    fn chunked_bodies_decode_to_their_data_however_they_are_split(
        (data, encoded) in chunked_body(), places in vec(any::<prop::sample::Index>(), 0..6), next in soup(),
    ) {
        let limits = Limits::default();
        let both = [&encoded[..], &next].concat();
        for cuts in [vec![], cuts(&both, &places), every_byte(&both)] {
            prop_assert_eq!(decode(&both, &cuts, &limits), Ok((data.clone(), encoded.len(), true)));
        }
    }

    #[test]
    fn chunked_soup_is_judged_the_same_however_it_is_split(
        pieces in vec(prop::sample::select(CHUNK_PIECES), 0..12),
        places in vec(any::<prop::sample::Index>(), 0..6), is_tight in any::<bool>(),
    ) {
        let limits = if is_tight { TIGHT } else { Limits::default() };
        let bytes = pieces.concat().into_bytes();
        let whole = decode(&bytes, &[], &limits);
        prop_assert_eq!(&decode(&bytes, &cuts(&bytes, &places), &limits), &whole);
        prop_assert_eq!(&decode(&bytes, &every_byte(&bytes), &limits), &whole);
    }

    #[test]
    fn paths_decode_to_what_was_encoded(raw in vec(1_u8.., 0..40)) {
        let encoded: String = raw.iter().map(|byte| format!("%{byte:02x}")).collect();
        let line = format!("GET /{encoded} HTTP/1.1\r\n");
        let line = request_line(line.as_bytes(), &Limits::default()).unwrap().unwrap();
        let mut path = Vec::new();
        decode_path(line.path, &mut path);
        prop_assert_eq!(&path[1..], &raw);
        prop_assert_eq!(line.path_is_encoded, !raw.is_empty());
    }

    #[test]
    fn response_heads_that_are_written_parse_to_what_was_given(
        status in prop_oneof!["[1-9][0-9]{2} [ -~\t\u{a0}-\u{ff}]{0,20}", ".{0,12}"],
        given in vec((field_name(), field_value()), 0..8),
        is_head in any::<bool>(), is_kept in any::<bool>(), is_http10 in any::<bool>(),
        known_length in proptest::option::of(any::<u64>()),
    ) {
        let mut head = ResponseHead::new();
        if head.start(status.as_bytes()).is_ok() {
            let mut written = vec![];
            for (name, value) in &given {
                if head.field(name.as_bytes(), value.as_bytes()) == Ok(dragoman_http1::FieldKind::Written) {
                    written.push((name.as_str(), value.as_bytes()));
                }
            }
            let version = if is_http10 { Version::Http10 } else { Version::Http11 };
            let mut out = Vec::new();
            let framed = head.finish(is_head, version, is_kept, known_length, DATE, b"d", &mut out);
            let mut lines = [httparse::EMPTY_HEADER; 16];
            let mut parsed = httparse::Response::new(&mut lines);
            prop_assert_eq!(parsed.parse(&out), Ok(httparse::Status::Complete(out.len())));
            prop_assert_eq!(parsed.code, Some(head.status()));
            // Status line, fields, empty line: no reader sees another line.
            prop_assert_eq!(naive_lines(&out), parsed.headers.len() + 2);
            let has = |name: &str| parsed.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
            prop_assert!(!(has("Content-Length") && has("Transfer-Encoding")));
            prop_assert_eq!(has("Connection"), !framed.is_kept || is_http10);
            let is_length = |name: &str| name.eq_ignore_ascii_case("content-length");
            let kept: Vec<_> = written.iter().filter(|(name, _)| !is_length(name)).collect();
            for (header, (name, value)) in parsed.headers.iter().filter(|header| !is_length(header.name)).zip(kept) {
                prop_assert_eq!(header.name, *name);
                prop_assert_eq!(header.value.trim_ascii(), value.trim_ascii());
            }
        }
    }
}

/// Straight from the grammar of RFC 9112 §5, with no thought of speed.
fn is_good_block(block: &[u8]) -> bool {
    let Some(lines) = block.strip_suffix(b"\r\n") else { return false };
    let mut rest = lines;
    while !rest.is_empty() {
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return false };
        let line = &rest[..end];
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return false };
        let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let is_value_byte = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        if colon == 0 || !line[..colon].iter().all(is_token_byte) || !line[colon + 1..].iter().all(is_value_byte) {
            return false;
        }
        rest = &rest[end + 2..];
    }
    true
}

#[test]
fn a_trickled_head_that_never_ends_is_refused_at_the_limit() {
    let limits = Limits::default();
    let mut buffer = b"GET / HTTP/1.1\r\n".to_vec();
    let mut scanner = Scanner::new();
    let refused = loop {
        buffer.extend_from_slice(b"A: b\r\n");
        match scanner.scan(&buffer, &Limits { fields: usize::MAX, ..limits }) {
            Ok(None) => {}
            other => break other,
        }
    };
    assert_eq!(refused, Err(Reject { kind: RejectKind::HeadTooLarge, at: limits.head }));
    assert!(buffer.len() < limits.head + 6);
}
