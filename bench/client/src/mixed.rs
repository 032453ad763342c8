//! The mixed plan: every kind of request that a server meets in a day, in an order that a seed repeats.

use crate::pattern::{Body, crc32};
use crate::plan::{Batch, End, Fields, Plan, Template};
use crate::response::Expected;

/// Serves `apps/mixed.py`: each request names itself in `X-Request`, and its answer must name it too.
pub struct Mixed {
    random: Random,
    host: String,
    next_id: u64,
    /// Every request is left, at a random point, by FIN or by RST.
    is_aborting: bool,
}

impl Mixed {
    /// The plan number `lane` of a run; other lanes and other seeds give other orders.
    pub fn new(host: &str, seed: u64, lane: u64) -> Self {
        let random = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (lane + 1));
        Self { random, host: host.into(), next_id: lane * 1_000_000_000_000 + 1, is_aborting: false }
    }

    /// The same with nothing but requests that the client leaves.
    pub fn aborting(host: &str, seed: u64, lane: u64) -> Self {
        Self { is_aborting: true, ..Self::new(host, seed, lane) }
    }
}

impl Plan for Mixed {
    fn next(&mut self, requests_left: u64) -> Batch {
        if self.is_aborting {
            return self.aborted();
        }
        match self.random.below(1000) {
            0..60 => {
                let depth = 2 + self.random.below(15) as u64;
                self.pipelined(depth.min(requests_left))
            }
            60..110 => self.closing(),
            110..145 => self.aborted(),
            _ => self.single(),
        }
    }
}

impl Mixed {
    fn single(&mut self) -> Batch {
        let (bytes, expected) = self.any_request(false);
        Batch { bytes: bytes.into(), expected: [expected].into(), end: End::Keep }
    }

    /// Several requests in one write; the answers come in order (RFC 9112 §9.3.2).
    fn pipelined(&mut self, depth: u64) -> Batch {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..depth {
            let (request, answer) = self.any_request(false);
            bytes.extend_from_slice(&request);
            expected.push(answer);
        }
        Batch { bytes: bytes.into(), expected: expected.into(), end: End::Keep }
    }

    /// `Connection: close`, or HTTP/1.0: the server must close after the answer.
    fn closing(&mut self) -> Batch {
        let (bytes, expected) = if self.random.below(3) == 0 {
            let (start, length) = self.slice(20_000);
            let target = self.pick(&["/text", "/stream", "/write"]);
            let id = self.id();
            let head = format!("GET {target}?start={start}&length={length} HTTP/1.0\r\nX-Request: {id}\r\n\r\n");
            (head.into_bytes(), answer(200, Body::slice(start, length), id))
        } else {
            self.any_request(true)
        };
        Batch { bytes: bytes.into(), expected: [expected].into(), end: End::ServerCloses }
    }

    /// A client that leaves: in the head, in the body, in the answer, or right after asking.
    fn aborted(&mut self) -> Batch {
        let is_reset = self.random.below(2) == 0;
        let (bytes, after_bytes) = match self.random.below(4) {
            0 => {
                let (mut bytes, _) = self.get("/text", 100);
                bytes.truncate(1 + self.random.below(bytes.len() - 1));
                (bytes, 0)
            }
            1 => {
                let body = Body::slice(0, 1 + self.random.below(200_000));
                let mut bytes = self.template("POST", "/echo", Some(body), 0).bytes("");
                let cut = 1 + self.random.below(bytes.len() / 2);
                bytes.truncate(bytes.len() - cut);
                (bytes, 0)
            }
            2 => {
                let target = self.pick(&["/text", "/stream"]);
                let bytes = self.template("GET", &format!("{target}?start=0&length=1000000"), None, 0).bytes("");
                (bytes, 1 + self.random.below(100_000))
            }
            _ => (self.any_request(false).0, 0),
        };
        Batch { bytes: bytes.into(), expected: [].into(), end: End::Abort { after_bytes, is_reset } }
    }

    /// Any request with an answer, closing the connection if `is_fresh`.
    fn any_request(&mut self, is_fresh: bool) -> (Vec<u8>, Expected) {
        let (mut template, answer_body) = match self.random.below(1000) {
            0..330 => self.download("GET", "/text", 300),
            330..400 => self.download("GET", "/text", 65_536),
            400..480 => self.download("GET", "/stream", 30_000),
            480..500 => self.download("GET", "/write", 30_000),
            500..570 => self.download("HEAD", "/text", 30_000),
            570..600 => self.download("GET", "/empty", 0),
            600..770 => self.upload(2_000, false),
            770..860 => self.upload(20_000, true),
            860..870 => self.upload(1 << 20, false),
            870..875 => self.upload(1 << 20, true),
            875..930 => self.upload_for_crc(),
            930..950 => self.ignored_upload(),
            950..960 => self.paused("/sleep"),
            960..963 => self.paused("/spin"),
            _ => {
                let (mut template, body) = self.download("GET", "/text", 3_000);
                template.fields = Fields::Browser;
                (template, body)
            }
        };
        template.is_fresh = is_fresh;
        let id = self.id();
        let mut expected = answer(if template.target.starts_with("/empty") { 204 } else { 200 }, answer_body, id);
        expected.is_head = template.method == "HEAD";
        (template.bytes(&format!("X-Request: {id}\r\n")), expected)
    }

    fn download(&mut self, method: &str, path: &str, max_bytes: usize) -> (Template, Body) {
        let (start, length) = self.slice(max_bytes);
        let template = self.template(method, &format!("{path}?start={start}&length={length}"), None, 0);
        (template, Body::slice(start, length))
    }

    fn get(&mut self, path: &str, max_bytes: usize) -> (Vec<u8>, Body) {
        let (template, body) = self.download("GET", path, max_bytes);
        (template.bytes(""), body)
    }

    fn upload(&mut self, max_bytes: usize, is_chunked: bool) -> (Template, Body) {
        let body = self.body(max_bytes);
        let read = self.pick(&["all", "lines", "pieces"]);
        let chunk_bytes = if is_chunked { 1 + self.random.below(body.bytes().len() + 100) } else { 0 };
        // Tiny chunks of a large body are an attack, not a mixed load.
        let chunk_bytes = if is_chunked { chunk_bytes.max(body.bytes().len() / 100) } else { 0 };
        let template = self.template("POST", &format!("/echo?read={read}"), Some(body.clone()), chunk_bytes);
        (template, body)
    }

    fn upload_for_crc(&mut self) -> (Template, Body) {
        let body = self.body(60_000);
        let sum = format!("{} {:08x}\n", body.bytes().len(), crc32(body.bytes()));
        (self.template("POST", "/crc", Some(body), 0), Body::literal(sum.as_bytes()))
    }

    /// The application answers without reading: the unread body must not become the next request.
    fn ignored_upload(&mut self) -> (Template, Body) {
        let body = self.body(3_000);
        (self.template("POST", "/ignore", Some(body), 0), Body::literal(b"ignored\n"))
    }

    fn paused(&mut self, path: &str) -> (Template, Body) {
        let ms = 1 + self.random.below(4);
        (self.template("GET", &format!("{path}?ms={ms}"), None, 0), Body::literal(b"rested\n"))
    }

    fn template(&self, method: &str, target: &str, body: Option<Body>, chunk_bytes: usize) -> Template {
        Template {
            method: method.into(),
            target: target.into(),
            host: self.host.clone(),
            fields: Fields::Plain,
            body,
            chunk_bytes,
            is_fresh: false,
            expected: answer(200, Body::empty(), 0),
        }
    }

    fn body(&mut self, max_bytes: usize) -> Body {
        let (start, length) = self.slice(max_bytes);
        Body::slice(start, length)
    }

    fn slice(&mut self, max_bytes: usize) -> (usize, usize) {
        (self.random.below(1 << 20), self.random.below(max_bytes + 1))
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.random.below(choices.len())]
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

fn answer(status: u16, body: Body, request_id: u64) -> Expected {
    Expected { status, body, is_head: false, request_id }
}

/// xorshift64* (Vigna 2016): repeatable, and good enough to choose with.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound` (>= 1).
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_order_and_another_does_not() {
        let bytes = |seed| {
            let mut plan = Mixed::new("h", seed, 0);
            (0..50).map(|_| plan.next(100).bytes.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }

    #[test]
    fn a_batch_never_holds_more_requests_than_are_left() {
        let mut plan = Mixed::new("h", 1, 0);
        assert!((0..2000).all(|_| plan.next(3).expected.len() <= 3));
    }

    #[test]
    fn an_aborting_plan_leaves_every_request_by_fin_and_by_rst() {
        let mut plan = Mixed::aborting("h", 1, 0);
        let ends: Vec<End> = (0..100).map(|_| plan.next(100).end).collect();
        let resets = ends.iter().filter(|end| matches!(end, End::Abort { is_reset: true, .. })).count();
        assert!(ends.iter().all(|end| matches!(end, End::Abort { .. })));
        assert!((20..80).contains(&resets));
    }

    #[test]
    fn each_request_of_a_lane_has_an_id_of_its_own() {
        let mut plan = Mixed::new("h", 1, 2);
        let ids: Vec<u64> = (0..500)
            .flat_map(|_| plan.next(100).expected.iter().map(|answer| answer.request_id).collect::<Vec<_>>())
            .collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len());
    }
}
