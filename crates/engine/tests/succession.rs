//! A leader that comes late: its threads are started one by one, by the test.

mod common;

use common::Hello;
use common::client::Client;
use dragoman_engine::{Engine, Event, Listener, Options};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

fn serve(engine: &Arc<Engine<Hello>>) -> JoinHandle<()> {
    let engine = Arc::clone(engine);
    std::thread::spawn(move || engine.serve())
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_leader_that_comes_when_the_sentinel_sleeps_is_deposed_all_the_same() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let listener = Listener::new(socket.as_fd()).expect("a listener");
    // The sentinel sleeps after a hundred ticks without work.
    let options = Options { body_buffer: 0, tick_us: 100, drain_linger_ms: 0, ..Options::default() };
    let engine = Engine::new(Hello::default(), vec![listener], options, None).expect("an engine");
    let running = || engine.gateway().running.load(SeqCst);

    // The only thread is in a call. Two requests come meanwhile, so that it finds them in one batch.
    let mut threads = vec![serve(&engine)];
    let mut first = Client::connect(address);
    first.send(b"GET /sleep/300 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the first call begins", || running() == 1);
    let mut upload = Client::connect(address);
    upload.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    let mut slow = Client::connect(address);
    slow.send(b"GET /sleep/3000 HTTP/1.1\r\nHost: a\r\n\r\n");
    first.response();
    // The upload's call waits for its body and has given the leadership away, to nobody; the sentinel has nothing to do.
    wait_until("the upload's call waits", || running() == 0);
    std::thread::sleep(Duration::from_millis(200));

    // A leader comes, and goes on with the batch: a slow call. Then one who could succeed it.
    threads.push(serve(&engine));
    wait_until("the slow call begins", || running() == 1);
    threads.push(serve(&engine));
    let mut other = Client::connect(address);
    assert_eq!(other.get("/").status, 200);
    assert_eq!(running(), 1, "the slow call still runs when the other one has its answer");

    upload.send(b"hello");
    assert_eq!(upload.response().body, b"hello");
    assert_eq!(slow.response().status, 200);
    engine.stop();
    threads.into_iter().for_each(|thread| thread.join().expect("no serving thread panics"));
    assert!(engine.wait(Some(Duration::ZERO)).contains(&Event::Thread));
}

#[test]
fn a_thread_that_could_not_be_started_is_asked_for_again_while_nobody_leads() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let listener = Listener::new(socket.as_fd()).expect("a listener");
    let options = Options { body_buffer: 0, ..Options::default() };
    let engine = Engine::new(Hello::default(), vec![listener], options, None).expect("an engine");
    let asks = || engine.wait(Some(Duration::ZERO)).iter().filter(|event| **event == Event::Thread).count();
    assert_eq!(asks(), 2);

    let mut threads = vec![serve(&engine)];
    let mut upload = Client::connect(address);
    upload.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    wait_until("the call waits", || !engine.stuck().is_empty() && engine.gateway().running.load(SeqCst) == 0);
    // The second one of those two. The only thread has given the leadership away, to nobody.
    engine.thread_failed();
    wait_until("it is asked for again", || asks() > 0);
    engine.thread_failed();
    wait_until("and again", || asks() > 0);
    threads.push(serve(&engine));
    assert_eq!(Client::connect(address).get("/").status, 200);

    upload.send(b"hello");
    assert_eq!(upload.response().body, b"hello");
    engine.stop();
    threads.into_iter().for_each(|thread| thread.join().expect("no serving thread panics"));
}
