//! The engine over real sockets: a connection gets the answers that its bytes ask for, however they arrive.
#![no_main]

use dragoman_fuzz::delivery::{Conversation, End, converse, cuts_of, deliveries};
use dragoman_fuzz::gateway::{BODY_BUFFER, Facts, Way, start};
use dragoman_fuzz::reference::{self, chunked, decimal};
use dragoman_fuzz::support::Order;
use dragoman_http1::{
    FieldTable, Framing, Limits, MAX_EMPTY_LINES, RejectKind, Scanner, check_host, fields, request_line,
};
use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long a piece may lie unread before the next one follows it all the same.
const PIECE_PATIENCE: Duration = Duration::from_millis(2);

static SERVER: OnceLock<SocketAddr> = OnceLock::new();

/// A final answer: status and body.
type Answer = (u16, Vec<u8>);

fuzz_target!(|bytes: &[u8]| {
    let server = SERVER.get_or_init(start);
    let limits = Limits::default();
    let conversation = converse(bytes, &[], Order::ScanFirst, &limits);
    let (expected, may_follow) = expected_answers(bytes, &conversation);
    let [whole, pieces, byte_by_byte] = deliveries(bytes);
    let byte_by_byte = if bytes.len() <= 64 { byte_by_byte } else { cuts_of(&[bytes, b"again"].concat()) };
    for cuts in [whole, pieces, byte_by_byte] {
        let cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
        let mut got = talk(server, bytes, &cuts);
        if got.len() == expected.len() + 1 && got.last() == may_follow.as_ref() {
            got.pop();
        }
        assert_eq!(shown(&got), shown(&expected), "{:?}, cut at {cuts:?}", conversation.end);
    }
});

/// What the bytes ask for; and what may be said besides to a request whose body nobody waits for.
fn expected_answers(bytes: &[u8], conversation: &Conversation) -> (Vec<Answer>, Option<Answer>) {
    let mut answers: Vec<Answer> = Vec::new();
    for message in &conversation.messages {
        let facts = Facts::of(message);
        let body = (facts.way() != Way::Unread).then_some(&message.body[..]);
        let text = if facts.method == b"HEAD" { Vec::new() } else { facts.answer(body) };
        answers.push((200, text));
    }
    let rest = &bytes[conversation.messages.iter().map(|message| message.len).sum()..];
    if let End::Refused(kind) = conversation.end {
        // What is no HTTP gets no answer, and HEAD one without a body, readable or not.
        let text = if is_head(rest) { String::new() } else { format!("{}: {}\n", kind.code(), kind.text()) };
        if kind != RejectKind::TlsOnClearText {
            answers.push((kind.status(), text.into_bytes()));
        }
    }
    let may_follow = if conversation.end == End::Bytes { unread_answer(rest) } else { None };
    (answers, may_follow)
}

fn is_head(message: &[u8]) -> bool {
    let mut message = message;
    // With more empty lines it is refused before its method has come.
    for _ in 0..MAX_EMPTY_LINES {
        message = message.strip_prefix(b"\r\n").unwrap_or(message);
    }
    message.starts_with(b"HEAD ")
}

/// The answer to a head whose body is left unread and does not come whole.
fn unread_answer(bytes: &[u8]) -> Option<Answer> {
    let limits = Limits::default();
    let head_len = Scanner::new().scan(bytes, &limits).ok()??;
    let line = request_line(bytes, &limits).ok()??;
    let block = &bytes[line.len..head_len];
    let mut table = FieldTable::new();
    let facts = fields(block, line.version, &limits, &mut table).ok()?;
    check_host(&line, &facts).ok()?;
    let is_streamed = matches!(facts.framing, Framing::Length(length) if length > BODY_BUFFER as u64);
    let facts = Facts::parsed(&line, block, &table, &facts);
    (is_streamed && facts.way() == Way::Unread)
        .then(|| (200, if facts.method == b"HEAD" { Vec::new() } else { facts.answer(None) }))
}

/// Sends the bytes in pieces, ends the sending, reads to the end of the connection.
fn talk(server: &SocketAddr, bytes: &[u8], cuts: &[usize]) -> Vec<Answer> {
    let mut stream = UnixStream::connect_addr(server).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
    let mut start = 0;
    for &end in cuts.iter().chain([&bytes.len()]) {
        // The server may end the connection while bytes are under way: its answers tell why.
        if stream.write_all(&bytes[start..end]).is_err() {
            break;
        }
        start = end;
        await_arrival(&stream);
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut received = Vec::new();
    if let Err(error) = stream.read_to_end(&mut received) {
        // What was sent and not read makes a unix socket end in a reset; the answers before it have arrived.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the connection does not end");
    }
    answers_in(bytes, &received)
}

/// Waits until the server has taken what was sent, so that pieces are pieces for it too.
fn await_arrival(stream: &UnixStream) {
    let until = Instant::now() + PIECE_PATIENCE;
    while unread_bytes(stream) > 0 && Instant::now() < until {
        std::thread::yield_now();
    }
}

/// Bytes of ours that the peer has not read.
fn unread_bytes(stream: &UnixStream) -> i32 {
    use std::os::fd::AsRawFd;
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ writes one int, to a place that lives as long as the call.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if result == 0 { count } else { 0 }
}

/// The final answers in what a server sent; anything but whole well-formed answers is a fault.
fn answers_in(sent: &[u8], received: &[u8]) -> Vec<Answer> {
    let (mut rest, mut answers) = (received, Vec::new());
    let methods = converse(sent, &[], Order::ScanFirst, &Limits::default()).messages;
    let unread = &sent[methods.iter().map(|message| message.len).sum()..];
    while !rest.is_empty() {
        let head = reference::response_head(rest).unwrap_or_else(|| panic!("no head: {}", rest.escape_ascii()));
        rest = &rest[head.len..];
        if head.status < 200 {
            assert_eq!((head.status, head.fields.len()), (100, 0));
            continue;
        }
        let value = |name: &str| {
            let named = head.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
            named.map(|(_, value)| *value)
        };
        let is_head = match methods.get(answers.len()) {
            Some(message) => message.method == b"HEAD",
            // An unfinished or a refused message.
            None => is_head(unread),
        };
        let (body, len) = match (value("content-length"), value("transfer-encoding")) {
            _ if is_head => (Vec::new(), 0),
            (Some(length), None) => {
                let len = decimal(length).expect("a length");
                (rest.get(..len).expect("a whole body").to_vec(), len)
            }
            (None, Some(b"chunked")) => chunked(rest).expect("a whole chunked body"),
            (None, None) => (rest.to_vec(), rest.len()),
            other => panic!("ambiguous framing: {other:?}"),
        };
        rest = &rest[len..];
        answers.push((head.status, body));
    }
    answers
}

fn shown(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(|(status, body)| format!("{status} {}", body.escape_ascii())).collect()
}
