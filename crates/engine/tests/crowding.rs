//! Too many of them: slow readers and uploads that fill what there is make room for those who come, the slowest first.

mod common;

use common::client::Client;
use common::{Running, start};
use dragoman_engine::Options;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

fn count(running: &Running, wanted: &str) -> u64 {
    let all = running.engine.stats();
    all.into_iter().find(|(name, _)| *name == wanted).map(|(_, count)| count).expect("a counter of that name")
}

fn until(running: &Running, what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: {:?}", running.engine.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Clients that ask for a stream and read nothing of it: each costs a call that waits for its peer.
fn slow_readers(running: &Running, number: usize) -> Vec<Client> {
    let mut readers: Vec<_> = (0..number).map(|_| Client::connect(running.address)).collect();
    readers.iter_mut().for_each(|reader| reader.send(b"GET /stream/200/65536 HTTP/1.1\r\nHost: a\r\n\r\n"));
    let gateway = running.engine.gateway();
    until(running, "all wait", || running.engine.stuck().len() == number && gateway.running.load(SeqCst) == 0);
    readers
}

#[test]
fn at_the_bound_of_waiting_calls_the_slowest_client_is_cut_and_the_one_that_came_last_is_served() {
    let running = start(Options { waiting_threads: 4, ..Options::default() });
    let readers = slow_readers(&running, 4);
    let mut honest = Client::connect(running.address);
    honest.send(b"GET /stream/200/65536 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&running, "one is cut", || count(&running, "peer_waits_cut") == 1);
    assert_eq!(honest.response().body.len(), 200 * 65_536);
    until(&running, "its call has ended", || count(&running, "aborted") == 1);
    let ends = readers.into_iter().map(|mut reader| {
        let timeout = reader.stream.set_read_timeout(Some(Duration::from_millis(200)));
        timeout
            .map(|()| reader.stream.read_to_end(&mut Vec::new()).is_err_and(|error| error.raw_os_error() == Some(104)))
    });
    assert_eq!(ends.filter(|is_reset| matches!(is_reset, Ok(true))).count(), 1, "cut by a reset, and nobody else is");
}

#[test]
fn above_half_of_the_bound_bodies_are_collected_before_the_call_and_cost_no_wait() {
    let running = start(Options { waiting_threads: 4, ..Options::default() });
    let readers = slow_readers(&running, 3);
    let mut uploads: Vec<_> = (0..6).map(|_| Client::connect(running.address)).collect();
    for upload in &mut uploads {
        upload.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n");
        upload.send(&[b'x'; 1000]);
    }
    until(&running, "all have come", || count(&running, "accepted") == 9);
    for upload in &mut uploads {
        upload.send(&[b'x'; 599_000]);
        assert_eq!(upload.response().body.len(), 600_000);
    }
    assert_eq!((count(&running, "peer_waits_cut"), running.engine.stuck().len()), (0, 3));
    drop(readers);
}

/// Bytes every 20 ms, 250 kB a second, from a thread of their own.
fn steadily(mut stream: std::net::TcpStream, bytes: usize) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for _ in 0..bytes / 5_000 {
            if stream.write_all(&[b'x'; 5_000]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // What was cut shows in the answer.
        drop(stream.write_all(b"\r\n0\r\n\r\n"));
    })
}

#[test]
fn uploads_that_fill_the_table_make_room_for_a_new_client_and_the_one_at_normal_speed_is_not_among_them() {
    let running = start(Options { connections: 20, ..Options::default() });
    let mut steady = Client::connect(running.address);
    steady.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7a120\r\n");
    let sender = steadily(steady.stream.try_clone().expect("a copy"), 500_000);
    let mut crowd: Vec<_> = (0..19).map(|_| Client::connect(running.address)).collect();
    crowd
        .iter_mut()
        .for_each(|client| client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nx"));
    until(&running, "all have come", || count(&running, "accepted") == 20);
    let begin = Instant::now();
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert!(begin.elapsed() < DEADLINE / 2, "it had to wait for the others' timeouts");
    assert_eq!(count(&running, "evictions"), 16);
    assert_eq!(steady.response().body.len(), 500_000);
    sender.join().expect("it does not panic");
    let told = crowd.iter_mut().filter_map(|client| {
        client.stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let mut answer = Vec::new();
        // Those that were spared say nothing.
        client.stream.read_to_end(&mut answer).ok().map(|_| answer)
    });
    assert_eq!(told.filter(|answer| answer.starts_with(b"HTTP/1.1 408 ")).count(), 16);
}

#[test]
fn readers_that_fill_the_table_make_room_for_a_new_client_and_the_one_at_normal_speed_is_not_among_them() {
    let running = start(Options { connections: 20, ..Options::default() });
    let mut crowd: Vec<_> = (0..20).map(|_| Client::connect(running.address)).collect();
    crowd.iter_mut().for_each(|client| client.send(b"GET /file/8000000 HTTP/1.1\r\nHost: a\r\n\r\n"));
    let mut steady = crowd.swap_remove(7);
    until(&running, "all are answered", || count(&running, "requests") == 20);
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 50_000];
        let mut read = 0;
        while read < 8_000_000 {
            match steady.stream.read(&mut buffer) {
                Ok(count @ 1..) => read += count,
                _ => return false,
            }
            std::thread::sleep(Duration::from_millis(40));
        }
        true
    });
    let begin = Instant::now();
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert!(begin.elapsed() < DEADLINE / 2, "it had to wait for the others' timeouts");
    assert_eq!((count(&running, "evictions"), count(&running, "aborted")), (16, 16));
    assert!(reader.join().expect("it does not panic"), "the steady reader was cut");
}

#[test]
fn connections_whose_answer_has_left_make_room_before_those_that_still_send() {
    let options = Options { connections: 40, linger_ms: 600_000, body_buffer: 10, ..Options::default() };
    let running = start(options);
    let mut sending = Client::connect(running.address);
    sending.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx");
    let mut crowd: Vec<_> = (0..39).map(|_| Client::connect(running.address)).collect();
    // One half was refused and does not go, the other owes the rest of a body that nobody has read.
    for (place, client) in crowd.iter_mut().enumerate() {
        match place % 2 {
            0 => client.send(b"bad\r\n\r\n"),
            _ => client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx"),
        }
        assert_eq!(client.response().status, if place % 2 == 0 { 400 } else { 200 });
    }
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert_eq!(count(&running, "evictions"), 16);
    sending.send(b"123456789");
    assert_eq!(sending.response().body, b"x123456789");
}

/// Ends a connection by a reset, as a client does that is stopped.
fn reset(client: Client) {
    let linger = rustix::net::sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO));
    linger.expect("a socket takes it");
}

#[test]
fn requests_whose_clients_have_reset_while_they_waited_for_a_thread_are_dropped_and_those_of_others_are_not() {
    let running = start(Options { threads: 1, ..Options::default() });
    let ask = |path: &str| {
        let mut client = Client::connect(running.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        client
    };
    let mut first = ask("/sleep/1000");
    until(&running, "its call goes on", || count(&running, "depositions") == 1);
    let gone: Vec<_> = (0..10).map(|_| ask("/sleep/1000")).collect();
    let mut half_closed = ask("/");
    half_closed.stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    until(&running, "all wait", || count(&running, "handoffs") == 11);
    gone.into_iter().for_each(reset);
    assert_eq!((first.response().status, half_closed.response().status), (200, 200));
    until(&running, "they are dropped", || count(&running, "aborted") == 10);
    assert_eq!(count(&running, "requests"), 2);
}

#[test]
fn requests_of_clients_that_have_gone_make_room_in_the_queue_while_no_thread_is_free() {
    let running = start(Options { threads: 1, queue: 8, ..Options::default() });
    let mut first = Client::connect(running.address);
    first.send(b"GET /sleep/3000 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(&running, "its call goes on", || count(&running, "depositions") == 1);
    let mut crowd: Vec<_> = (0..8).map(|_| Client::connect(running.address)).collect();
    crowd.iter_mut().for_each(|client| client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    until(&running, "the queue is full", || count(&running, "handoffs") == 8);
    crowd.into_iter().for_each(reset);
    until(&running, "they are dropped", || count(&running, "aborted") == 8);
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert_eq!((first.response().status, count(&running, "overloads")), (200, 0));
}

#[test]
fn a_burst_beyond_the_queue_waits_for_it_where_the_queue_moves_and_refuses_nobody() {
    let running = start(Options { threads: 4, queue: 4, ..Options::default() });
    let mut crowd: Vec<_> = (0..100).map(|_| Client::connect(running.address)).collect();
    for _ in 0..2 {
        crowd.iter_mut().for_each(|client| client.send(b"GET /sleep/20 HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answered = crowd.iter_mut().filter_map(|client| (client.response().status == 200).then_some(()));
        assert_eq!((answered.count(), count(&running, "overloads")), (100, 0));
    }
}

#[test]
fn a_full_queue_that_does_not_move_is_answered_503_and_who_waits_in_it_is_served() {
    let running = start(Options { threads: 1, queue: 2, queue_ms: 10_000, ..Options::default() });
    let ask = |path: &str| {
        let mut client = Client::connect(running.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        client
    };
    let mut first = ask("/sleep/4000");
    until(&running, "its call goes on", || count(&running, "depositions") == 1);
    let mut queued = [ask("/"), ask("/")];
    until(&running, "the queue is full", || count(&running, "handoffs") == 2);
    let begin = Instant::now();
    let refused = ask("/").response();
    assert_eq!((refused.status, count(&running, "overloads")), (503, 1));
    assert!(refused.head.contains("\r\nRetry-After: 1\r\n") && begin.elapsed() < Duration::from_secs(3));
    assert_eq!(first.response().status, 200);
    assert!(queued.iter_mut().all(|client| client.response().status == 200));
}

/// Ends the readers of a test, however it ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn calls_whose_clients_take_every_small_block_at_once_let_others_begin() {
    let running = start(Options::default());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for _ in 0..4 {
            let mut reader = Client::connect(running.address);
            reader.send(b"GET /stream/1000000000/1 HTTP/1.1\r\nHost: a\r\n\r\n");
            let is_over = &is_over;
            scope.spawn(move || {
                let mut room = vec![0; 1 << 20];
                while !is_over.load(SeqCst) && reader.stream.read(&mut room).is_ok_and(|count| count > 0) {}
            });
        }
        until(&running, "all of them run", || running.engine.stuck().len() == 4);
        assert_eq!(Client::connect(running.address).get("/").status, 200);
    });
}
