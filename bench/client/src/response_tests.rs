//! The response reader takes each strict response whole and byte by byte, and refuses everything else.

use super::*;

fn expected(body: &[u8]) -> Expected {
    Expected { status: 200, body: Body::literal(body), is_head: false, request_id: 0 }
}

/// Feeds `input` in pieces of `step` bytes, as a connection does; returns the outcome and the bytes left over.
fn read(input: &[u8], step: usize, expected: &Expected) -> Result<(Done, usize), Breach> {
    let mut reader = Reader::new();
    let mut rest = Vec::new();
    for (index, piece) in input.chunks(step).enumerate() {
        rest.extend_from_slice(piece);
        let (taken, done) = reader.advance(&rest, expected)?;
        rest.drain(..taken);
        if done != Done::NotYet {
            return Ok((done, rest.len() + input.len().saturating_sub((index + 1) * step)));
        }
    }
    reader.end(expected).map(|done| (done, rest.len()))
}

fn both_ways(input: &[u8], expected: &Expected) -> Result<(Done, usize), Breach> {
    let whole = read(input, input.len(), expected);
    assert_eq!(whole.is_ok(), read(input, 1, expected).is_ok(), "whole and byte by byte differ");
    whole
}

#[test]
fn a_body_with_a_length_is_read_and_what_follows_is_left() {
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1";
    assert_eq!(both_ways(input, &expected(b"hello")), Ok((Done::Keep, 8)));
}

#[test]
fn a_chunked_body_with_extensions_and_trailers_is_read() {
    let input = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(both_ways(input, &expected(b"hello")), Ok((Done::Keep, 0)));
}

#[test]
fn a_body_without_framing_ends_with_the_connection() {
    let input = b"HTTP/1.0 200 OK\r\n\r\nhello";
    assert_eq!(both_ways(input, &expected(b"hello")), Ok((Done::Closing, 0)));
}

#[test]
fn an_interim_response_comes_before_the_final_one() {
    let input = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(both_ways(input, &expected(b"")), Ok((Done::Closing, 0)));
}

#[test]
fn a_head_response_has_the_length_and_no_body() {
    let want = Expected { is_head: true, ..expected(b"hello") };
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(both_ways(input, &want), Ok((Done::Keep, 0)));
}

#[test]
fn a_wrong_byte_a_short_body_and_a_long_body_are_seen() {
    let differs = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellO";
    assert!(matches!(both_ways(differs, &expected(b"hello")), Err(Breach::BodyDiffers(_))));
    let short = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n\r\n";
    assert_eq!(both_ways(short, &expected(b"hello")), Err(Breach::BodyLength { got: 3, want: 5 }));
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!";
    assert_eq!(both_ways(long, &expected(b"hello")), Err(Breach::BodyLength { got: 6, want: 5 }));
}

#[test]
fn the_answer_to_another_request_is_seen() {
    let want = Expected { request_id: 7, ..expected(b"") };
    let other = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request: 8\r\n\r\n";
    let absent = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(both_ways(other, &want), Err(Breach::RequestId));
    assert_eq!(both_ways(absent, &want), Err(Breach::RequestId));
}

#[test]
fn ambiguous_or_malformed_framing_is_refused() {
    let refused: [&[u8]; 12] = [
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    for input in refused {
        assert!(both_ways(input, &expected(b"")).is_err(), "{}", input.escape_ascii());
    }
}

#[test]
fn the_memo_of_a_head_never_answers_for_a_different_one() {
    let mut reader = Reader::new();
    let want = expected(b"");
    let first = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let second = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(reader.advance(first, &want), Ok((first.len(), Done::Keep)));
    assert_eq!(reader.advance(first, &want), Ok((first.len(), Done::Keep)));
    assert_eq!(reader.advance(second, &want), Ok((second.len(), Done::Closing)));
}
