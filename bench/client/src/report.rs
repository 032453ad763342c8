//! The outcome of a run as one JSON object.

use crate::group::Outcome;
use std::fmt::Write;
use std::time::Duration;

/// Renders the groups' outcomes and the client's own CPU time.
pub fn json(groups: &[(String, Outcome)], client_cpu: Duration) -> String {
    let groups: Vec<String> = groups.iter().map(|(name, outcome)| group(name, outcome)).collect();
    format!("{{\"client_cpu_seconds\": {:.6}, \"groups\": [{}]}}", client_cpu.as_secs_f64(), groups.join(", "))
}

fn group(name: &str, outcome: &Outcome) -> String {
    let elapsed = outcome.elapsed.as_secs_f64();
    let per_second = if elapsed > 0.0 { outcome.answered as f64 / elapsed } else { 0.0 };
    let latencies = &outcome.latencies;
    let breaches: Vec<String> =
        outcome.breaches.iter().map(|(text, count)| format!("{}: {count}", quoted(text))).collect();
    format!(
        "{{\"name\": {}, \"answered\": {}, \"aborted\": {}, \"elapsed_seconds\": {elapsed:.6}, \
         \"per_second\": {per_second:.1}, \"connections_opened\": {}, \"latency_us\": {{\"p50\": {:.1}, \
         \"p90\": {:.1}, \"p99\": {:.1}, \"max\": {:.1}}}, \"breaches\": {{{}}}, \"first_breach\": {}}}",
        quoted(name),
        outcome.answered,
        outcome.aborted,
        outcome.opened,
        latencies.quantile_us(0.50),
        latencies.quantile_us(0.90),
        latencies.quantile_us(0.99),
        latencies.max_us(),
        breaches.join(", "),
        outcome.first_breach.as_deref().map_or_else(|| "null".into(), quoted),
    )
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_backslashes_and_controls_are_escaped() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
