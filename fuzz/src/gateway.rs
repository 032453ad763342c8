//! A gateway that answers with what it was given, in every way that an answer can be sent, and an engine that runs it.

use crate::support::Message;
use dragoman_engine::{Engine, Event, Exchange, Gateway, Held, Listener, Options, RequestBody, Room};
use dragoman_http1::{FieldFacts, FieldTable, Framing, RequestLine, ResponseHead, Version};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::ptr::NonNull;
use std::sync::Arc;

/// Bodies with a length above this are read during the call, so that short inputs come to it.
pub const BODY_BUFFER: usize = 24;
/// Chunked bodies above this are kept in a file.
pub const CHUNKED_MEMORY: usize = 64;

/// Answers with a text that says what was read.
#[derive(Debug)]
pub struct Echo;

/// How a request is answered: the target decides, so that sender and receiver know it without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Copied,
    Streamed,
    ByReference,
    FromFile,
    /// The body is not read.
    Unread,
}

/// What both sides know of a request.
pub struct Facts<'m> {
    pub method: &'m [u8],
    pub target: &'m [u8],
    pub fields: u64,
    pub framing: Framing,
    pub expects_continue: bool,
    pub version: Version,
}

impl Facts<'_> {
    /// Of a message that was read whole.
    pub fn of(message: &Message) -> Facts<'_> {
        Facts {
            method: &message.method,
            target: &message.target,
            fields: digest_of_fields(message.fields.iter().map(|(name, value)| (&name[..], &value[..]))),
            framing: message.facts.framing,
            expects_continue: message.facts.expects_continue,
            version: message.version,
        }
    }

    /// Of a head that was parsed.
    pub fn parsed<'m>(line: &RequestLine<'m>, block: &[u8], table: &FieldTable, facts: &FieldFacts) -> Facts<'m> {
        Facts {
            method: line.method,
            target: line.target,
            fields: digest_of_fields(table.iter(block)),
            framing: facts.framing,
            expects_continue: facts.expects_continue,
            version: line.version,
        }
    }

    /// How it is answered.
    pub fn way(&self) -> Way {
        match self.target.len() % 5 {
            // RFC 9112 §9.3: to HTTP/1.0 a body of unknown length ends with its connection.
            1 if self.version == Version::Http11 => Way::Streamed,
            2 => Way::ByReference,
            3 => Way::FromFile,
            // A client that waits for 100 Continue in vain may send the body or not: its connection is closed.
            4 if !self.expects_continue => Way::Unread,
            _ => Way::Copied,
        }
    }

    /// The text of the answer; without a body it was not read.
    pub fn answer(&self, body: Option<&[u8]>) -> Vec<u8> {
        let body = body.map_or("unread".to_owned(), |body| format!("{} {:016x}", body.len(), digest(body)));
        let (method, target) = (self.method.escape_ascii(), self.target.escape_ascii());
        format!("{method} {target} {:016x} {:?} {body}\n", self.fields, self.framing).into_bytes()
    }
}

/// FNV-1a.
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn digest_of_fields<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> u64 {
    digest(&fields.flat_map(|(name, value)| [name, b"\n", value, b"\n"].concat()).collect::<Vec<u8>>())
}

impl Gateway for Echo {
    type Thread = ResponseHead;
    type Memory = ();

    fn enter(&self) -> ResponseHead {
        ResponseHead::new()
    }

    fn resume(&self, _thread: &mut ResponseHead) {}

    fn suspend(&self, _thread: &mut ResponseHead) {}

    fn call(&self, head: &mut ResponseHead, exchange: &mut Exchange<'_, Self>) {
        if answer(head, exchange).is_none() {
            exchange.abort();
        }
    }

    fn response_head<'t>(&self, head: &'t ResponseHead) -> Option<&'t ResponseHead> {
        Some(head)
    }

    fn leave(&self, _thread: ResponseHead) {}
}

/// `None` when the request's body did not come whole.
fn answer(head: &mut ResponseHead, exchange: &mut Exchange<'_, Echo>) -> Option<()> {
    let request = exchange.request();
    let facts = Facts::parsed(&request.line, request.block, request.fields, request.facts);
    let way = facts.way();
    let body = if way == Way::Unread { None } else { Some(read_all(exchange)?) };
    let text = facts.answer(body.as_deref());
    head.start(b"200 OK").expect("a valid status");
    let len = text.len() as u64;
    exchange.send_head(head, (way != Way::Streamed).then_some(len));
    match way {
        Way::Copied | Way::Unread => {
            exchange.send(&text);
        }
        Way::Streamed => {
            for piece in text.chunks(7) {
                exchange.send(piece);
                exchange.flush(&mut ()).ok()?;
            }
        }
        Way::ByReference => {
            exchange.send_held(held(text));
        }
        Way::FromFile => {
            let mut file = tempfile();
            file.write_all(&text).expect("a file in memory takes it");
            exchange.send_file(file.into(), 0, len);
        }
    }
    exchange.finish();
    Some(())
}

fn read_all(exchange: &mut Exchange<'_, Echo>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    match exchange.take_body() {
        RequestBody::Empty => {}
        RequestBody::Memory { bytes, .. } => body = bytes,
        RequestBody::File { file, len, .. } => {
            file.file().read_to_end(&mut body).expect("the file can be read");
            assert_eq!(body.len() as u64, len);
        }
        RequestBody::Stream { len } => {
            while (body.len() as u64) < len {
                Room::behind(&mut body, 11, |room| exchange.read_body(room, &mut ())).ok()?;
            }
            let behind = Room::behind(&mut body, 11, |room| exchange.read_body(room, &mut ()));
            assert_eq!(behind, Ok(0), "the body goes on behind its length");
        }
    }
    Some(body)
}

fn tempfile() -> std::fs::File {
    rustix::fs::memfd_create("answer", rustix::fs::MemfdFlags::CLOEXEC).expect("a file in memory").into()
}

/// Bytes by reference, owned by a box: the sanitizer sees a release too early, twice, or never.
fn held(bytes: Vec<u8>) -> Held {
    let owner = Box::new(bytes);
    let data = NonNull::from(owner.as_slice()).cast::<u8>();
    let len = owner.len();
    let owner = NonNull::from(Box::leak(owner)).cast::<()>();
    // SAFETY: called once by `Held`, with the owner that was leaked above.
    let release = |owner: NonNull<()>| unsafe { drop(Box::from_raw(owner.cast::<Vec<u8>>().as_ptr())) };
    // SAFETY: the vector is not touched until `release`, and may be dropped on any thread.
    unsafe { Held::new(data, len, owner, release) }
}

/// Starts an engine with this gateway on a socket that has a name but no file; it runs until the process ends.
pub fn start() -> SocketAddr {
    let name = format!("dragoman-fuzz-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).expect("a short name");
    let socket = UnixListener::bind_addr(&address).expect("a free name");
    let listener = Listener::new(socket.as_fd()).expect("a listener");
    let options =
        Options { threads: 4, body_buffer: BODY_BUFFER, chunked_memory: CHUNKED_MEMORY, ..Options::default() };
    let engine = Engine::new(Echo, vec![listener], options, None).expect("an engine");
    std::thread::spawn(move || {
        loop {
            for event in engine.wait(None) {
                match event {
                    Event::Thread => {
                        let engine = Arc::clone(&engine);
                        std::thread::spawn(move || engine.serve());
                    }
                    Event::Log(level, text) => eprintln!("{level:?}: {text}"),
                    Event::Tidy => engine.tidy(),
                    Event::Drained(_) | Event::Limit | Event::Signal => {}
                }
            }
        }
    });
    address
}
