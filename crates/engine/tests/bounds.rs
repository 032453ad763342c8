//! Bounds that the working of a server does not show: each test here fails when its bound is taken away.

mod common;

use common::client::Client;
use common::{Running, locked, start};
use dragoman_engine::Options;
use std::io::Write;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);
/// A tick so long that no leader is deposed: what is queued behind its call comes after it.
const NO_DEPOSITION_US: u64 = 1_000_000;
/// More than the kernel takes for a client that does not read (about 700 kB), in blocks of 10 kB.
const STREAM: &[u8] = b"GET /stream/600/10000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const STREAM_BYTES: u64 = 6_000_000;

fn count(running: &Running, wanted: &str) -> u64 {
    let all = running.engine.stats();
    all.into_iter().find(|(name, _)| *name == wanted).map_or(0, |(_, count)| count)
}

fn wait_until(running: &Running, what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "{what} never came: {:?}", running.engine.stats());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn wait_for(running: &Running, name: &str, least: u64) {
    wait_until(running, name, || count(running, name) >= least);
}

/// Bytes that come until the connection ends, in good order or not.
fn received(client: &mut Client) -> u64 {
    let mut counted = 0;
    let mut buffer = vec![0; 65536];
    while let Ok(read @ 1..) = std::io::Read::read(&mut client.stream, &mut buffer) {
        counted += read as u64;
    }
    counted
}

#[test]
fn a_producer_waits_when_its_client_has_left_more_than_the_output_buffer_and_not_before() {
    let running = start(Options { output_buffer: 100_000, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(STREAM);
    wait_for(&running, "producer_waits", 1);
    assert_eq!(count(&running, "requests"), 0);
    assert!(received(&mut client) > STREAM_BYTES);
    let running = start(Options { output_buffer: 8_000_000, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(STREAM);
    wait_for(&running, "requests", 1);
    assert_eq!(count(&running, "producer_waits"), 0);
    assert!(received(&mut client) > STREAM_BYTES);
}

#[test]
fn a_producer_of_single_bytes_comes_to_its_bound_though_each_block_goes_out_by_itself() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    client.send(b"GET /stream/1000000/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    // A million bytes for a client that does not read cost a look at each of them, not at all that wait for each.
    wait_for(&running, "producer_waits", 1);
    assert!(received(&mut client) > 6_000_000);
    assert_eq!(count(&running, "requests"), 1);
}

#[test]
fn a_pipelining_client_has_a_share_of_sixteen_requests_before_the_next_one_has_its_turn() {
    let running = start(Options { tick_us: NO_DEPOSITION_US, ..Options::default() });
    let [mut busy, mut flood, mut other] = [(); 3].map(|()| Client::connect(running.address));
    for client in [&mut busy, &mut flood, &mut other] {
        assert_eq!(client.get("/").status, 200);
    }
    let gateway = running.engine.gateway();
    busy.send(b"GET /spin/1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(&running, "the call", || gateway.running.load(SeqCst) == 1);
    flood.send("GET /mark/1 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200).as_bytes());
    other.send(b"GET /mark/2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(gateway.running.load(SeqCst), 1, "the call has ended too soon to queue anything behind it");
    assert_eq!(other.response().status, 200);
    (0..200).for_each(|_| assert_eq!(flood.response().status, 200));
    // A turn of the clock ends a share, too.
    let before = locked(&gateway.marks).iter().position(|mark| *mark == 2);
    assert!(before.is_some_and(|count| count <= 16), "{before:?}");
}

#[test]
fn answers_of_64_kib_do_not_wait_for_the_next_call_of_their_connection() {
    let running = start(Options { tick_us: NO_DEPOSITION_US, ..Options::default() });
    let mut client = Client::connect(running.address);
    let copy = "GET /copy/40000 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    client.send(format!("{copy}GET /spin/2000 HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    assert_eq!(client.response().body.len() + client.response().body.len(), 80_000);
    // Both answers are here, and the third call is still to end.
    wait_until(&running, "the third call", || running.engine.gateway().running.load(SeqCst) == 1);
    assert_eq!(client.response().status, 200);
}

#[test]
fn pauses_of_accepting_double_from_a_tenth_of_a_second_to_one() {
    let running = start(Options { connections: 1, ..Options::default() });
    let mut busy = Client::connect(running.address);
    busy.send(b"GET /sleep/9000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(&running, "the call", || running.engine.gateway().running.load(SeqCst) == 1);
    let _waiting = Client::connect(running.address);
    wait_for(&running, "accept_pauses", 1);
    let begin = Instant::now();
    let mut at_ms = vec![0];
    for pause in 2..=8 {
        wait_for(&running, "accept_pauses", pause);
        at_ms.push(begin.elapsed().as_millis());
    }
    let gaps: Vec<_> = at_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, least) in gaps.iter().zip([80, 180, 380, 780, 900, 900, 900]) {
        assert!(*gap >= least, "{gaps:?}");
    }
    // Without the bound of a second it would be 12.7 s.
    assert!(at_ms[7] < 9_000, "{gaps:?}");
}

#[test]
fn of_a_large_crowd_a_32nd_part_makes_room_at_once() {
    const CROWD: usize = 640;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("the hard limit may be used");
    let running = start(Options { connections: CROWD, keep_alive_ms: 600_000, ..Options::default() });
    let mut crowd: Vec<_> = (0..CROWD).map(|_| Client::connect(running.address)).collect();
    crowd.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert_eq!(count(&running, "evictions"), (CROWD / 32) as u64);
}

#[test]
fn a_client_that_does_not_end_its_side_is_closed_after_the_linger_time() {
    let running = start(Options { linger_ms: 1_500, body_buffer: 1_000, ..Options::default() });
    let mut refused = Client::connect(running.address);
    refused.send(b"GET / HTTP/1.1\r\nHost: a\r\nbad field\r\n\r\n");
    assert!(refused.until_closed().starts_with(b"HTTP/1.1 400 "));
    let begin = Instant::now();
    wait_for(&running, "linger_timeouts", 1);
    assert!(begin.elapsed() > Duration::from_millis(1_200), "{:?}", begin.elapsed());
    wait_until(&running, "the close", || count(&running, "open") == 0);
    assert_eq!(count(&running, "discard_timeouts"), 0);

    let mut unread = Client::connect(running.address);
    unread.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
    assert_eq!(unread.response().status, 200);
    let begin = Instant::now();
    wait_for(&running, "discard_timeouts", 1);
    assert!(begin.elapsed() > Duration::from_millis(1_200), "{:?}", begin.elapsed());
    assert!(unread.until_closed().is_empty());
    wait_for(&running, "linger_timeouts", 2);
    wait_until(&running, "the close", || count(&running, "open") == 0);
}

#[test]
fn a_refused_client_is_not_read_on_without_end() {
    let running = start(Options { linger_ms: 600_000, discard_bytes: 200_000, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nbad field\r\n\r\n");
    assert!(client.until_closed().starts_with(b"HTTP/1.1 400 "));
    let until = Instant::now() + DEADLINE;
    let mut sent = 0;
    while client.stream.write_all(&[b'x'; 1_000]).is_ok() {
        sent += 1_000;
        assert!(Instant::now() < until, "{sent} bytes were taken");
    }
    assert!(sent >= 200_000, "only {sent} bytes were taken");
    wait_until(&running, "the close", || count(&running, "open") == 0);
    assert_eq!((count(&running, "linger_timeouts"), count(&running, "field-colon-missing")), (0, 1));
}
