//! `docs/refusals.md` is drawn from the table of refusals; `DRAGOMAN_WRITE_DOCS=1` writes it anew.

use dragoman_http1::RejectKind;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

const HEADING: &str = "\
# Refused messages

What the server answers to a message that it does not read, each with its reason code. The answer is sent once and the
connection closed: nothing after a refused head is read as a request. The body of the answer and the log name the code.

This page is generated from `crates/http1/src/error.rs`: `DRAGOMAN_WRITE_DOCS=1 cargo test -p dragoman-http1 --test refusals`.

| status | code | clause | what was wrong |
| --- | --- | --- | --- |
";

#[test]
fn the_page_of_refusals_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/refusals.md");
    let page = page();
    if std::env::var_os("DRAGOMAN_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, page, "write it anew with DRAGOMAN_WRITE_DOCS=1");
}

#[test]
fn every_code_is_kebab_case_and_stands_once() {
    let mut seen = BTreeSet::new();
    for kind in RejectKind::ALL {
        let code = kind.code();
        let is_kebab = code.split('-').all(|word| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.')
        });
        assert!(is_kebab, "{code}");
        assert!(seen.insert(code), "{code} stands twice");
    }
}

#[test]
fn every_refusal_is_an_error_status_with_a_clause_and_a_sentence() {
    for kind in RejectKind::ALL {
        assert!((400..=599).contains(&kind.status()), "{kind:?}");
        assert_ne!(dragoman_http1::reason(kind.status()), "Unknown", "{kind:?}");
        assert!(kind.clause().starts_with("RFC ") && kind.clause().contains('§'), "{kind:?}");
        assert!(kind.text().ends_with('.'), "{kind:?}");
        assert_eq!(kind.to_string(), format!("{}: {}", kind.code(), kind.text()));
    }
}

fn page() -> String {
    let mut page = HEADING.to_owned();
    for kind in RejectKind::ALL {
        writeln!(page, "| {} | `{}` | {} | {} |", kind.status(), kind.code(), kind.clause(), kind.text()).unwrap();
    }
    page
}
