//! The engine over real sockets: framing, order, large bodies, timers, half-close, drain.

mod common;

use common::client::Client;
use common::{patient, start};
use dragoman_engine::Options;
use std::net::Shutdown;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

#[test]
fn a_request_is_answered_and_the_connection_kept() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!((response.status, response.body.as_slice()), (200, b"Hello, World!".as_slice()));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_with_a_slow_one_among_them() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    let mut requests = Vec::new();
    for n in 0..40 {
        let path = if n == 20 { "/sleep/30".to_string() } else { format!("/stream/1/{}", n + 1) };
        requests.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }
    client.send(&requests);
    for n in 0..40 {
        let expected = if n == 20 { 13 } else { n + 1 };
        assert_eq!(client.response().body.len(), expected, "answer {n}");
    }
}

#[test]
fn answers_before_a_slow_pipelined_request_do_not_wait_for_it() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /sleep/3000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let began = Instant::now();
    assert_eq!(client.response().status, 200);
    assert!(began.elapsed() < Duration::from_millis(2500), "the first answer waited for the second call");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_request_may_come_byte_by_byte_with_another_behind_it() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    let request = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    request.iter().for_each(|byte| client.send(&[*byte]));
    assert_eq!(client.response().body, b"hello");
    assert_eq!(client.response().body, b"Hello, World!");
}

#[test]
fn bodies_of_every_kind_come_back_whole() {
    let options = Options { chunked_memory: 100_000, ..Options::default() };
    let running = start(options);
    let mut client = Client::connect(running.address);
    for size in [0usize, 1, 1000, 65_536, 65_537, 300_000, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
        let mut stream = client.stream.try_clone().expect("a second handle");
        let sent = body.clone();
        let writer = std::thread::spawn(move || {
            use std::io::Write;
            let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", sent.len());
            stream.write_all(head.as_bytes()).expect("the head is read");
            stream.write_all(&sent).expect("the body is read");
            let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).expect("the head is read");
            for chunk in sent.chunks(7919) {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).expect("the size is read");
                stream.write_all(chunk).expect("the chunk is read");
                stream.write_all(b"\r\n").expect("its end is read");
            }
            stream.write_all(b"0\r\n\r\n").expect("the last chunk is read");
        });
        assert!(client.response().body == body, "with a length: {size}");
        assert!(client.response().body == body, "chunked: {size}");
        writer.join().expect("the writer");
    }
}

#[test]
fn large_bodies_and_files_reach_a_slow_reader_without_holding_a_thread() {
    let running = start(Options { threads: 1, ..Options::default() });
    let mut slow: Vec<Client> = ["/big/8000000", "/file/8000000", "/file/1000"]
        .iter()
        .map(|path| {
            let mut client = Client::connect(running.address);
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            client
        })
        .collect();
    // All three wait for their readers; the only permit must be free.
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    let sizes: Vec<usize> = slow.iter_mut().map(|client| client.response().body.len()).collect();
    assert_eq!(sizes, [8_000_000, 8_000_000, 1000]);
    for client in &mut slow {
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn a_streaming_producer_waits_for_its_reader_and_others_are_served() {
    let running = start(Options { threads: 2, output_buffer: 100_000, ..Options::default() });
    let mut slow: Vec<Client> = (0..6)
        .map(|_| {
            let mut client = Client::connect(running.address);
            client.send(b"GET /stream/1000/10000 HTTP/1.1\r\nHost: a\r\n\r\n");
            client
        })
        .collect();
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    for client in &mut slow {
        assert_eq!(client.response().body.len(), 10_000_000);
    }
}

#[test]
fn with_one_permit_slow_readers_of_streams_do_not_hold_it() {
    let running = start(Options { threads: 1, output_buffer: 100_000, ..Options::default() });
    let mut slow: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = Client::connect(running.address);
            client.send(b"GET /stream/1000/20000 HTTP/1.1\r\nHost: a\r\n\r\n");
            client
        })
        .collect();
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    for client in &mut slow {
        let body = client.response().body;
        assert_eq!(body.len(), 20_000_000);
        assert!(
            body.chunks(20_000).enumerate().all(|(n, chunk)| chunk.iter().all(|byte| *byte == b'a' + (n % 26) as u8))
        );
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(running.engine.gateway().most_running.load(SeqCst), 1);
}

#[test]
fn a_refused_head_is_answered_once_and_nothing_after_it_is_read() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = String::from_utf8(client.until_closed()).expect("text");
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
}

#[test]
fn a_client_that_closes_its_side_still_gets_its_answer() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    client.send(b"GET /sleep/50 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).expect("half-close");
    assert!(client.until_closed().ends_with(b"Hello, World!"));
}

#[test]
fn silence_in_a_head_or_a_body_is_answered_408_and_silence_between_requests_is_not() {
    let options =
        Options { head_ms: 200, body_pace: patient(200), keep_alive_ms: 200, first_byte_ms: 200, ..Options::default() };
    let running = start(options);
    for (sent, expected) in [
        (&b"GET / HTT"[..], &b"HTTP/1.1 408 "[..]),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe", b"HTTP/1.1 408 "),
        (b"", b""),
    ] {
        let mut client = Client::connect(running.address);
        client.send(sent);
        let answer = client.until_closed();
        assert!(answer.starts_with(expected) && (answer.is_empty() == expected.is_empty()), "{answer:?}");
    }
    let mut client = Client::connect(running.address);
    assert_eq!(client.get("/").status, 200);
    assert!(client.until_closed().is_empty());
}

#[test]
fn a_used_connection_outlives_the_time_for_its_first_byte() {
    let running = start(Options { first_byte_ms: 150, ..Options::default() });
    let mut client = Client::connect(running.address);
    assert_eq!(client.get("/").status, 200);
    // Silence for longer than that time; a server that ends the connection is seen by the read.
    client.stream.set_read_timeout(Some(Duration::from_millis(600))).expect("a timeout");
    let silence = std::io::Read::read(&mut client.stream, &mut [0; 1]);
    assert!(silence.is_err(), "the server closed: {silence:?}");
    client.stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_connection_whose_first_call_was_slow_is_closed_when_it_stays_idle() {
    let running = start(Options { keep_alive_ms: 200, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"GET /sleep/30 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert!(client.until_closed().is_empty());
}

#[test]
fn a_gateway_that_answers_nothing_is_answered_for() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    assert_eq!(client.get("/none").status, 500);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_panic_of_the_gateway_is_one_request() {
    let running = start(Options::default());
    assert_eq!(Client::connect(running.address).get("/panic").status, 500);
    assert_eq!(Client::connect(running.address).get("/").status, 200);
}

#[test]
fn a_drain_answers_what_is_under_way_and_then_every_thread_ends() {
    let mut running = start(Options { drain_linger_ms: 300, ..Options::default() });
    let mut busy = Client::connect(running.address);
    let mut idle = Client::connect(running.address);
    assert_eq!(idle.get("/").status, 200);
    busy.send(b"GET /sleep/400 HTTP/1.1\r\nHost: a\r\n\r\n");
    while running.engine.gateway().running.load(SeqCst) == 0 {
        std::thread::yield_now();
    }
    running.engine.drain();
    let last = idle.get("/");
    assert!(last.head.to_ascii_lowercase().contains("connection: close"), "{}", last.head);
    let answer = busy.response();
    assert_eq!(answer.body, b"Hello, World!");
    running.join();
    assert!(running.drained.load(SeqCst));
    assert_eq!(running.engine.threads(), 0);
}

#[test]
fn a_drain_without_connections_ends_at_once() {
    let mut running = start(Options { drain_linger_ms: 60_000, ..Options::default() });
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    while running.engine.stats().iter().any(|(name, count)| *name == "open" && *count > 0) {
        std::thread::yield_now();
    }
    running.engine.drain();
    running.join();
    assert!(running.drained.load(SeqCst));
}
