//! What a hostile or unlucky peer does to the order of things: bodies behind blocked output, floods, half-sent messages.

mod common;

use common::client::Client;
use common::{patient, start, start_on};
use dragoman_engine::Options;
use rustix::net::SendFlags;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

const CHUNKED: &[u8] = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn a_collected_body_behind_blocked_output_is_never_read_as_a_request() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    let body = b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut message = b"GET /big/10000000 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    message.extend_from_slice(CHUNKED);
    message.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
    message.extend_from_slice(body);
    message.extend_from_slice(b"\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(&message);
    assert_eq!(client.response().body.len(), 10_000_000);
    assert_eq!(client.response().body, body);
    assert_eq!(client.response().body, b"Hello, World!");
}

#[test]
fn a_body_that_came_in_part_behind_blocked_output_is_not_lost() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    let mut message = b"GET /big/10000000 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    message.extend_from_slice(CHUNKED);
    message.extend_from_slice(b"5\r\nhel");
    client.send(&message);
    assert_eq!(client.response().body.len(), 10_000_000);
    client.send(b"lo\r\n0\r\n\r\n");
    assert_eq!(client.response().body, b"hello");
}

#[test]
fn with_one_permit_an_expected_body_is_collected_and_not_read_as_a_request() {
    let running = start(Options { threads: 1, ..Options::default() });
    let mut client = Client::connect(running.address);
    let body = b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = format!(
        "GET /big/10000000 HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(&[head.as_bytes(), body].concat());
    assert_eq!(client.response().body.len(), 10_000_000);
    assert_eq!(client.response().body, body);
    assert_eq!(client.get("/").body, b"Hello, World!");
}

#[test]
fn one_pipelining_client_does_not_keep_the_others_waiting() {
    for threads in [1, 8] {
        let running = start(Options { threads, ..Options::default() });
        let mut flood = Client::connect(running.address);
        flood.send("GET /spin/1 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000).as_bytes());
        assert_eq!(flood.response().status, 200);
        assert_eq!(Client::connect(running.address).get("/").status, 200);
        let answered =
            running.engine.stats().iter().find(|(name, _)| *name == "requests").map_or(0, |(_, count)| *count);
        assert!(
            answered < 900,
            "{answered} of the flood were answered before the other client, with {threads} threads"
        );
        (1..1000).for_each(|_| assert_eq!(flood.response().status, 200));
    }
}

#[test]
fn bytes_after_the_last_request_do_not_cost_its_answer() {
    let running = start(Options::default());
    for _ in 0..5 {
        let mut client = Client::connect(running.address);
        client.send(b"GET /big/10000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut writer = client.stream.try_clone().expect("a second handle");
        let sent = std::thread::spawn(move || writer.write_all(&[b'x'; 1000]));
        assert_eq!(client.response().body.len(), 10_000_000);
        drop(sent.join());
    }
}

#[test]
fn a_long_upload_that_ends_in_the_middle_is_ended_at_once() {
    let running = start(Options { body_pace: patient(600_000), ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(CHUNKED);
    for _ in 0..15 {
        client.send(b"ffff\r\n");
        client.send(&[b'x'; 0xffff]);
        client.send(b"\r\n");
    }
    client.stream.shutdown(Shutdown::Write).expect("half-close");
    assert!(client.until_closed().is_empty());
}

#[test]
fn a_reader_that_stalls_is_ended_though_it_goes_on_sending() {
    let running = start(Options { write_pace: patient(300), ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"GET /big/50000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let until = Instant::now() + DEADLINE;
    // Each byte is an event for the server, and none of them is progress.
    while client.stream.write_all(b"x").is_ok() {
        assert!(Instant::now() < until, "the stalled connection lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_answer_is_not_lost_when_the_rest_of_the_body_never_comes() {
    let running = start(Options { body_buffer: 1000, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
    client.send(&[b'x'; 10_000]);
    // The answer is read only after the server has given up.
    let mut first = [0; 1];
    client.stream.read_exact(&mut first).expect("an answer");
    std::thread::sleep(Duration::from_millis(1500));
    let rest = client.until_closed();
    assert!(rest.ends_with(b"Hello, World!"));
}

#[test]
fn a_listener_that_was_shut_down_elsewhere_neither_spins_nor_stops_the_drain() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut running = start_on(&socket, Options::default());
    let mut client = Client::connect(running.address);
    assert_eq!(client.get("/").status, 200);
    rustix::net::shutdown(&socket, rustix::net::Shutdown::Read).expect("shutting the listener down");
    assert_eq!(client.get("/").status, 200);
    drop(client);
    running.engine.drain();
    running.join();
}

#[test]
fn a_request_with_urgent_data_in_it_is_read_to_its_end_and_nothing_of_it_is_left_out() {
    // A read ends at urgent data, however much lies behind it, and takes it out of the order unless told not to.
    let running = start(Options { tick_us: 1_000_000, ..Options::default() });
    let [mut busy, mut client] = [(); 2].map(|()| Client::connect(running.address));
    assert_eq!((busy.get("/").status, client.get("/").status), (200, 200));
    busy.send(b"GET /spin/500 HTTP/1.1\r\nHost: a\r\n\r\n");
    while running.engine.gateway().running.load(SeqCst) == 0 {
        std::thread::yield_now();
    }
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    rustix::net::send(&client.stream, b"l", SendFlags::OOB).expect("room for a byte");
    client.send(b"lo");
    // All of it is there when the leader comes to look.
    assert_eq!(running.engine.gateway().running.load(SeqCst), 1, "the call has ended too soon");
    assert_eq!(client.response().body, b"hello");
}

#[test]
fn vanished_clients_leave_no_connection_behind() {
    let running = start(Options { drain_linger_ms: 0, ..Options::default() });
    for n in 0..60 {
        let mut client = Client::connect(running.address);
        let message: &[u8] = match n % 4 {
            0 => b"GET /stream/100/10000 HTTP/1.1\r\nHost: a\r\n\r\n",
            1 => b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\npart",
            2 => b"GET /big/5000000 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            _ => b"GET / HT",
        };
        match client.stream.write_all(message) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
            _ => {}
        }
    }
    let until = Instant::now() + DEADLINE;
    while running.engine.stats().iter().any(|(name, count)| *name == "open" && *count > 0) {
        assert!(Instant::now() < until, "{:?}", running.engine.stats());
        std::thread::yield_now();
    }
}
