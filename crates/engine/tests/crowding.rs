//! Too many of them: slow readers and uploads that fill what there is make room for those who come, the slowest first.

mod common;

use common::client::Client;
use common::{Running, start};
use dragoman_engine::Options;
use std::io::Read;
use std::sync::atomic::Ordering::SeqCst;
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
    let running = start(Options { peer_waits: 4, ..Options::default() });
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
    let running = start(Options { peer_waits: 4, ..Options::default() });
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
