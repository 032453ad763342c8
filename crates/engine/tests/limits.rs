//! Time and memory that peers may use: rates, room for new connections, the queue for threads, the quota on disk.

mod common;

use common::client::Client;
use common::{Running, patient, start};
use dragoman_engine::{Options, PaceRule};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

fn count(running: &Running, wanted: &str) -> u64 {
    let all = running.engine.stats();
    all.into_iter().find(|(name, _)| *name == wanted).map(|(_, count)| count).expect("a counter of that name")
}

/// Asks until the counter has reached `least`.
fn wait_for(running: &Running, name: &str, least: u64) {
    let until = Instant::now() + DEADLINE;
    while count(running, name) < least {
        assert!(Instant::now() < until, "{name}: {:?}", running.engine.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// 1,000 bytes a second after 300 ms.
const BRISK: PaceRule = PaceRule { idle_ms: 60_000, rate: 1_000, grace_ms: 300 };

#[test]
fn a_body_that_trickles_below_the_least_rate_is_refused_and_counted() {
    for head in [
        // Collected before the call, decoded before the call, and read by the call.
        &b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"[..],
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n",
    ] {
        let running = start(Options { body_pace: BRISK, ..Options::default() });
        let mut client = Client::connect(running.address);
        client.send(head);
        let until = Instant::now() + DEADLINE;
        // Ten bytes a second: never idle, never done.
        while count(&running, "slow_bodies") == 0 {
            assert!(Instant::now() < until, "{:?}", running.engine.stats());
            drop(client.stream.write_all(b"x"));
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(count(&running, "body_timeouts"), 0);
        assert!(!client.until_closed().starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn a_body_that_keeps_the_rate_outlives_grace_and_idle_time_many_times() {
    let running =
        start(Options { body_pace: PaceRule { idle_ms: 400, rate: 1_000, grace_ms: 200 }, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n");
    for _ in 0..20 {
        client.send(&[b'x'; 1000]);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.response().body.len(), 20_000);
}

#[test]
fn a_reader_below_the_least_rate_is_cut_while_its_answer_waits_in_memory_or_in_a_call() {
    for path in ["/big/50000000", "/stream/800/65536"] {
        // What the client's kernel takes at once earns nearly nothing at this rate.
        let running = start(Options { write_pace: PaceRule { rate: 100_000_000, ..BRISK }, ..Options::default() });
        let mut client = Client::connect(running.address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        wait_for(&running, "slow_readers", 1);
        wait_for(&running, "aborted", 1);
        assert_eq!(count(&running, "write_timeouts"), 0);
    }
}

#[test]
fn a_reader_that_takes_nothing_is_cut_by_the_idle_time() {
    let running = start(Options { write_pace: patient(300), ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"GET /big/50000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&running, "write_timeouts", 1);
    assert_eq!(count(&running, "slow_readers"), 0);
}

#[test]
fn a_slow_reader_that_keeps_the_rate_is_served_though_the_socket_takes_nothing_for_longer_than_the_idle_time() {
    // The kernel's buffers are megabytes, and take more only when a large part is free: what counts is what is read.
    let rule = PaceRule { idle_ms: 600, rate: 10_000, grace_ms: 600 };
    let running = start(Options { write_pace: rule, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"GET /big/12000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut buffer = vec![0; 200_000];
    let mut read = 0;
    let begin = Instant::now();
    // Two megabytes a second at most, so that an event for writing comes about every two seconds only.
    while begin.elapsed() < Duration::from_secs(4) {
        read += client.stream.read(&mut buffer).expect("the connection lives");
        std::thread::sleep(Duration::from_millis(100));
    }
    while read < 12_000_000 {
        let now = client.stream.read(&mut buffer).expect("the connection lives");
        assert!(now > 0, "cut after {read} bytes: {:?}", running.engine.stats());
        read += now;
    }
    assert_eq!((count(&running, "write_timeouts"), count(&running, "slow_readers")), (0, 0));
}

#[test]
fn the_time_between_two_blocks_is_the_producers_and_not_the_readers() {
    let rule = PaceRule { idle_ms: 400, rate: 1_000, grace_ms: 400 };
    let running = start(Options { write_pace: rule, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"GET /pulse/8000000/900 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().body.len(), 32_000_000);
}

#[test]
fn a_new_client_is_served_at_the_limit_of_connections_and_the_longest_idle_make_room() {
    let running = start(Options { connections: 40, ..Options::default() });
    let mut idle: Vec<_> = (0..40).map(|_| Client::connect(running.address)).collect();
    for client in &mut idle {
        assert_eq!(client.get("/").status, 200);
    }
    let begin = Instant::now();
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert!(begin.elapsed() < DEADLINE / 2, "it had to wait for the others' timeouts");
    assert_eq!(count(&running, "evictions"), 16);
    // The first ones had waited longest; the last ones are still welcome.
    assert!(idle[0].until_closed().is_empty());
    assert_eq!(idle[39].get("/").status, 200);
}

#[test]
fn connections_that_never_sent_a_request_make_room_too_but_not_those_that_have_one_under_way() {
    let running = start(Options { connections: 20, first_byte_ms: 600_000, head_ms: 600_000, ..Options::default() });
    let mut busy = Client::connect(running.address);
    busy.send(b"GET /sleep/3000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut crowd: Vec<_> = (0..19).map(|_| Client::connect(running.address)).collect();
    crowd.iter_mut().step_by(2).for_each(|client| client.send(b"GET / HTTP/1.1\r\nHost:"));
    wait_for(&running, "accepted", 20);
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert!(count(&running, "evictions") > 0);
    assert_eq!(busy.response().status, 200);
}

#[test]
fn a_request_that_finds_no_thread_in_time_is_answered_503() {
    let running = start(Options { threads: 1, queue_ms: 300, ..Options::default() });
    let mut first = Client::connect(running.address);
    first.send(b"GET /sleep/2500 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&running, "depositions", 1);
    let mut second = Client::connect(running.address);
    let answer = second.get("/");
    assert_eq!((answer.status, count(&running, "queue_timeouts")), (503, 1));
    assert_eq!(first.response().status, 200);
}

#[test]
fn bodies_on_disk_share_a_quota_and_give_their_room_back() {
    let running = start(Options { chunked_memory: 1_000, spool_quota: 150_000, ..Options::default() });
    let message = |bytes: usize| {
        let mut message = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        message.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
        message.extend(std::iter::repeat_n(b'x', bytes));
        message.extend_from_slice(b"\r\n0\r\n\r\n");
        message
    };
    let mut large = Client::connect(running.address);
    large.send(&message(200_000));
    assert_eq!((large.response().status, count(&running, "spool_refusals")), (507, 1));
    // Each takes most of the room; the next one finds it free again.
    for _ in 0..5 {
        let mut client = Client::connect(running.address);
        client.send(&message(140_000));
        assert_eq!(client.response().body.len(), 140_000);
    }
    // One that fits by itself does not fit beside another that is still on its way.
    let (mut first, whole) = (Client::connect(running.address), message(100_000));
    let (begin, end) = whole.split_at(whole.len() - 1);
    first.send(begin);
    let second = || {
        let mut second = Client::connect(running.address);
        second.send(&whole);
        second.response().status
    };
    let until = Instant::now() + DEADLINE;
    while second() != 507 {
        assert!(Instant::now() < until, "both had room: {:?}", running.engine.stats());
    }
    first.send(end);
    assert_eq!(first.response().body.len(), 100_000);
    assert_eq!(second(), 200);
    assert!(count(&running, "spool-full") == count(&running, "spool_refusals"));
    assert!(count(&running, "spooled_bodies") >= 9);
}

#[test]
fn a_refused_client_that_goes_on_sending_still_reads_its_answer() {
    let running = start(Options { linger_ms: 600_000, ..Options::default() });
    let mut client = Client::connect(running.address);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nbad field\r\n\r\n");
    for _ in 0..50 {
        match client.stream.write_all(&[b'x'; 1000]) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(client.response().status == 400);
}

#[test]
fn a_drain_closes_the_doors_though_accepting_pauses() {
    let running = start(Options { connections: 1, ..Options::default() });
    let mut busy = Client::connect(running.address);
    busy.send(b"GET /sleep/2000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&running, "depositions", 1);
    let waiting = Client::connect(running.address);
    wait_for(&running, "accept_pauses", 1);
    running.engine.drain();
    let until = Instant::now() + DEADLINE;
    while TcpStream::connect(running.address).is_ok() {
        assert!(Instant::now() < until, "the listener is still open");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(busy.response().status, 200);
    drop(waiting);
}

#[test]
fn what_has_come_in_time_is_not_too_late_because_the_leader_was_busy() {
    // With ticks of a second nobody is deposed: the call below holds everything up past the others' deadlines.
    let options = Options { keep_alive_ms: 600, body_pace: patient(600), tick_us: 1_000_000, ..Options::default() };
    let running = start(options);
    let mut kept = Client::connect(running.address);
    assert_eq!(kept.get("/").status, 200);
    let mut upload = Client::connect(running.address);
    upload.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let mut slow = Client::connect(running.address);
    wait_for(&running, "accepted", 3);
    slow.send(b"GET /spin/1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    std::thread::sleep(Duration::from_millis(200));
    kept.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upload.send(b"world");
    assert_eq!((kept.response().status, upload.response().status), (200, 200));
    assert_eq!(slow.response().status, 200);
}

#[test]
fn a_client_that_leaves_in_its_upload_is_counted_once() {
    let running = start(Options::default());
    let mut client = Client::connect(running.address);
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\nabc");
    drop(client);
    wait_for(&running, "requests", 1);
    let until = Instant::now() + DEADLINE;
    while count(&running, "open") > 0 {
        assert!(Instant::now() < until, "{:?}", running.engine.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(count(&running, "aborted"), 1);
}

/// What a client has uploaded with the chunked coding, and what is still to come of it is `more`.
fn begin_upload(running: &Running, bytes: usize, more: usize) -> Client {
    let mut client = Client::connect(running.address);
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{:x}\r\n", bytes + more).as_bytes());
    client.send(&vec![b'x'; bytes]);
    client
}

fn upload(running: &Running, bytes: usize) -> u16 {
    let mut client = Client::connect(running.address);
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n");
    // One that is refused is not read to its end.
    let _ = client.stream.write_all(&[head.as_bytes(), &vec![b'x'; bytes], b"\r\n0\r\n\r\n"].concat());
    client.response().status
}

/// A client that reads nothing and whose kernel takes little.
fn deaf(running: &Running, path: &str) -> TcpStream {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).expect("a socket");
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4096).expect("a small buffer");
    rustix::net::connect(&socket, &running.address).expect("the server listens");
    let mut stream = TcpStream::from(socket);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("the server reads");
    stream
}

#[test]
fn an_upload_gets_its_room_from_those_that_hold_the_quota_and_trickle() {
    let running = start(Options { chunked_memory: 1_000, spool_quota: 2_000_000, ..Options::default() });
    let mut trickling: Vec<_> = (0..4).map(|_| begin_upload(&running, 470_000, 100_000)).collect();
    let until = Instant::now() + Duration::from_millis(2_500);
    while Instant::now() < until {
        // Ten times the least rate: nobody is refused for it while nobody needs the room.
        trickling.iter_mut().for_each(|client| client.send(&[b'x'; 500]));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!((count(&running, "spool_cuts"), count(&running, "slow_bodies")), (0, 0));
    let begin = Instant::now();
    assert_eq!(upload(&running, 200_000), 200);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!((count(&running, "spool_cuts"), count(&running, "spool_refusals")), (1, 0));
    // Those that need not make room go on.
    trickling.iter_mut().for_each(|client| drop(client.stream.write_all(&[b'x'; 10])));
    let answered =
        |client: &&mut Client| client.stream.set_nonblocking(true).is_ok() && client.stream.peek(&mut [0]).is_ok();
    let until = Instant::now() + Duration::from_secs(10);
    let cut = loop {
        if let Some(client) = trickling.iter_mut().find(answered) {
            break client;
        }
        assert!(Instant::now() < until, "none of them was told");
        std::thread::sleep(Duration::from_millis(10));
    };
    cut.stream.set_nonblocking(false).expect("a socket");
    assert_eq!(cut.response().status, 408);
}

#[test]
fn an_upload_that_is_read_by_a_thread_which_does_not_lead_finds_room_too() {
    let running = start(Options { chunked_memory: 1_000, spool_quota: 1_000_000, ..Options::default() });
    let _trickling: Vec<_> = (0..2).map(|_| begin_upload(&running, 490_000, 1)).collect();
    std::thread::sleep(Duration::from_millis(1_500));
    let mut client = Client::connect(running.address);
    // The leader is deposed in this call, and goes on with the connection as a follower.
    client.send(b"GET /sleep/100 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n40000\r\n");
    client.send(&vec![b'y'; 0x40000]);
    client.send(b"\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let echo = client.response();
    assert_eq!((echo.status, echo.body.len()), (200, 0x40000), "{:?}", running.engine.stats());
    assert!(echo.body.iter().all(|byte| *byte == b'y'));
    assert_eq!(client.response().body, b"Hello, World!");
    assert_eq!((count(&running, "spool_cuts"), count(&running, "spool_refusals")), (1, 0));
}

#[test]
fn bodies_that_have_only_begun_are_not_cut_for_the_next_one() {
    let running = start(Options { chunked_memory: 1_000, spool_quota: 1_000_000, ..Options::default() });
    let _fresh: Vec<_> = (0..2).map(|_| begin_upload(&running, 490_000, 1)).collect();
    // Each answer takes a turn, in which the bodies have theirs.
    let mut other = Client::connect(running.address);
    (0..20).for_each(|_| assert_eq!(other.get("/").status, 200));
    assert_eq!(upload(&running, 200_000), 507);
    assert_eq!(count(&running, "spool_cuts"), 0);
}

#[test]
fn many_slow_clients_together_hold_no_more_memory_than_the_bound_and_a_quick_one_is_served() {
    // Without the bound they would hold 80 MB.
    let paces = Options { body_pace: patient(600_000), write_pace: patient(600_000), ..Options::default() };
    let running = start(Options { held_memory: 8_000_000, ..paces });
    let readers: Vec<_> = (0..40).map(|_| deaf(&running, "/big/2000000")).collect();
    // Four of them are just not more than the bound.
    wait_for(&running, "memory_cuts", 36);
    assert_eq!(Client::connect(running.address).get("/big/2000000").body.len(), 2_000_000);
    // Four of the slow ones, or three and the quick one, which may have made the fourth one go.
    assert!(count(&running, "open") <= 5, "{:?}", running.engine.stats());
    drop(readers);
    // Bodies that fit into memory one by one do not all of them.
    let mut uploads: Vec<_> = (0..400).map(|_| Client::connect(running.address)).collect();
    for client in &mut uploads {
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
        client.send(&[b'x'; 59_000]);
    }
    wait_for(&running, "memory_cuts", 36 + 260);
    assert_eq!(upload(&running, 900_000), 200);
}

#[test]
fn those_that_come_right_after_a_look_in_vain_make_room_though_nothing_else_happens() {
    let paces =
        Options { write_pace: patient(600_000), head_ms: 600_000, first_byte_ms: 600_000, ..Options::default() };
    let running = start(Options { held_memory: 200_000, ..paces });
    // More than the bound together, and none of them so much that it would be cut for it.
    let mut heads: Vec<_> = (0..200).map(|_| Client::connect(running.address)).collect();
    heads.iter_mut().for_each(|client| client.send(format!("GET / HTTP/1.1\r\nX: {:1500}", "").as_bytes()));
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert_eq!(count(&running, "memory_cuts"), 0);
    let _readers: Vec<_> = (0..3).map(|_| deaf(&running, "/big/2000000")).collect();
    wait_for(&running, "memory_cuts", 3);
}

#[test]
fn trailers_that_do_not_end_count_with_the_memory_of_all_clients() {
    let running = start(Options { body_pace: patient(600_000), held_memory: 1_000_000, ..Options::default() });
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ";
    let _clients: Vec<_> = (0..100)
        .map(|_| {
            let mut client = Client::connect(running.address);
            client.send(&[head.as_slice(), &[b'x'; 15_000]].concat());
            client
        })
        .collect();
    wait_for(&running, "memory_cuts", 34);
}

#[test]
fn while_memory_is_short_bodies_go_to_files_and_producers_wait_soon() {
    let running = start(Options { held_memory: 4_000_000, ..Options::default() });
    let _reader = deaf(&running, "/big/3000000");
    wait_for(&running, "requests", 1);
    let _uploads: Vec<_> = (0..30).map(|_| begin_upload(&running, 500_000, 1)).collect();
    let _producers: Vec<_> = (0..4).map(|_| deaf(&running, "/stream/1000/10000")).collect();
    assert_eq!(upload(&running, 200_000), 200);
    wait_for(&running, "accepted", 36);
    assert_eq!(count(&running, "memory_cuts"), 0, "{:?}", running.engine.stats());
}

#[test]
fn an_object_that_many_readers_have_is_in_memory_once() {
    let running = start(Options { held_memory: 4_000_000, ..Options::default() });
    let _readers: Vec<_> = (0..20).map(|_| deaf(&running, "/shared/2000000")).collect();
    wait_for(&running, "requests", 20);
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert_eq!(count(&running, "memory_cuts"), 0);
}

#[test]
fn with_one_permit_a_reader_that_trickles_is_cut_when_the_room_for_answers_is_used_up() {
    let running = start(Options { threads: 1, spool_quota: 4_000_000, output_buffer: 100_000, ..Options::default() });
    let stream = deaf(&running, "/stream/1000/10000");
    wait_for(&running, "spool_cuts", 1);
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    drop(stream);
    // Those that have left their calls with what waits in files make room for the next one.
    let _crowd: Vec<_> = (0..3).map(|_| deaf(&running, "/stream/200/10000")).collect();
    wait_for(&running, "requests", 5);
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert!(count(&running, "spool_cuts") >= 2, "{:?}", running.engine.stats());
}

#[test]
fn memory_that_came_free_is_told_of_without_a_further_request() {
    let running = start(Options::default());
    let readers: Vec<_> = (0..20).map(|_| deaf(&running, "/big/2000000")).collect();
    wait_for(&running, "requests", 20);
    // Held long enough for a turn of the leader to see it.
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    assert_eq!(running.tidied.load(SeqCst), 0);
    drop(readers);
    wait_until_tidied(&running);
}

#[test]
fn slow_clients_make_room_for_what_a_call_that_goes_on_has_made_the_process_hold() {
    let paces = Options { body_pace: patient(600_000), write_pace: patient(600_000), ..Options::default() };
    let running = start(Options { held_memory: 1_000_000, ..paces });
    let mut uploads: Vec<_> = (0..4).map(|_| Client::connect(running.address)).collect();
    for client in &mut uploads {
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
        client.send(&[b'x'; 59_000]);
    }
    // Its thread does not lead any more when the block comes, and the leader has nothing to wait for.
    let _reader = deaf(&running, "/late/4000000/100");
    uploads.iter_mut().for_each(|client| assert_eq!(client.response().status, 408));
}

#[test]
fn memory_that_came_free_in_the_last_turn_is_told_of_though_nothing_else_happens() {
    let running = start(Options { write_pace: patient(600_000), first_byte_ms: 600_000, ..Options::default() });
    let reader = deaf(&running, "/big/20000000");
    wait_for(&running, "requests", 1);
    // Held long enough for a turn of the leader to see it.
    let mut other = Client::connect(running.address);
    assert_eq!(other.get("/").status, 200);
    // By then the leader has nothing more to look at: the end of the reader is all that happens.
    std::thread::sleep(Duration::from_millis(500));
    drop(reader);
    wait_until_tidied(&running);
}

#[test]
fn memory_that_a_call_lets_go_is_told_of_though_nothing_else_happens() {
    let running = start(Options { write_pace: patient(600_000), first_byte_ms: 600_000, ..Options::default() });
    let reader = deaf(&running, "/late/20000000/100");
    let until = Instant::now() + DEADLINE;
    while running.engine.gateway().running.load(SeqCst) > 0 || running.engine.stuck().is_empty() {
        assert!(Instant::now() < until, "the call never waits");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The leader hears of its end at once, the call lets go a tenth of a second later.
    drop(reader);
    wait_until_tidied(&running);
}

fn wait_until_tidied(running: &Running) {
    let until = Instant::now() + DEADLINE;
    while running.tidied.load(SeqCst) == 0 {
        assert!(Instant::now() < until, "{:?}", running.engine.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
}
