//! The built client against servers of a few lines: right answers pass, and every kind of wrong one is reported.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

/// Serves connections until the test process ends; `answer` turns the number of a request into raw bytes, and `None` closes.
fn server(answer: fn(usize) -> Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, answer));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answer: fn(usize) -> Option<&'static [u8]>) {
    let (mut seen, mut buffer, mut number) = (Vec::new(), [0; 4096], 0);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..count]);
        while let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            seen.drain(..end + 4);
            match answer(number) {
                Some(bytes) if stream.write_all(bytes).is_ok() => number += 1,
                _ => return,
            }
        }
    }
}

fn client(address: SocketAddr, options: &str) -> Output {
    let address = address.to_string();
    let arguments = [address.as_str(), "--stall", "1"].into_iter().chain(options.split_whitespace());
    Command::new(env!("CARGO_BIN_EXE_bench-client")).args(arguments).output().expect("the client runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const HELLO_CLOSING: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
const GROUP: &str = "--group g --connections 3 --reply-text hello";

#[test]
fn exactly_the_requests_asked_for_are_answered() {
    let output = client(server(|_| Some(HELLO)), &format!("--requests 1000 {GROUP}"));
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("\"answered\": 1000,"), "{}", text(&output));
    assert!(text(&output).contains("\"connections_opened\": 3,"), "{}", text(&output));
}

#[test]
fn pipelined_requests_are_counted_one_by_one() {
    let output = client(server(|_| Some(HELLO)), &format!("--requests 1000 {GROUP} --depth 16"));
    assert!(output.status.success() && text(&output).contains("\"answered\": 1000,"), "{}", text(&output));
}

#[test]
fn a_server_that_closes_politely_gets_a_new_connection_and_no_blame() {
    let output = client(
        server(|number| (number < 2).then_some(if number == 1 { HELLO_CLOSING } else { HELLO })),
        &format!("--requests 100 {GROUP}"),
    );
    assert!(output.status.success() && text(&output).contains("\"answered\": 100,"), "{}", text(&output));
}

#[test]
fn a_time_limit_ends_the_run() {
    let output = client(server(|_| Some(HELLO)), &format!("--seconds 0.1 {GROUP}"));
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_wrong_body_is_a_breach() {
    let wrong = |_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellO".as_slice());
    let output = client(server(wrong), &format!("--requests 3 {GROUP}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("\"BodyDiffers\": 3"), "{}", text(&output));
}

#[test]
fn an_answer_too_many_is_a_breach() {
    let twice = |_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n".as_slice());
    let output = client(server(twice), &format!("--requests 3 {GROUP}"));
    assert!(text(&output).contains("\"Surplus\": "), "{}", text(&output));
}

#[test]
fn a_close_without_an_answer_is_a_breach() {
    let output = client(server(|_| None), &format!("--requests 3 {GROUP}"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

#[test]
fn silence_ends_the_run_with_a_breach() {
    let output = client(server(|_| Some(b"")), &format!("--requests 3 {GROUP}"));
    assert!(text(&output).contains("\"Stalled\": 1"), "{}", text(&output));
}

#[test]
fn a_connection_left_open_after_a_close_was_asked_for_is_a_breach() {
    let output = client(server(|_| Some(HELLO)), &format!("--requests 3 {GROUP} --fresh"));
    assert!(text(&output).contains("\"Stalled\": 1"), "{}", text(&output));
}

#[test]
fn a_wrong_command_line_is_refused() {
    let output = client(server(|_| None), "--requests 3");
    assert_eq!(output.status.code(), Some(2));
}
