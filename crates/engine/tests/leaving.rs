//! The way out: the readiness probe, the delay before a drain, the limit of requests, and the account of what was lost.

mod common;

use common::client::{Client, Response};
use common::{Hello, Running, start};
use dragoman_engine::{Account, Engine, Listener, Options};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

fn probed() -> Options {
    Options { ready_path: "/ready".into(), ..Options::default() }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn count(running: &Running, wanted: &str) -> u64 {
    let all = running.engine.stats();
    all.into_iter().find(|(name, _)| *name == wanted).map(|(_, count)| count).expect("a counter of that name")
}

fn has(response: &Response, line: &str) -> bool {
    response.head.lines().any(|found| found.eq_ignore_ascii_case(line))
}

fn shown(response: &Response) -> (u16, &[u8], bool) {
    (response.status, &response.body, has(response, "Connection: close"))
}

#[test]
fn the_probe_is_answered_by_the_engine_and_every_other_request_by_the_gateway() {
    let running = start(probed());
    let mut client = Client::connect(running.address);
    assert_eq!(shown(&client.get("/ready")), (200, &b"ready\n"[..], false));
    assert_eq!(shown(&client.get("/ready?from=balancer")), (200, &b"ready\n"[..], false));
    client.send(b"HEAD /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let head = String::from_utf8(client.until_closed()).expect("text");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Length: 6\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "a body: {head}");
    assert_eq!(count(&running, "requests"), 0);
    let mut client = Client::connect(running.address);
    for request in ["GET /ready/ HTTP/1.1", "GET /%72eady HTTP/1.1", "POST /ready HTTP/1.1", "OPTIONS /ready HTTP/1.1"]
    {
        client.send(format!("{request}\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(client.response().body, b"Hello, World!", "{request}");
    }
}

#[test]
fn the_probe_keeps_its_place_among_pipelined_requests_and_its_body_is_no_request() {
    let running = start(probed());
    let mut client = Client::connect(running.address);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let with_body = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nGET /x");
    let chunked = "GET /ready HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    client.send([get("/"), get("/ready"), with_body("/ready"), chunked.into(), get("/")].concat().as_bytes());
    let bodies: Vec<_> = (0..5).map(|_| client.response().body).collect();
    assert_eq!(bodies, [&b"Hello, World!"[..], b"ready\n", b"ready\n", b"ready\n", b"Hello, World!"]);
    // One whose body has not come is answered, and nothing after it is read as a request.
    client.send(b"GET /ready HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = client.response();
    assert_eq!(shown(&response), (200, &b"ready\n"[..], true));
    assert!(client.until_closed().is_empty());
}

#[test]
fn the_probe_is_answered_while_every_permit_is_taken_and_the_queue_is_full() {
    let running = start(Options { threads: 1, queue: 1, ..probed() });
    let mut busy: Vec<Client> = (0..2).map(|_| Client::connect(running.address)).collect();
    busy[0].send(b"GET /sleep/1500 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the call", || running.engine.gateway().running.load(SeqCst) == 1);
    busy[1].send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(Client::connect(running.address).get("/ready").status, 200);
    for client in &mut busy {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn in_the_delay_everything_is_served_with_close_and_the_probe_says_no() {
    let running = start(Options { drain_delay_ms: 600_000, drain_linger_ms: 0, ..probed() });
    let mut kept = Client::connect(running.address);
    let mut idle = Client::connect(running.address);
    assert_eq!(shown(&kept.get("/")), (200, &b"Hello, World!"[..], false));
    assert_eq!(idle.get("/").status, 200);
    running.engine.drain();
    let mut probe = Client::connect(running.address);
    let answer = probe.get("/ready");
    assert_eq!(shown(&answer), (503, &b"draining\n"[..], true));
    assert!(has(&answer, "Retry-After: 1"), "{}", answer.head);
    assert!(probe.until_closed().is_empty());
    assert_eq!(shown(&Client::connect(running.address).get("/")), (200, &b"Hello, World!"[..], true));
    assert_eq!(shown(&kept.get("/")), (200, &b"Hello, World!"[..], true));
    running.engine.drain();
    assert_eq!(shown(&idle.get("/")), (200, &b"Hello, World!"[..], true));
    assert!(!running.drained.load(SeqCst));
}

#[test]
fn a_stop_in_the_delay_ends_it_at_once() {
    let mut running = start(Options { drain_delay_ms: 600_000, ..probed() });
    running.engine.drain();
    assert_eq!(Client::connect(running.address).get("/").status, 200);
    running.engine.stop();
    running.join();
    assert!(!running.drained.load(SeqCst));
}

#[test]
fn the_drain_begins_when_the_delay_is_over_and_no_earlier_or_later_for_a_second_one() {
    let mut running = start(Options { drain_delay_ms: 400, drain_linger_ms: 0, ..probed() });
    let began = Instant::now();
    running.engine.drain();
    std::thread::sleep(Duration::from_millis(200));
    running.engine.drain();
    running.join();
    assert!(began.elapsed() >= Duration::from_millis(399), "{:?}", began.elapsed());
    assert!(running.drained.load(SeqCst));
    let account = running.engine.account().expect("a drain");
    assert!(account.duration_ms >= 399, "{account}");
}

#[test]
fn a_worker_that_is_replaced_drains_without_delay_and_its_probe_goes_on_saying_yes() {
    let mut running = start(Options { drain_delay_ms: 600_000, drain_linger_ms: 600_000, ..probed() });
    let mut clients: Vec<Client> = (0..2).map(|_| Client::connect(running.address)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    running.engine.drain_replaced();
    assert_eq!(shown(&clients[0].get("/ready")), (200, &b"ready\n"[..], true));
    // TERM after all: nobody serves in its place any more.
    running.engine.drain();
    assert_eq!(shown(&clients[1].get("/ready")), (503, &b"draining\n"[..], true));
    running.join();
    assert!(running.drained.load(SeqCst));
}

#[test]
fn the_limit_of_requests_is_told_once_and_exactly() {
    let running = start(Options { max_requests: 20, ..probed() });
    let mut client = Client::connect(running.address);
    for _ in 0..19 {
        assert_eq!(client.get("/").status, 200);
        assert_eq!(client.get("/ready").status, 200, "and this one does not count");
    }
    // The main thread takes what is posted every 20 ms.
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(running.limits.load(SeqCst), 0);
    assert_eq!(client.get("/").status, 200);
    wait_until("the limit", || running.limits.load(SeqCst) == 1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(running.address);
                (0..20).for_each(|_| assert_eq!(client.get("/").status, 200));
            });
        }
    });
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(running.limits.load(SeqCst), 1);
}

#[test]
fn a_drain_that_loses_nothing_says_so() {
    let mut running = start(Options { drain_linger_ms: 200, ..Options::default() });
    assert_eq!(running.engine.account(), None);
    let mut busy = Client::connect(running.address);
    let mut idle = Client::connect(running.address);
    assert_eq!(idle.get("/").status, 200);
    busy.send(b"GET /sleep/300 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the call", || running.engine.gateway().running.load(SeqCst) == 1);
    running.engine.drain();
    assert_eq!(busy.response().status, 200);
    assert!(idle.until_closed().is_empty());
    running.join();
    let account = running.engine.account().expect("a drain");
    let Account { answered, dropped, cut, closed_idle, .. } = account;
    assert_eq!((answered, dropped, cut, closed_idle), (1, 0, 0, 1), "{account}");
    assert!(account.to_string().ends_with(" 0 dropped, 0 cut; 1 idle connections closed"), "{account}");
}

#[test]
fn silent_clients_that_the_drain_finds_in_the_backlog_have_the_linger_and_no_more() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let listener = Listener::new(socket.as_fd()).expect("a listener");
    let options = Options { first_byte_ms: 600_000, drain_linger_ms: 0, ..Options::default() };
    let engine = Engine::new(Hello::default(), vec![listener], options, None).expect("an engine");
    // The only thread is in a call, so that nobody accepts.
    let serving = Arc::clone(&engine);
    let thread = std::thread::spawn(move || serving.serve());
    let mut busy = Client::connect(address);
    busy.send(b"GET /sleep/300 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the call", || engine.gateway().running.load(SeqCst) == 1);
    let mut silent = Client::connect(address);
    engine.drain();
    assert_eq!(busy.response().status, 200);
    assert!(silent.until_closed().is_empty());
    thread.join().expect("no serving thread panics");
}

#[test]
fn a_drain_that_is_cut_short_counts_and_names_what_was_lost() {
    let running = start(Options { drain_linger_ms: 600_000, ..Options::default() });
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(running.address)).collect();
    assert_eq!(clients[0].get("/").status, 200);
    clients[1].send(b"GET /part HTTP/1.1\r\nHos");
    clients[2].send(b"GET /big/64000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    clients[3].send(b"GET /sleep/3000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the call", || running.engine.gateway().running.load(SeqCst) == 1 && count(&running, "requests") == 2);
    running.engine.drain();
    running.engine.stop();
    let account = || running.engine.account().expect("a drain");
    wait_until("the account", || account().closed_idle == 1 && account().dropped == 1 && account().cut == 2);
    let Account { answered, cut_requests, .. } = account();
    assert_eq!(answered, 0);
    assert_eq!(cut_requests[0], "GET /sleep/3000");
    assert!(cut_requests[1].starts_with("the end of an answer to 127.0.0.1:"), "{cut_requests:?}");
}
