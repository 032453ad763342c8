//! How lines reach the descriptor: blocked and broken outputs, recovery, reopening, several writers, the end.

use super::AccessLog;
use super::writer::BUFFER_BYTES;
use crate::gateway::Peer;
use crate::record::Record;
use dragoman_http1::Version;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::thread::scope;
use std::time::{Duration, Instant};

/// Far more than any test needs.
const DEADLINE: Duration = Duration::from_secs(20);

fn record(log: &AccessLog, target: &str) {
    let peer = Peer::Unix;
    log.record(&Record {
        peer: &peer,
        client: None,
        method: b"GET",
        target: target.as_bytes(),
        path: target.as_bytes(),
        query: b"",
        version: Version::Http11,
        fields: None,
        head: None,
        status: 200,
        body_bytes: 0,
        duration_us: 0,
        unix_us: 1_000_000,
    });
}

fn log(output: impl Into<OwnedFd>) -> AccessLog {
    AccessLog::new(output.into(), "%({RAW_URI}e)s").expect("a good format")
}

/// A file without a name, and a second descriptor to read it by.
fn file() -> (File, File) {
    let path =
        std::env::temp_dir().join(format!("access-log-{}-{:?}", std::process::id(), std::thread::current().id()));
    let writer = OpenOptions::new().append(true).create_new(true).open(&path).unwrap();
    let reader = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    (writer, reader)
}

fn text(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// (what is read, what is written).
fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer)
}

/// Fills pipe, writer and buffer of a log that nobody reads; returns how many lines were given.
fn overfill(log: &AccessLog) -> u64 {
    let target = "/".repeat(1000);
    let until = Instant::now() + DEADLINE;
    let mut given = 0;
    // The writer takes the first full buffer with it; the second stays.
    while log.dropped() < 10 {
        assert!(Instant::now() < until, "nothing was dropped");
        record(log, &target);
        given += 1;
    }
    given
}

/// Reads until `wanted` stands in the text.
fn read_until(reader: &mut File, wanted: &str) -> String {
    let mut all = Vec::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = reader.read(&mut bytes).unwrap();
        assert!(count > 0, "the pipe ended before {wanted:?}");
        all.extend_from_slice(&bytes[..count]);
        if String::from_utf8_lossy(&all).contains(wanted) {
            return String::from_utf8(all).unwrap();
        }
    }
}

#[test]
fn lines_arrive_in_order_and_closing_writes_the_last_ones() {
    let (output, reader) = file();
    let log = log(output);
    for n in 0..1000 {
        record(&log, &format!("/{n}"));
    }
    log.close();
    assert_eq!(text(reader), (0..1000).map(|n| format!("/{n}\n")).collect::<String>());
    assert_eq!(log.dropped(), 0);
}

#[test]
fn a_line_arrives_without_a_second_one_and_without_closing() {
    let (mut reader, output) = pipe();
    let log = log(output);
    record(&log, "/first");
    assert_eq!(read_until(&mut reader, "\n"), "/first\n");
    // The writer sleeps again by now, or is about to: it must not miss this one.
    record(&log, "/second");
    assert_eq!(read_until(&mut reader, "\n"), "/second\n");
}

#[test]
fn no_thread_is_started_and_closing_is_immediate_while_nothing_was_logged() {
    let (output, reader) = file();
    let log = log(output);
    log.close();
    record(&log, "/late");
    assert_eq!((log.dropped(), text(reader)), (1, String::new()));
}

#[test]
fn a_pipe_that_nobody_reads_costs_lines_and_recovery_tells_how_many() {
    let (mut reader, output) = pipe();
    let log = log(output);
    let given = overfill(&log);
    let dropped = log.dropped();
    let read = read_until(&mut reader, " lines dropped,");
    assert!(read.contains(&format!("\ndragoman: access log: {dropped} lines dropped,")), "one note with the count");
    assert_eq!(read.lines().filter(|line| line.starts_with("//")).count() as u64, given - dropped);
    assert!(read.lines().all(|line| line.len() == 1000 || line.starts_with("dragoman: ")), "whole lines only");
    record(&log, "/after");
    log.close();
    drop(log);
    let rest = text(reader);
    assert!(rest.ends_with("/after\n") && !rest.contains("dropped,"), "{rest}");
}

#[test]
fn closing_a_blocked_log_ends_within_its_deadline_and_counts_what_is_lost() {
    let (reader, output) = pipe();
    let log = log(output);
    let given = overfill(&log);
    let start = Instant::now();
    log.close();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let dropped = log.dropped();
    drop(log);
    // Without its thread nobody holds the pipe any more: reading comes to an end.
    let notes_and_lines = text(reader);
    let whole = notes_and_lines.split_inclusive('\n').filter(|line| line.len() == 1001).count() as u64;
    assert_eq!(whole, given - dropped);
}

#[test]
fn a_full_disk_costs_lines_and_a_new_file_gets_those_that_waited() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let log = log(full);
    let given = overfill(&log);
    let dropped = log.dropped();
    let (output, reader) = file();
    log.reopen(output.into());
    log.close();
    let text = text(reader);
    assert_eq!(text.lines().filter(|line| line.len() == 1000).count() as u64, given - dropped);
    assert_eq!(text.matches("lines dropped,").count(), 1);
    assert_eq!(log.dropped(), dropped);
}

#[test]
fn a_full_disk_does_not_hold_up_the_end() {
    let log = log(OpenOptions::new().write(true).open("/dev/full").unwrap());
    record(&log, "/lost");
    log.close();
    assert_eq!(log.dropped(), 1);
}

#[test]
fn a_pipe_whose_reader_is_gone_is_no_catastrophe() {
    let (reader, output) = pipe();
    drop(reader);
    let log = log(output);
    record(&log, "/nobody");
    let (output, reader) = file();
    log.reopen(output.into());
    log.close();
    assert_eq!(text(reader), "/nobody\n");
}

#[test]
fn reopening_lets_go_of_the_old_file_though_nothing_is_logged() {
    let (mut reader, output) = pipe();
    let log = log(output);
    record(&log, "/old");
    assert_eq!(read_until(&mut reader, "\n"), "/old\n");
    let (output, new) = file();
    log.reopen(output.into());
    // The end of the pipe is seen only when its last writer has closed it.
    assert_eq!(text(reader), "");
    record(&log, "/new");
    log.close();
    assert_eq!(text(new), "/new\n");
}

#[test]
fn threads_of_one_log_and_two_logs_on_one_pipe_never_mix_lines() {
    let (reader, output) = pipe();
    let logs = [log(output.try_clone().unwrap()), log(output)];
    let lines = scope(|threads| {
        let collector = threads.spawn(move || text(reader));
        scope(|threads| {
            for thread in 0..4 {
                let log = &logs[thread % 2];
                threads.spawn(move || {
                    for n in 0..1000 {
                        record(log, &format!("/{thread}/{n}/{}/", "x".repeat(n % 200)));
                    }
                });
            }
        });
        logs.into_iter().for_each(drop);
        collector.join().unwrap()
    });
    let mut next = [0; 4];
    for line in lines.lines() {
        let parts: Vec<_> = line.split('/').collect();
        let [_, thread, n, fill, ""] = parts[..] else { panic!("a torn line: {line}") };
        let (thread, n) = (thread.parse::<usize>().unwrap(), n.parse::<usize>().unwrap());
        assert_eq!((next[thread], n % 200), (n, fill.len()), "{line}");
        next[thread] += 1;
    }
    assert_eq!(next, [1000; 4]);
}

#[test]
fn a_line_longer_than_the_buffer_is_dropped_alone() {
    let (output, reader) = file();
    let log = log(output);
    record(&log, "/before");
    record(&log, &"/".repeat(BUFFER_BYTES));
    record(&log, "/after");
    log.close();
    let text = text(reader);
    assert!(text.starts_with("/before\n") && text.contains("/after\n"), "{text}");
    assert!(text.contains(" 1 lines dropped,") && log.dropped() == 1);
}

#[test]
fn json_logs_tell_of_dropped_lines_in_json() {
    let (output, reader) = file();
    let log = AccessLog::new(output.into(), "json").unwrap();
    record(&log, &"/".repeat(BUFFER_BYTES));
    log.close();
    assert_eq!(text(reader), "{\"dropped_lines\":1}\n");
}
