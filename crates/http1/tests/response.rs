//! What response heads become on the wire: RFC 9112 §4 and §6, RFC 9110 §15, PEP 3333.

use dragoman_http1::response::{CHUNK_END, CONTINUE, LAST_CHUNK, chunk_start, refusal};
use dragoman_http1::{
    BodyLength, ChunkedDecoder, FieldError, FieldKind, Framed, Limits, ResponseHead, StatusError, Version, reason,
};

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// A request and what the server knows of the body.
#[derive(Clone, Copy)]
struct Asked {
    is_head: bool,
    version: Version,
    is_kept: bool,
    known_length: Option<u64>,
}

const GET: Asked = Asked { is_head: false, version: Version::Http11, is_kept: true, known_length: None };
const GET_1_0: Asked = Asked { version: Version::Http10, ..GET };
const HEAD: Asked = Asked { is_head: true, ..GET };

fn head(status: &str, fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::new();
    head.start(status.as_bytes()).unwrap();
    for (name, value) in fields {
        head.field(name.as_bytes(), value.as_bytes()).unwrap();
    }
    head
}

/// The head without its status line, Date and Server, which every one has; and the framing.
fn finish(head: &ResponseHead, asked: Asked) -> (String, Framed) {
    let mut out = Vec::new();
    let framed =
        head.finish(asked.is_head, asked.version, asked.is_kept, asked.known_length, DATE, b"dragoman", &mut out);
    let text = String::from_utf8(out).unwrap();
    let (_, rest) = text.split_once("\r\n").unwrap();
    let common = format!("Date: {}\r\nServer: dragoman\r\n", std::str::from_utf8(DATE).unwrap());
    assert_eq!(rest.matches(&common).count(), 1, "{text}");
    (rest.replace(&common, "").replace("\r\n", "|"), framed)
}

fn kept(body: BodyLength) -> Framed {
    Framed { body, is_kept: true }
}

#[test]
fn a_head_is_status_line_fields_date_server_and_an_empty_line() {
    let head = head("200 OK", &[("Content-Type", "text/plain"), ("Content-Length", "13")]);
    let mut out = b"before".to_vec();
    let framed = head.finish(false, Version::Http11, true, None, DATE, b"dragoman", &mut out);
    let expected = "beforeHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\
                    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: dragoman\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(framed, kept(BodyLength::Length(13)));
}

#[test]
fn date_and_server_are_the_applications_where_it_gives_them() {
    let head = head("200 OK", &[("date", "now"), ("SERVER", "me"), ("Content-Length", "0")]);
    let mut out = Vec::new();
    head.finish(false, Version::Http11, true, None, DATE, b"dragoman", &mut out);
    assert_eq!(out, b"HTTP/1.1 200 OK\r\ndate: now\r\nSERVER: me\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn an_empty_server_name_gives_no_server_field() {
    let mut out = Vec::new();
    head("200 OK", &[("Date", "now")]).finish(false, Version::Http11, true, Some(2), DATE, b"", &mut out);
    assert_eq!(out, b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\n");
}

#[test]
fn order_case_and_repetition_of_fields_stay() {
    let fields = [("set-cookie", "a=1"), ("X", ""), ("Set-Cookie", "b=2"), ("Content-Length", "0")];
    assert_eq!(finish(&head("200 OK", &fields), GET).0, "set-cookie: a=1|X: |Set-Cookie: b=2|Content-Length: 0||");
}

#[test]
fn without_a_length_http_1_1_is_chunked_and_http_1_0_closes() {
    let head = head("200 OK", &[]);
    assert_eq!(finish(&head, GET), ("Transfer-Encoding: chunked||".into(), kept(BodyLength::Chunked)));
    let until_close = Framed { body: BodyLength::UntilClose, is_kept: false };
    assert_eq!(finish(&head, GET_1_0), ("Connection: close||".into(), until_close));
}

#[test]
fn a_known_length_is_written_where_none_was_given() {
    let known = Asked { known_length: Some(7), ..GET };
    assert_eq!(finish(&head("200 OK", &[]), known), ("Content-Length: 7||".into(), kept(BodyLength::Length(7))));
    let given = head("200 OK", &[("Content-Length", "9")]);
    assert_eq!(finish(&given, known), ("Content-Length: 9||".into(), kept(BodyLength::Length(9))));
}

#[test]
fn a_connection_that_ends_says_so_and_one_kept_for_http_1_0_too() {
    let head = head("200 OK", &[("Content-Length", "1")]);
    let length = BodyLength::Length(1);
    let closing = Framed { body: length, is_kept: false };
    assert_eq!(
        finish(&head, Asked { is_kept: false, ..GET }),
        ("Content-Length: 1|Connection: close||".into(), closing)
    );
    assert_eq!(finish(&head, GET_1_0), ("Content-Length: 1|Connection: keep-alive||".into(), kept(length)));
    assert_eq!(
        finish(&head, Asked { is_kept: false, ..GET_1_0 }),
        ("Content-Length: 1|Connection: close||".into(), closing)
    );
}

#[test]
fn head_gets_the_head_that_get_would_have_and_no_body() {
    for fields in [&[][..], &[("Content-Length", "5")], &[("X", "y")]] {
        for known_length in [None, Some(3)] {
            for version in [Version::Http10, Version::Http11] {
                let head = head("200 OK", fields);
                let (as_get, framed) = finish(&head, Asked { known_length, version, ..GET });
                let (as_head, head_framed) = finish(&head, Asked { known_length, version, ..HEAD });
                assert_eq!(as_head, as_get);
                assert_eq!(head_framed, Framed { body: BodyLength::None, ..framed });
            }
        }
    }
}

#[test]
fn a_204_has_no_body_and_no_length() {
    for asked in [GET, GET_1_0, HEAD, Asked { known_length: Some(4), ..GET }] {
        let (fields, framed) =
            finish(&head("204 No Content", &[("A", "1"), ("Content-Length", "4"), ("B", "2")]), asked);
        let expected =
            if asked.version == Version::Http10 { "A: 1|B: 2|Connection: keep-alive||" } else { "A: 1|B: 2||" };
        assert_eq!((fields.as_str(), framed), (expected, kept(BodyLength::None)));
    }
}

#[test]
fn a_205_says_that_it_is_empty() {
    let with_length = head("205 Reset Content", &[("Content-Length", "4"), ("A", "1")]);
    for (head, expected) in
        [(with_length, "A: 1|Content-Length: 0||"), (head("205 Reset Content", &[]), "Content-Length: 0||")]
    {
        assert_eq!(finish(&head, GET), (expected.into(), kept(BodyLength::None)));
    }
}

#[test]
fn a_304_has_no_body_and_keeps_the_length_that_was_given() {
    let known = Asked { known_length: Some(0), ..GET };
    let given = head("304 Not Modified", &[("Content-Length", "4")]);
    assert_eq!(finish(&given, known), ("Content-Length: 4||".into(), kept(BodyLength::None)));
    assert_eq!(finish(&head("304 Not Modified", &[]), known), ("|".into(), kept(BodyLength::None)));
}

#[test]
fn a_status_is_three_digits_a_space_and_a_reason() {
    let mut head = ResponseHead::new();
    for status in ["200 OK", "200 ", "999 x", "404 Not\tFound", "200 caf\u{e9}", "200  two blanks"] {
        assert_eq!(head.start(status.as_bytes()), Ok(()), "{status}");
        assert!(head.is_started());
    }
    for status in ["", "200", "20 OK", "2000 OK", "099 x", "+20 x", "abc def", " 200 OK", "200-OK", "２00 OK"] {
        assert_eq!(head.start(status.as_bytes()), Err(StatusError::Malformed), "{status}");
    }
    for (status, control) in
        [("200 OK\r\nX: y", 13), ("200 OK\n", 10), ("200 \0", 0), ("200 a\x7f", 127), ("200 long reason\x1b", 27)]
    {
        assert_eq!(head.start(status.as_bytes()), Err(StatusError::Control(control)), "{status:?}");
    }
    for status in ["100 Continue", "101 Switching Protocols", "199 x"] {
        assert_eq!(head.start(status.as_bytes()), Err(StatusError::Informational), "{status}");
    }
}

#[test]
fn a_new_start_forgets_the_old_head_and_a_refused_one_keeps_it() {
    let mut head = head("200 OK", &[("Content-Length", "5"), ("Date", "d"), ("Server", "s"), ("X", "y")]);
    assert_eq!(head.start(b"bad"), Err(StatusError::Malformed));
    assert_eq!((head.status(), head.content_length(), head.find(b"x")), (200, Some(5), Some(&b"y"[..])));
    head.start(b"500 Oops").unwrap();
    assert_eq!((head.status(), head.content_length(), head.find(b"x")), (500, None, None));
    assert_eq!(finish(&head, GET).0, "Transfer-Encoding: chunked||");
    head.clear();
    assert!(!head.is_started());
    assert_eq!(head.status(), 0);
}

#[test]
fn field_names_are_tokens() {
    let mut head = head("200 OK", &[]);
    for name in ["", "X Y", "X:", "X(", "caf\u{e9}", " X", "X\t"] {
        assert_eq!(head.field(name.as_bytes(), b"v"), Err(FieldError::NameMalformed), "{name:?}");
    }
    for name in ["X\r\nY", "X\n", "\0"] {
        assert_eq!(head.field(name.as_bytes(), b"v"), Err(FieldError::Injection), "{name:?}");
    }
    assert_eq!(finish(&head, GET).0, "Transfer-Encoding: chunked||");
}

#[test]
fn field_values_hold_no_control_but_tab_wherever_it_stands() {
    for control in (0..0x20).chain([0x7f]).filter(|&byte| byte != b'\t') {
        for at in 0..20 {
            let mut value = [b'v'; 20];
            value[at] = control;
            let expected = match control {
                0 | b'\r' | b'\n' => FieldError::Injection,
                other => FieldError::Control(other),
            };
            assert_eq!(head("200 OK", &[]).field(b"X", &value), Err(expected), "{control:#x} at {at}");
        }
    }
}

#[test]
fn injection_is_named_even_behind_another_control() {
    assert_eq!(head("200 OK", &[]).field(b"X", b"\x01\r\nSet-Cookie: a"), Err(FieldError::Injection));
}

#[test]
fn tabs_and_bytes_from_0x80_pass() {
    let value = b"a\tb \x80\x9f\xa0\xff and more than one word";
    let mut head = head("200 OK", &[]);
    assert_eq!(head.field(b"X", value), Ok(FieldKind::Written));
    assert_eq!(head.find(b"x"), Some(&value[..]));
}

#[test]
fn hop_by_hop_fields_are_dropped_and_their_likes_are_not() {
    let mut response = head("200 OK", &[("Content-Length", "0")]);
    let hop_by_hop = [
        "Connection",
        "keep-alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "TRANSFER-ENCODING",
        "Upgrade",
    ];
    for name in hop_by_hop {
        assert_eq!(response.field(name.as_bytes(), b"x"), Ok(FieldKind::HopByHop), "{name}");
    }
    for name in ["Proxy-Status", "Trailers", "Connections", "Upgrade-Insecure-Requests", "Via"] {
        assert_eq!(response.field(name.as_bytes(), b"x"), Ok(FieldKind::Written), "{name}");
    }
    assert_eq!(response.field(b"Transfer-Encoding", b"a\nb"), Err(FieldError::Injection));
    let expected = "Content-Length: 0|Proxy-Status: x|Trailers: x|Connections: x|Upgrade-Insecure-Requests: x|Via: x||";
    assert_eq!(finish(&response, GET).0, expected);
}

#[test]
fn content_length_is_digits_and_comes_once() {
    for value in ["", "-1", "+1", " 1", "1 ", "1,1", "0x1", "9223372036854775808", "1\u{661}"] {
        let mut head = head("200 OK", &[]);
        assert_eq!(head.field(b"content-LENGTH", value.as_bytes()), Err(FieldError::ContentLength), "{value:?}");
        assert_eq!(head.content_length(), None);
    }
    let mut head = head("200 OK", &[("Content-Length", "9223372036854775807")]);
    assert_eq!(head.field(b"Content-Length", b"1"), Err(FieldError::ContentLength));
    assert_eq!(head.content_length(), Some(9_223_372_036_854_775_807));
}

#[test]
fn a_field_is_found_by_its_whole_name_in_any_case() {
    let head = head("200 X-A: no", &[("X-Ab", "1"), ("X-A", "2"), ("x-a", "3"), ("Empty", "")]);
    assert_eq!(head.find(b"X-a"), Some(&b"2"[..]));
    assert_eq!(head.find(b"EMPTY"), Some(&b""[..]));
    assert_eq!(head.find(b"X"), None);
    assert_eq!(head.find(b""), None);
}

#[test]
fn chunks_that_are_written_are_read_back() {
    let mut out = Vec::new();
    let sizes = [1, 9, 10, 15, 16, 255, 4096, 70_000];
    for size in sizes {
        chunk_start(size, &mut out);
        out.extend(std::iter::repeat_n(b'd', size));
        out.extend_from_slice(CHUNK_END);
    }
    out.extend_from_slice(LAST_CHUNK);
    assert!(out.starts_with(b"1\r\nd\r\n9\r\n"));
    let (mut decoder, mut at, mut body) = (ChunkedDecoder::new(), 0, 0);
    loop {
        let step = decoder.decode(&out[at..], &Limits::default()).unwrap();
        at += step.consumed;
        body += step.data.len();
        if step.is_end {
            break;
        }
    }
    assert_eq!((at, body), (out.len(), sizes.iter().sum()));
}

#[test]
fn a_refusal_is_a_whole_closing_answer() {
    let mut out = Vec::new();
    refusal(503, "busy", "All threads are taken.", false, DATE, Some(1), &mut out);
    let expected = "HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 29\r\nRetry-After: 1\r\n\
                    Connection: close\r\n\r\nbusy: All threads are taken.\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_refusal_of_head_has_no_body() {
    let mut out = Vec::new();
    refusal(400, "bare-lf", "A line.", true, DATE, None, &mut out);
    assert!(out.ends_with(b"Content-Length: 17\r\nConnection: close\r\n\r\n"));
}

#[test]
fn reason_phrases_are_the_registered_ones() {
    assert_eq!((reason(200), reason(413), reason(799)), ("OK", "Content Too Large", "Unknown"));
    assert_eq!(CONTINUE, format!("HTTP/1.1 100 {}\r\n\r\n", reason(100)).as_bytes());
}
