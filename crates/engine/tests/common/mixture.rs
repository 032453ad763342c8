//! A mixture of fast, slow and CPU-bound calls by many clients: every answer is checked, nothing is left over.

use super::client::Client;
use super::start;
use dragoman_engine::Options;
use std::sync::atomic::Ordering::SeqCst;

/// A repeatable sequence of numbers per client (xorshift).
struct Sequence(u64);

impl Sequence {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn run_client(address: std::net::SocketAddr, seed: u64, requests: usize) {
    let mut sequence = Sequence(seed);
    let mut client = Client::connect(address);
    for _ in 0..requests {
        if sequence.next(40) == 0 {
            client = Client::connect(address);
        }
        match sequence.next(12) {
            0 => assert_eq!(client.get("/sleep/5").body, b"Hello, World!"),
            1 => assert_eq!(client.get("/spin/4").body, b"Hello, World!"),
            2 => {
                let (chunks, size) = (sequence.next(20) + 1, sequence.next(2000) + 1);
                let body = client.get(&format!("/stream/{chunks}/{size}")).body;
                assert_eq!(body.len() as u64, chunks * size);
            }
            3 => {
                let size = sequence.next(300_000);
                assert_eq!(client.get(&format!("/big/{size}")).body.len() as u64, size);
            }
            4 => {
                let body: Vec<u8> = (0..sequence.next(100_000)).map(|n| (n ^ seed) as u8).collect();
                let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
                client.send(head.as_bytes());
                client.send(&body);
                assert!(client.response().body == body);
            }
            5 => {
                let depth = sequence.next(30) + 1;
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(depth as usize).as_bytes());
                (0..depth).for_each(|_| assert_eq!(client.response().body, b"Hello, World!"));
            }
            6 => {
                // Gone in the middle: nobody else may notice.
                client.send(b"GET /stream/50/20000 HTTP/1.1\r\nHost: a\r\n\r\n");
                client = Client::connect(address);
            }
            _ => assert_eq!(client.get("/").body, b"Hello, World!"),
        }
    }
}

/// Options under which threads come and go, and a drain ends at once.
pub fn options(threads: u32) -> Options {
    Options { threads, retire_ms: 50, drain_linger_ms: 0, ..Options::default() }
}

/// Runs `clients` with `requests` each against one engine, and drains it. Returns the engine's counters.
pub fn mixture(options: Options, clients: u64, requests: usize, seed: u64) -> Vec<(&'static str, u64)> {
    let threads = options.threads;
    let mut running = start(options);
    let address = running.address;
    let clients: Vec<_> = (1..=clients)
        .map(|n| {
            std::thread::spawn(move || run_client(address, (n + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15), requests))
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("every answer is right"));
    let gateway = running.engine.gateway();
    assert!(gateway.most_running.load(SeqCst) <= threads, "{} at once", gateway.most_running.load(SeqCst));
    running.engine.drain();
    running.join();
    assert!(running.drained.load(SeqCst));
    let stats = running.engine.stats();
    assert!(stats.contains(&("open", 0)), "{stats:?}");
    assert!(running.engine.stuck().is_empty());
    stats
}
