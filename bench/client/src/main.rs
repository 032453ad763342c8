//! The load client: closed loops over HTTP/1.1 connections, every answer checked to the byte, one JSON object out.

mod connection;
mod group;
mod histogram;
mod mixed;
mod options;
mod pattern;
mod plan;
mod report;
mod response;

use options::{GroupOptions, Load, Options};
use plan::{Plan, Repeat};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// Exit status 0: every answer was right. 1: at least one breach, named in the JSON. 2: a wrong command line.
fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("bench-client: {message}");
            return ExitCode::from(2);
        }
    };
    let outcomes = run(&options);
    println!("{}", report::json(&outcomes, client_cpu()));
    let is_clean = outcomes.iter().all(|(_, outcome)| outcome.breaches.is_empty());
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all groups at once, each on a thread of its own, so that a slow answer of one never delays another's sending.
fn run(options: &Options) -> Vec<(String, group::Outcome)> {
    pattern::pattern();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(&options.groups)
            .map(|(lane, group)| {
                let plan = plan_of(group, options, lane);
                scope.spawn(move || group::run(options.address, group.connections, plan, options.limit, options.stall))
            })
            .collect();
        let names = options.groups.iter().map(|group| group.name.clone());
        let outcomes = threads.into_iter().map(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        names.zip(outcomes).collect()
    })
}

fn plan_of(group: &GroupOptions, options: &Options, lane: u64) -> Box<dyn Plan> {
    match &group.load {
        Load::Repeat(template, depth) => Box::new(Repeat::new(template, *depth)),
        Load::Mixed(seed) => Box::new(mixed::Mixed::new(&options.address.to_string(), *seed, lane)),
        Load::Aborted(seed) => Box::new(mixed::Mixed::aborting(&options.address.to_string(), *seed, lane)),
    }
}

/// CPU time of this process: a client near one whole core is what limits the throughput then.
fn client_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
