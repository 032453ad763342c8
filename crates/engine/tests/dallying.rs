//! The hand-over with threads that dally at its edges: what a model cannot hold (sockets, timers, 30 threads) is stressed.
//!
//! Runs for about 15 seconds; `DRAGOMAN_STRESS_S` sets another length.

mod common;

use common::client::Client;
use common::mixture::{mixture, options};
use common::start;
use dragoman_engine::{Options, dally};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A round ends well within this, however busy the machine is; what does not has lost a wake-up.
const ROUND: Duration = Duration::from_secs(100);

#[test]
fn threads_that_dally_at_every_edge_lose_nothing() {
    let seconds = std::env::var("DRAGOMAN_STRESS_S").map_or(15, |text| text.parse().expect("whole seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut round, mut depositions, mut handoffs) = (0, 0, 0);
    while Instant::now() < until {
        // One permit and many, edges that are dallied at often and seldom.
        let threads = [1, 2, 3, 64][round % 4];
        dally([3, 10, 40][round % 3]);
        let stats = in_time(round, threads);
        let of = |name| stats.iter().find(|(counter, _)| *counter == name).map_or(0, |(_, count)| *count);
        depositions += of("depositions");
        handoffs += of("handoffs");
        round += 1;
    }
    dally(0);
    println!("{round} rounds, {depositions} depositions, {handoffs} requests for followers");
    assert!(depositions > 0 && handoffs > 0, "edges that matter were passed");
}

#[test]
fn connections_that_come_to_rest_while_a_drain_begins_do_not_hold_it_up() {
    for round in 0..60 {
        dally(1);
        let running = start(Options { drain_linger_ms: 0, keep_alive_ms: 600_000, ..Options::default() });
        let mut clients: Vec<_> = (0..48).map(|_| Client::connect(running.address)).collect();
        // Threads that do not lead give them back, some of them in the moment of the drain.
        clients.iter_mut().for_each(|client| client.send(b"GET /sleep/10 HTTP/1.1\r\nHost: a\r\n\r\n"));
        for (place, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.response().status, 200);
            if place == round % 16 {
                running.engine.drain();
            }
        }
        clients.iter_mut().for_each(|client| assert!(client.until_closed().is_empty()));
    }
}

fn in_time(round: usize, threads: u32) -> Vec<(&'static str, u64)> {
    let (done, is_done) = channel();
    let run = std::thread::spawn(move || {
        // Every body is streamed, so that calls wait for their peers, and a tick is short, so that leaders are deposed.
        let options = Options { body_buffer: 0, output_buffer: 4096, tick_us: 200, ..options(threads) };
        let _ = done.send(mixture(options, 8, 40, 1000 * round as u64));
    });
    match is_done.recv_timeout(ROUND) {
        Ok(stats) => {
            run.join().expect("it is done");
            stats
        }
        Err(RecvTimeoutError::Timeout) => panic!("round {round} with {threads} permits hangs"),
        // It panicked, and has said why.
        Err(RecvTimeoutError::Disconnected) => panic!("round {round} with {threads} permits failed"),
    }
}
