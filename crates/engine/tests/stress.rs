//! The scheduler under a mixture of fast, slow and CPU-bound calls: every answer is checked, nothing is left over.

mod common;

use common::mixture::{mixture, options};

#[test]
fn many_threads_answer_a_mixture() {
    mixture(options(64), 24, 250, 0);
}

#[test]
fn two_permits_answer_a_mixture() {
    mixture(options(2), 12, 150, 0);
}

#[test]
fn one_permit_answers_a_mixture_and_never_runs_two_calls_at_once() {
    mixture(options(1), 8, 150, 0);
}
