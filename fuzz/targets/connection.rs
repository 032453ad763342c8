//! All bytes of a connection: one sequence of requests and one end, however they arrive.
#![no_main]

use dragoman_fuzz::delivery::{End, TIGHT, converse, deliveries};
use dragoman_fuzz::reference;
use dragoman_fuzz::support::Order;
use dragoman_http1::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for limits in [Limits::default(), TIGHT] {
        let whole = converse(bytes, &[], Order::ScanFirst, &limits);
        for cuts in deliveries(bytes) {
            for order in [Order::ScanFirst, Order::LineFirst] {
                assert_eq!(converse(bytes, &cuts, order, &limits), whole, "{order:?}, cut at {cuts:?}");
            }
        }
        // A strict reader finds the same messages at the same places.
        let mut start = 0;
        for message in &whole.messages {
            let naive = reference::request(&bytes[start..]).expect("a strict reader takes what is accepted");
            assert_eq!((naive.target, &naive.body, naive.len), (&message.target[..], &message.body, message.len));
            start += message.len;
        }
        if whole.end == End::Bytes {
            // Another byte may complete what is here or spoil it, but never changes what was read before.
            let more = [bytes, b"\n"].concat();
            let more = converse(&more, &[], Order::ScanFirst, &limits);
            assert!(more.messages.starts_with(&whole.messages));
        }
    }
});
