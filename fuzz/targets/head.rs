//! Request heads: every delivery is judged alike, what is accepted reads the same elsewhere and when written out again.
#![no_main]

use dragoman_fuzz::delivery::{TIGHT, deliveries};
use dragoman_fuzz::reference;
use dragoman_fuzz::support::{Message, Order, Outcome, read};
use dragoman_http1::{Framing, Limits, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for limits in [Limits::default(), TIGHT] {
        let whole = read(bytes, &[], Order::ScanFirst, &limits);
        for cuts in deliveries(bytes) {
            for order in [Order::ScanFirst, Order::LineFirst] {
                assert_eq!(read(bytes, &cuts, order, &limits), whole, "{order:?}, cut at {cuts:?}");
            }
        }
        match whole {
            Outcome::Accepted(message) => check_accepted(bytes, &message, &limits),
            Outcome::Refused(reject) => assert!(reject.at <= bytes.len(), "{reject:?} is out of bounds"),
            Outcome::Incomplete => {}
        }
    }
});

fn check_accepted(bytes: &[u8], message: &Message, limits: &Limits) {
    assert!(
        message.head_len <= limits.head.saturating_add(limits.request_line) && message.fields.len() <= limits.fields
    );
    let naive = reference::request(bytes).expect("a strict reader takes what is accepted");
    assert_eq!((naive.method, naive.target), (&message.method[..], &message.target[..]));
    assert_eq!(naive.version == b"HTTP/1.0", message.version == Version::Http10);
    assert!(naive.fields.iter().copied().eq(message.fields.iter().map(|(name, value)| (&name[..], &value[..]))));
    assert_eq!((naive.body, naive.len), (message.body.clone(), message.len));
    check_written_again(bytes, message);
}

/// As a client would send it that says the same.
fn check_written_again(bytes: &[u8], message: &Message) {
    let version = if message.version == Version::Http10 { "1.0" } else { "1.1" };
    let mut again = [&message.method, &b" "[..], &message.target, b" HTTP/", version.as_bytes(), b"\r\n"].concat();
    for (name, value) in &message.fields {
        again.extend([name, &b": "[..], value, b"\r\n"].concat());
    }
    again.extend_from_slice(b"\r\n");
    again.extend_from_slice(&bytes[message.head_len..message.len]);
    // A blank more on each line may pass a limit that the message itself has just kept.
    let limits = Limits { field: usize::MAX / 2, head: usize::MAX / 2, ..Limits::default() };
    let Outcome::Accepted(again) = read(&again, &[], Order::LineFirst, &limits) else {
        panic!("refused when written out again")
    };
    assert_eq!((&again.path, &again.query, &again.authority), (&message.path, &message.query, &message.authority));
    assert_eq!((&again.fields, &again.body), (&message.fields, &message.body));
    assert_eq!((again.facts.framing, again.facts.connection), (message.facts.framing, message.facts.connection));
    if let Framing::Length(length) = message.facts.framing {
        assert_eq!(length, message.body.len() as u64);
    }
}
