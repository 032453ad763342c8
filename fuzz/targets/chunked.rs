//! Chunked bodies: any split decodes alike, and what is accepted is what a decoder without limits makes of it.
#![no_main]

use dragoman_fuzz::delivery::{TIGHT, deliveries};
use dragoman_fuzz::reference;
use dragoman_http1::{ChunkedDecoder, Limits, RejectKind};
use libfuzzer_sys::fuzz_target;

/// Framing that a body may cost: so much, and so much for each byte of data.
const OVERHEAD_FREE: usize = 16 * 1024;
const OVERHEAD_PER_BYTE: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check_repeated(bytes);
});

/// A short input that may go on is sent again and again, past what is free of framing: only data buys more of it.
fn check_repeated(bytes: &[u8]) {
    let is_open = matches!(decode(bytes, &[], &Limits::default()), Ok(Body { is_end: false, .. }));
    if bytes.is_empty() || bytes.len() > 64 || !is_open {
        return;
    }
    let flood = bytes.repeat(3 * OVERHEAD_FREE / bytes.len());
    let whole = decode(&flood, &[], &Limits::default());
    let pieces: Vec<usize> = (0..flood.len()).step_by(1460).collect();
    assert_eq!(decode(&flood, &pieces, &Limits::default()), whole);
    if let Ok(body) = whole {
        check_overhead(&body, &Limits::default());
    }
}

/// The framing of what was used up, a last size line and its extension not counted.
fn check_overhead(body: &Body, limits: &Limits) {
    let extra = limits.trailers + limits.chunk_extension + 32;
    let most = OVERHEAD_FREE + OVERHEAD_PER_BYTE * body.data.len() + extra;
    assert!(body.consumed - body.data.len() <= most, "{} bytes for {} of data", body.consumed, body.data.len());
}

fn check(bytes: &[u8]) {
    let endless = Limits { body: u64::MAX, ..Limits::default() };
    for limits in [Limits::default(), TIGHT, endless] {
        let whole = decode(bytes, &[], &limits);
        for cuts in deliveries(bytes) {
            assert_eq!(decode(bytes, &cuts, &limits), whole, "cut at {cuts:?}");
        }
        match whole {
            Ok(body @ Body { is_end: true, .. }) => {
                check_overhead(&body, &limits);
                let Body { data, consumed, .. } = body;
                let naive = reference::chunked(bytes).expect("a strict decoder takes what is accepted");
                assert_eq!((&naive.0, naive.1), (&data, consumed));
                assert!(data.len() as u64 <= limits.body);
            }
            // Whatever is not refused yet is used up, but for a trailer section past which nothing is looked at.
            Ok(Body { data, consumed, is_end: false }) => {
                assert_eq!(consumed, bytes.len());
                assert!(data.len() <= consumed);
            }
            Err(_) => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Body {
    data: Vec<u8>,
    consumed: usize,
    is_end: bool,
}

/// A refusal comes without its offset, which counts from the piece that shows it.
fn decode(bytes: &[u8], cuts: &[usize], limits: &Limits) -> Result<Body, RejectKind> {
    let (mut decoder, mut consumed, mut data) = (ChunkedDecoder::new(), 0, Vec::new());
    for &end in cuts.iter().chain([&bytes.len()]) {
        loop {
            let input = &bytes[consumed..end.max(consumed)];
            let step = decoder.decode(input, limits).map_err(|reject| {
                assert!(reject.at <= input.len(), "{reject:?} is out of bounds");
                reject.kind
            })?;
            assert!(step.consumed <= input.len() && step.data.len() <= step.consumed);
            consumed += step.consumed;
            data.extend_from_slice(step.data);
            if step.is_end {
                return Ok(Body { data, consumed, is_end: true });
            }
            if step.consumed == 0 {
                break;
            }
        }
    }
    Ok(Body { data, consumed, is_end: false })
}
