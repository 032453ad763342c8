//! Every case of `tests/corpus/http1`, read whole, byte by byte and with a request behind it.

mod support;

use dragoman_http1::{Framing, Host, Limits, RejectKind, TargetForm, Version, head::decode_path, keeps_alive};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Message, Order, Outcome, every_byte, read};

/// The request that follows each case; it must be read as exactly itself.
const FOLLOWER: &[u8] = b"DELETE /next?q HTTP/1.1\r\nHost: follower\r\nContent-Length: 2\r\n\r\nok";

/// One file of the corpus; `tests/corpus/README.md` describes the format.
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// (key, value) lines of the `expect` section.
    expect: Vec<(String, Vec<u8>)>,
}

#[test]
fn accepted_messages_are_read_as_stated() {
    for case in cases("accept") {
        let message = accepted(&case, "whole", read(&case.bytes, &[], Order::ScanFirst, &Limits::default()));
        assert_eq!(message.len, case.bytes.len(), "{}: bytes are left over", case.name);
        for (key, value) in &case.expect {
            let actual = facet(&case, &message, key, value);
            assert_eq!(text(&actual), text(value), "{}: {key}", case.name);
        }
    }
}

#[test]
fn accepted_messages_are_read_the_same_byte_by_byte() {
    for case in cases("accept") {
        let limits = Limits::default();
        let whole = read(&case.bytes, &[], Order::ScanFirst, &limits);
        assert_eq!(read(&case.bytes, &every_byte(&case.bytes), Order::ScanFirst, &limits), whole, "{}", case.name);
        assert_eq!(read(&case.bytes, &[], Order::LineFirst, &limits), whole, "{}: line first", case.name);
        let short = &case.bytes[..case.bytes.len() - 1];
        assert_eq!(read(short, &every_byte(short), Order::ScanFirst, &limits), Outcome::Incomplete, "{}", case.name);
    }
}

#[test]
fn a_request_behind_an_accepted_message_is_read_as_itself() {
    let limits = Limits::default();
    let follower = read(FOLLOWER, &[], Order::ScanFirst, &limits);
    for case in cases("accept") {
        let both = [&case.bytes, FOLLOWER].concat();
        for cuts in [vec![], every_byte(&both)] {
            let first = accepted(&case, "followed", read(&both, &cuts, Order::ScanFirst, &limits));
            assert_eq!(first.len, case.bytes.len(), "{}: the end was not found", case.name);
            assert_eq!(read(&both[first.len..], &[], Order::LineFirst, &limits), follower, "{}", case.name);
        }
    }
}

#[test]
fn refused_messages_are_refused_by_the_stated_rule() {
    for case in cases("reject") {
        assert_eq!(refusal(&case, "whole", &case.bytes, &[], Order::ScanFirst), stated(&case), "{}", case.name);
    }
}

#[test]
fn refused_messages_are_refused_by_the_same_rule_byte_by_byte() {
    for case in cases("reject") {
        let cuts = every_byte(&case.bytes);
        assert_eq!(refusal(&case, "by bytes", &case.bytes, &cuts, Order::ScanFirst), stated(&case), "{}", case.name);
        assert_eq!(refusal(&case, "line first", &case.bytes, &[], Order::LineFirst), stated(&case), "{}", case.name);
    }
}

#[test]
fn a_request_behind_a_refused_message_changes_nothing() {
    for case in cases("reject") {
        let both = [&case.bytes, FOLLOWER].concat();
        for order in [Order::ScanFirst, Order::LineFirst] {
            assert_eq!(refusal(&case, "followed", &both, &[], order), stated(&case), "{}", case.name);
        }
        let cuts = every_byte(&both);
        assert_eq!(refusal(&case, "followed", &both, &cuts, Order::ScanFirst), stated(&case), "{}", case.name);
    }
}

#[test]
fn every_refusal_has_a_case() {
    let reached: BTreeSet<&str> = cases("reject").iter().map(|case| stated(case).code()).collect();
    let missing: Vec<&str> =
        RejectKind::ALL.iter().map(|kind| kind.code()).filter(|code| !reached.contains(code)).collect();
    assert_eq!(missing, [""; 0], "refusals that no case reaches");
}

#[test]
fn the_corpus_is_there() {
    assert!(cases("accept").len() >= 50 && cases("reject").len() >= 100);
}

fn accepted(case: &Case, how: &str, outcome: Outcome) -> Message {
    match outcome {
        Outcome::Accepted(message) => *message,
        other => panic!("{} ({how}): {other:?}", case.name),
    }
}

fn refusal(case: &Case, how: &str, bytes: &[u8], cuts: &[usize], order: Order) -> RejectKind {
    match read(bytes, cuts, order, &Limits::default()) {
        Outcome::Refused(reject) => {
            assert!(reject.at <= bytes.len(), "{} ({how}): {reject:?} is out of bounds", case.name);
            reject.kind
        }
        other => panic!("{} ({how}): {other:?}", case.name),
    }
}

fn stated(case: &Case) -> RejectKind {
    let code = match case.expect.as_slice() {
        [(key, code)] if key == "refused" => text(code),
        other => panic!("{}: want one line `refused: CODE`, got {other:?}", case.name),
    };
    let kind = RejectKind::ALL.iter().find(|kind| kind.code() == code);
    *kind.unwrap_or_else(|| panic!("{}: there is no refusal {code}", case.name))
}

/// What was read, in the words of the corpus.
fn facet(case: &Case, message: &Message, key: &str, stated: &[u8]) -> Vec<u8> {
    let facts = &message.facts;
    let connection = facts.connection;
    match key {
        "method" => message.method.clone(),
        "target" => message.target.clone(),
        "authority" => message.authority.clone().unwrap_or_default(),
        "path" => message.path.clone(),
        "query" => message.query.clone(),
        "body" => message.body.clone(),
        "body-length" => message.body.len().to_string().into(),
        "decoded-path" => {
            let mut decoded = Vec::new();
            decode_path(&message.path, &mut decoded);
            assert_eq!(message.path_is_encoded, decoded != message.path, "{}: path_is_encoded", case.name);
            decoded
        }
        "form" => match message.form {
            TargetForm::Origin => "origin",
            TargetForm::Absolute => "absolute",
            TargetForm::Asterisk => "asterisk",
        }
        .into(),
        "version" => match message.version {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
        }
        .into(),
        "framing" => match facts.framing {
            Framing::None => "none".into(),
            Framing::Length(length) => format!("length {length}").into(),
            Framing::Chunked => "chunked".into(),
        },
        "host" => match facts.host {
            Host::Absent => "absent".into(),
            Host::Empty => "empty".into(),
            Host::Named { start, len } => message.block[start as usize..][..len as usize].to_vec(),
        },
        "connection" => {
            let options =
                [(connection.close, "close"), (connection.keep_alive, "keep-alive"), (connection.upgrade, "upgrade")];
            options.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect::<Vec<_>>().join(" ").into()
        }
        "keeps-alive" => yes_or_no(keeps_alive(message.version, &connection)),
        "expects-continue" => yes_or_no(facts.expects_continue),
        "has-underscore-name" => yes_or_no(facts.has_underscore_name),
        "fields" => message.fields.len().to_string().into(),
        // One of the fields; the line that is stated if it is there, else all, to be shown.
        "field" => {
            let lines: Vec<Vec<u8>> =
                message.fields.iter().map(|(name, value)| [name.as_slice(), b" = ", value].concat()).collect();
            lines.iter().find(|line| *line == stated).cloned().unwrap_or_else(|| lines.join(&b"; "[..]))
        }
        other => panic!("{}: there is no key {other}", case.name),
    }
}

fn yes_or_no(is_so: bool) -> Vec<u8> {
    if is_so { "yes" } else { "no" }.into()
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn cases(kind: &str) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/http1").join(kind);
    let mut paths: Vec<PathBuf> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Case {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let content = fs::read_to_string(path).unwrap();
    let (why, rest) = content.split_once("\n--- bytes\n").unwrap_or_else(|| panic!("{name}: no bytes section"));
    let (bytes, expect) = rest.split_once("\n--- expect\n").unwrap_or_else(|| panic!("{name}: no expect section"));
    assert!(!why.trim().is_empty(), "{name}: the first line says why");
    let expect = expect.lines().map(|line| {
        let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("{name}: want `key: value`, got {line}"));
        (key.to_owned(), unescape(&name, value.trim_start()))
    });
    Case { bytes: unescape(&name, bytes), expect: expect.collect(), name }
}

/// Undoes the escapes; real line breaks count for nothing.
fn unescape(name: &str, escaped: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = escaped;
    while let Some(at) = rest.find(['\\', '\n']) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let (mark, after) = rest[at..].split_at(1);
        rest = after;
        if mark == "\n" {
            continue;
        }
        let wrong = || -> ! { panic!("{name}: unknown escape before {rest:?}") };
        let (letter, after) = rest.split_at_checked(1).unwrap_or_else(|| wrong());
        rest = match letter {
            "x" => {
                let (digits, after) = after.split_at_checked(2).unwrap_or_else(|| wrong());
                out.push(u8::from_str_radix(digits, 16).unwrap_or_else(|_| wrong()));
                after
            }
            "{" => {
                let (inside, after) = after.split_once('}').unwrap_or_else(|| wrong());
                let (times, unit) = inside.split_once('*').unwrap_or_else(|| wrong());
                out.extend(unescape(name, unit).repeat(times.parse().unwrap_or_else(|_| wrong())));
                after
            }
            _ => {
                let plain = [("r", b'\r'), ("n", b'\n'), ("t", b'\t'), ("0", 0), ("s", b' '), ("\\", b'\\')];
                let found = plain.iter().find(|(escape, _)| *escape == letter).unwrap_or_else(|| wrong());
                out.push(found.1);
                after
            }
        };
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
