//! What a line says: each atom, the named formats, escapes, and formats that are refused.

use super::format::{Format, FormatError, FormatErrorKind};
use super::line::Buffer;
use super::stamp::Stamp;
use crate::gateway::Peer;
use crate::record::Record;
use dragoman_http1::{FieldTable, Limits, ResponseHead, Version, fields};

/// gunicorn's default `access_log_format`.
const GUNICORN_DEFAULT: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

/// Sun, 06 Nov 1994 08:49:37.089765 GMT.
const UNIX_US: u64 = 784_111_777_089_765;

/// An exchange to make records from.
struct Sample {
    peer: Peer,
    table: FieldTable,
    block: Vec<u8>,
    head: ResponseHead,
}

impl Sample {
    fn new(request_fields: &[(&str, &str)]) -> Self {
        let lines = request_fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let block = ("Host: h:80\r\n".to_owned() + &lines.collect::<String>() + "\r\n").into_bytes();
        let mut table = FieldTable::new();
        fields(&block, Version::Http11, &Limits::default(), &mut table).expect("the fields are well formed");
        Self { peer: Peer::Tcp("192.0.2.7:40123".parse().unwrap()), table, block, head: ResponseHead::new() }
    }

    fn record(&self) -> Record<'_> {
        Record {
            peer: &self.peer,
            client: None,
            method: b"GET",
            target: b"/a%20b?x=1&y=2",
            path: b"/a%20b",
            query: b"x=1&y=2",
            version: Version::Http11,
            fields: Some((&self.table, &self.block)),
            head: Some(&self.head),
            status: 200,
            body_bytes: 1234,
            duration_us: 2_034_567,
            unix_us: UNIX_US,
        }
    }
}

fn line(format: &str, record: &Record<'_>) -> String {
    let format = Format::new(format).expect("the format is a good one");
    let mut buffer = Buffer::new(1 << 16);
    let mut stamp = Stamp::new();
    assert!(buffer.line(0, |line| format.write(record, stamp.at(record.unix_us / 1_000_000), 4711, line)));
    let text = String::from_utf8(buffer.bytes().to_vec()).expect("a line is ASCII");
    text.strip_suffix('\n').expect("a line ends").to_owned()
}

fn refusal(format: &str) -> FormatError {
    Format::new(format).map(drop).expect_err("the format is a bad one")
}

#[test]
fn combined_is_the_text_of_gunicorns_default_format() {
    let sample = Sample::new(&[("User-Agent", "curl/8.5.0"), ("Referer", "http://example.org/")]);
    let expected = r#"192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] "GET /a%20b?x=1&y=2 HTTP/1.1" 200 1234 "http://example.org/" "curl/8.5.0""#;
    assert_eq!(line(GUNICORN_DEFAULT, &sample.record()), expected);
    assert_eq!(line("combined", &sample.record()), expected);
}

#[test]
fn common_ends_with_the_size() {
    let sample = Sample::new(&[]);
    let expected = r#"192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] "GET /a%20b?x=1&y=2 HTTP/1.1" 200 1234"#;
    assert_eq!(line("common", &sample.record()), expected);
}

#[test]
fn every_atom_says_what_gunicorn_documents() {
    let mut sample = Sample::new(&[("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), ("X-Trace", "t1")]);
    sample.head.start(b"200 OK").unwrap();
    sample.head.field(b"Content-Type", b"text/plain").unwrap();
    for (atom, expected) in [
        ("h", "192.0.2.7"),
        ("l", "-"),
        ("u", "Aladdin"),
        ("t", "[06/Nov/1994:08:49:37 +0000]"),
        ("r", "GET /a%20b?x=1&y=2 HTTP/1.1"),
        ("m", "GET"),
        ("U", "/a%20b"),
        ("q", "x=1&y=2"),
        ("H", "HTTP/1.1"),
        ("s", "200"),
        ("B", "1234"),
        ("b", "1234"),
        ("f", "-"),
        ("a", "-"),
        ("T", "2"),
        ("D", "2034567"),
        ("M", "2034"),
        ("L", "2.034567"),
        ("p", "<4711>"),
        ("{x-trace}i", "t1"),
        ("{X-TRACE}i", "t1"),
        ("{absent}i", "-"),
        ("{content-type}o", "text/plain"),
        ("{absent}o", "-"),
        ("{REQUEST_METHOD}e", "GET"),
        ("{RAW_URI}e", "/a%20b?x=1&y=2"),
        ("{REQUEST_URI}e", "/a%20b?x=1&y=2"),
        ("{query_string}e", "x=1&y=2"),
        ("{SERVER_PROTOCOL}e", "HTTP/1.1"),
        ("{REMOTE_ADDR}e", "192.0.2.7"),
        ("{REMOTE_PORT}e", "40123"),
        ("{HTTP_X_TRACE}e", "t1"),
        ("{HTTP_HOST}e", "h:80"),
        ("{CONTENT_TYPE}e", "-"),
    ] {
        assert_eq!(line(&format!("<%({atom})s>"), &sample.record()), format!("<{expected}>"), "{atom}");
    }
}

#[test]
fn text_between_the_atoms_stays_as_it_is() {
    let sample = Sample::new(&[]);
    let record = sample.record();
    assert_eq!(line(r#"100%% of %(m)s%(s)s, "quoted\" (x) %(s)s%%"#, &record), r#"100% of GET200, "quoted\" (x) 200%"#);
    let long = "between two atoms there is a text of more than one block";
    assert_eq!(line(&format!("{long}%%%(s)s{long}"), &record), format!("{long}%200{long}"));
}

#[test]
fn numbers_of_every_length_are_written_in_full() {
    let sample = Sample::new(&[]);
    for bytes in [0, 9, 10, 99, 100, 255, 999, 1000, 65_535, 1_000_000, u64::MAX - 1, u64::MAX] {
        let record = Record { body_bytes: bytes, duration_us: bytes, ..sample.record() };
        assert_eq!(line("%(B)s", &record), bytes.to_string());
        assert_eq!(line("%(L)s", &record), format!("{}.{:06}", bytes / 1_000_000, bytes % 1_000_000));
    }
}

#[test]
fn http_1_0_is_told_apart() {
    let sample = Sample::new(&[]);
    assert_eq!(line("%(H)s", &Record { version: Version::Http10, ..sample.record() }), "HTTP/1.0");
}

#[test]
fn an_ipv6_peer_is_written_by_rfc_5952_and_a_unix_peer_is_absent() {
    let mut sample = Sample::new(&[]);
    sample.peer = Peer::Tcp("[2001:db8::1]:443".parse().unwrap());
    assert_eq!(line("%(h)s", &sample.record()), "2001:db8::1");
    sample.peer = Peer::Unix;
    assert_eq!(line("%(h)s %({REMOTE_PORT}e)s", &sample.record()), "- -");
    assert!(line("json", &sample.record()).contains(r#""peer":null"#));
}

#[test]
fn a_request_that_could_not_be_read_has_a_line_all_the_same() {
    let sample = Sample::new(&[]);
    let record = Record {
        method: b"",
        target: b"",
        path: b"",
        query: b"",
        fields: None,
        head: None,
        status: 400,
        body_bytes: 0,
        ..sample.record()
    };
    let expected = r#"192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] "-" 400 0 "-" "-""#;
    assert_eq!(line("combined", &record), expected);
    assert!(line("json", &record).contains(r#""method":null,"target":null,"protocol":null,"status":400"#));
}

#[test]
fn a_field_that_was_sent_twice_is_joined_and_an_empty_one_is_empty() {
    let sample = Sample::new(&[("X-Forwarded-For", "a"), ("X-Other", ""), ("x-forwarded-for", "b, c")]);
    assert_eq!(line("%({x-forwarded-for}i)s|%({x-other}i)s|", &sample.record()), "a,b, c||");
}

#[test]
fn what_the_gateway_keeps_from_the_environ_is_not_in_the_log_as_environ() {
    let sample = Sample::new(&[("Proxy", "http://evil/"), ("Content-Type", "a/b"), ("Content-Length", "0")]);
    assert_eq!(line("%({CONTENT_TYPE}e)s %({CONTENT_LENGTH}e)s", &sample.record()), "a/b 0");
    for name in ["HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"] {
        assert_eq!(refusal(&format!("%({{{name}}}e)s")).kind, FormatErrorKind::UnknownVariable(name.to_owned()));
    }
}

#[test]
fn only_good_basic_credentials_name_a_user() {
    for (authorization, user) in [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin"),
        ("basic QTpi", "A"),
        ("Basic QWxhZGRpbg==", "Aladdin"),
        ("Basic   QTpi", "A"),
        ("Basic OnNlY3JldA==", "-"),
        ("Basic Q!Q6", "-"),
        ("Basic", "-"),
        ("BasicQTpi", "-"),
        ("Bearer QTpi", "-"),
        ("Basic Pz8+Pj8/Og==", "??>>??"),
    ] {
        let sample = Sample::new(&[("Authorization", authorization)]);
        assert_eq!(line("%(u)s", &sample.record()), user, "{authorization}");
    }
}

#[test]
fn nothing_that_a_peer_sends_forges_a_line_or_leaves_its_quotes() {
    // "x\r\n1.2.3.4 - admin [\"\\" as user.
    let sample = Sample::new(&[
        ("Authorization", "Basic eA0KMS4yLjMuNCAtIGFkbWluIFsiXA=="),
        ("User-Agent", "\" 200 1\\ \t\u{e9}"),
    ]);
    let record = Record { target: b"/\r\n1.2.3.4 \"GET\" \x00\x1b[2J\x7f\xff", ..sample.record() };
    assert_eq!(
        line(r#"%(u)s "%(r)s" "%(a)s""#, &record),
        concat!(
            r"x\x0d\x0a1.2.3.4\x20-\x20admin\x20[\x22\x5c ",
            r#""GET /\x0d\x0a1.2.3.4 \x22GET\x22 \x00\x1b[2J\x7f\xff HTTP/1.1" "#,
            r#""\x22 200 1\x5c \x09\xc3\xa9""#
        )
    );
}

#[test]
fn a_special_byte_is_escaped_wherever_it_stands() {
    let sample = Sample::new(&[]);
    for len in 1..70 {
        for at in 0..len {
            for special in [b'"', b'\\', 0, 0x1f, 0x7f, 0x80, 0xff] {
                let mut target = vec![b'a'; len];
                target[at] = special;
                let expected = format!("{}\\x{special:02x}{}", "a".repeat(at), "a".repeat(len - at - 1));
                assert_eq!(line("%({RAW_URI}e)s", &Record { target: &target, ..sample.record() }), expected);
            }
        }
    }
}

#[test]
fn json_is_one_object_with_fixed_keys() {
    let sample = Sample::new(&[("User-Agent", "a \"quoted\" \\ \t \u{e9}")]);
    assert_eq!(
        line("json", &sample.record()),
        concat!(
            r#"{"time":"1994-11-06T08:49:37.089Z","peer":"192.0.2.7","client":"192.0.2.7","method":"GET","target":"/a%20b?x=1&y=2","#,
            r#""protocol":"HTTP/1.1","status":200,"bytes":1234,"duration_us":2034567,"referer":null,"#,
            r#""user_agent":"a \"quoted\" \\ \u0009 \u00c3\u00a9"}"#
        )
    );
}

#[test]
fn the_stamp_follows_the_second_and_every_month() {
    let mut stamp = Stamp::new();
    let january = 946_684_799;
    assert_eq!(stamp.at(january).common(), b"[31/Dec/1999:23:59:59 +0000]");
    for (month, iso) in (1..=12).map(|month| (month, format!("2000-{month:02}-"))) {
        // The first of each month of a leap year lies between these.
        let iso_text = stamp.at(946_684_800 + (month - 1) * 2_635_200 + 86_400).iso().to_vec();
        assert!(iso_text.starts_with(iso.as_bytes()), "{month}: {}", String::from_utf8_lossy(&iso_text));
    }
}

#[test]
fn the_clock_is_wanted_only_where_a_duration_is() {
    for (format, wants) in [("common", false), ("combined", false), ("json", true), ("%(t)s", false)] {
        assert_eq!(Format::new(format).unwrap().wants_duration(), wants, "{format}");
    }
    for atom in ["T", "M", "D", "L"] {
        assert!(Format::new(&format!("%({atom})s")).unwrap().wants_duration(), "{atom}");
    }
}

#[test]
fn a_bad_format_is_refused_with_the_place() {
    let unknown = |atom: &str| FormatErrorKind::UnknownAtom(atom.to_owned());
    for (format, kind, at) in [
        ("", FormatErrorKind::Empty, 0),
        ("%(h)s %(z)s", unknown("z"), 6),
        ("%(hh)s", unknown("hh"), 0),
        ("%()s", unknown(""), 0),
        ("%({}i)s", unknown("{}i"), 0),
        ("%({a b}i)s", unknown("{a b}i"), 0),
        ("%({host}x)s", unknown("{host}x"), 0),
        ("%({host)s", unknown("{host"), 0),
        ("a %(h", FormatErrorKind::Unclosed, 2),
        ("é %(h)d", FormatErrorKind::NotText, 3),
        ("%(h)", FormatErrorKind::NotText, 0),
        ("50% of", FormatErrorKind::BarePercent, 2),
        ("%(h)s%", FormatErrorKind::BarePercent, 5),
        ("%(h)s\n%(s)s", FormatErrorKind::Control, 5),
    ] {
        assert_eq!(refusal(format), FormatError { kind, at }, "{format:?}");
    }
    for name in ["PATH_INFO", "SCRIPT_NAME", "SERVER_PORT", "wsgi.url_scheme", "HTTPS", "HTTP_", "http_proxy"] {
        let refused = refusal(&format!("%(h)s %({{{name}}}e)s"));
        assert_eq!(refused, FormatError { kind: FormatErrorKind::UnknownVariable(name.to_owned()), at: 6 });
        let text = refused.to_string();
        assert!(text.contains(&format!("%({{{name}}}e)s at offset 6")) && text.contains("REQUEST_METHOD, "), "{text}");
    }
    let text = refusal("%(h)s %(z)s").to_string();
    assert!(text.contains("unknown atom %(z)s at offset 6") && text.contains("h l u t r m U q"), "{text}");
}

#[test]
fn a_format_names_at_most_sixteen_request_fields() {
    let format = |count: usize| (0..count).map(|n| format!("%({{x-{n}}}i)s")).collect::<String>();
    let sample = Sample::new(&[("X-15", "last")]);
    assert_eq!(line(&format(16), &sample.record()), "-".repeat(15) + "last");
    assert_eq!(refusal(&format(17)).kind, FormatErrorKind::TooManyFields);
}

#[test]
fn a_line_that_does_not_fit_leaves_no_trace() {
    let sample = Sample::new(&[]);
    let record = Record { target: &[b'"'; 100], ..sample.record() };
    let format = Format::new("combined").unwrap();
    let mut buffer = Buffer::new(1100);
    let mut stamp = Stamp::new();
    let mut add = |record: &Record<'_>| {
        let is_in = buffer.line(0, |line| format.write(record, stamp.at(0), 1, line));
        (is_in, buffer.len())
    };
    let (is_in, one) = add(&record);
    assert!(is_in && one > 400);
    assert_eq!(add(&record), (true, one * 2));
    assert_eq!(add(&record), (false, one * 2));
    let (is_in, len) = add(&Record { target: b"/", ..record });
    assert!(is_in && len < one * 2 + 100);
    assert_eq!(buffer.bytes().iter().filter(|&&byte| byte == b'\n').count(), 3);
}
