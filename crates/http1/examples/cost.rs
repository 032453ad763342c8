//! Repeats one piece of work, so that callgrind can count the instructions of it: `cost WORK TIMES`.
//!
//! Run it twice under `valgrind --tool=callgrind`, with TIMES and twice TIMES: the difference of the totals is TIMES pieces.

use dragoman_http1::{ChunkedDecoder, FieldTable, Limits, ResponseHead, Scanner, Version, fields, request_line};
use std::hint::black_box;

/// What a load generator sends.
const SHORT: &[u8] = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";

/// What a browser sends.
const BROWSER: &[u8] = b"GET /articles/2024/how-to-count?page=2&sort=date HTTP/1.1\r\n\
Host: www.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Referer: https://www.example.com/articles/2024/\r\n\
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n\
Connection: keep-alive\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Dest: document\r\n\
\r\n";

const CHUNK: &[u8] = b"10\r\n0123456789abcdef\r\n";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, work, times] = arguments.as_slice() else { panic!("want: cost WORK TIMES") };
    let times: usize = times.parse().expect("TIMES is a number");
    let limits = Limits::default();
    let mut table = FieldTable::new();
    let mut head = ResponseHead::new();
    let mut out = Vec::new();
    let mut decoder = ChunkedDecoder::new();
    let (short_block, browser_block) = (block(SHORT), block(BROWSER));
    for _ in 0..times {
        match work.as_str() {
            "line-short" => _ = black_box(request_line(black_box(SHORT), &limits)),
            "line-browser" => _ = black_box(request_line(black_box(BROWSER), &limits)),
            "scan-short" => _ = black_box(Scanner::new().scan(black_box(SHORT), &limits)),
            "scan-browser" => _ = black_box(Scanner::new().scan(black_box(BROWSER), &limits)),
            "fields-short" => read_fields(short_block, &limits, &mut table),
            "fields-browser" => read_fields(browser_block, &limits, &mut table),
            "response" => write_response(&mut head, &mut out),
            "chunk" => {
                let mut at = 0;
                while at < CHUNK.len() {
                    at +=
                        decoder.decode(black_box(&CHUNK[at..]), &Limits { body: u64::MAX, ..limits }).unwrap().consumed;
                }
            }
            other => panic!("there is no work {other}"),
        }
    }
}

fn read_fields(block: &[u8], limits: &Limits, table: &mut FieldTable) {
    _ = black_box(fields(black_box(block), Version::Http11, limits, table));
}

/// The field block of a request.
fn block(request: &[u8]) -> &[u8] {
    &request[request.iter().position(|&byte| byte == b'\n').unwrap() + 1..]
}

fn write_response(head: &mut ResponseHead, out: &mut Vec<u8>) {
    out.clear();
    head.start(black_box(b"200 OK")).unwrap();
    head.field(black_box(b"Content-Type"), black_box(b"text/plain; charset=utf-8")).unwrap();
    head.field(black_box(b"Content-Length"), black_box(b"13")).unwrap();
    let date = black_box(b"Sun, 06 Nov 1994 08:49:37 GMT");
    _ = black_box(head.finish(false, Version::Http11, true, None, date, b"dragoman", out));
}
