//! A small strict HTTP/1.1 client over a blocking socket, with a deadline on everything.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A response: status, head as text, body.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

pub struct Client {
    pub stream: TcpStream,
    ahead: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, ahead: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        self.response()
    }

    pub fn response(&mut self) -> Response {
        let end = loop {
            match self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more(),
            }
        };
        let head = String::from_utf8(self.ahead.drain(..end).collect()).expect("an ASCII head");
        let status = head[9..12].parse().expect("a status");
        let field = |name: &str| {
            head.lines().find_map(|line| line.split_once(": ").filter(|(field, _)| field.eq_ignore_ascii_case(name)))
        };
        let body = match (field("content-length"), field("transfer-encoding")) {
            (Some((_, length)), _) => self.exactly(length.parse().expect("a length")),
            (None, Some(_)) => self.chunked(),
            (None, None) => Vec::new(),
        };
        Response { status, head, body }
    }

    /// Everything until the server closes.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.ahead);
        self.stream.read_to_end(&mut rest).expect("an orderly end");
        rest
    }

    fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match self.ahead.windows(2).position(|window| window == b"\r\n") {
                    Some(end) => break end,
                    None => self.more(),
                }
            };
            let size: Vec<u8> = self.ahead.drain(..end + 2).collect();
            let size = usize::from_str_radix(std::str::from_utf8(&size[..end]).expect("a size"), 16).expect("hex");
            let data = self.exactly(size + 2);
            assert_eq!(&data[size..], b"\r\n");
            if size == 0 {
                return body;
            }
            body.extend_from_slice(&data[..size]);
        }
    }

    fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            self.more();
        }
        self.ahead.drain(..count).collect()
    }

    fn more(&mut self) {
        let mut buffer = [0; 65536];
        let count = self.stream.read(&mut buffer).expect("bytes in time");
        assert!(count > 0, "the server closed; so far: {:?}", String::from_utf8_lossy(&self.ahead));
        self.ahead.extend_from_slice(&buffer[..count]);
    }
}
