//! Request bodies in content codings: read decoded, sent as they came.

use std::io::Write as _;

use aibridge_tests::{Endpoint, Script, Transcript};
use bytes::Bytes;
use flate2::{Compression, write};
use serde_json::Value;

use crate::{
    expect::{expected, target, told, upstream_request, usage_is_asked_for},
    fixture::{BEARER, Setup},
    line::Line,
};

/// A content coding, by the name that requests give it.
type Coding = (&'static str, fn(&[u8]) -> Vec<u8>);

const CODINGS: [Coding; 12] = [
    ("gzip", gzip),
    ("X-GZip", gzip),
    ("deflate", zlib),
    // What some clients take `deflate` for.
    ("deflate", raw_deflate),
    ("br", brotli),
    ("zstd", zstd),
    ("ZSTD", zstd),
    ("identity", <[u8]>::to_vec),
    ("gzip, zstd", |body| zstd(&gzip(body))),
    ("br,br", |body| brotli(&brotli(body))),
    ("zstd, identity , gzip", |body| gzip(&zstd(body))),
    ("deflate, br", |body| brotli(&zlib(body))),
];

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn brotli(body: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    brotli::CompressorWriter::new(&mut coded, 4096, 5, 20).write_all(body).unwrap();
    coded
}

pub(crate) fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::encode_all(body, 3).unwrap()
}

/// To a gateway that takes bodies of so many bytes.
async fn line(max_bytes: usize) -> Line {
    Line::with(Setup { max_bytes, ..Setup::default() }).await
}

impl Line {
    /// The status and the error's type of what the gateway itself answers.
    async fn refused(&mut self, coding: &str, body: &[u8]) -> (u16, String) {
        // On a connection of its own: a body that is refused need not be read to its end.
        let mut client = self.gateway.client().await;
        client.post(&target(Endpoint::Messages), &[BEARER, ("Content-Encoding", coding)], body).await.unwrap();
        let (head, body) = client.response().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        (head.status(), body["error"]["type"].as_str().unwrap_or_default().to_owned())
    }

    async fn is_served(&mut self, coding: &str, body: &[u8]) {
        self.provider.reply(Script::json(200, "{}"));
        self.client.post(&target(Endpoint::Messages), &[BEARER, ("Content-Encoding", coding)], body).await.unwrap();
        let (head, reply) = self.client.response().await.unwrap();
        assert_eq!(head.status(), 200, "{coding}: {reply:?}");
        assert!(self.provider.next_request().await.body == body, "{coding}");
    }
}

#[tokio::test]
async fn coded_requests_are_read_and_go_on_as_they_came() {
    let mut line = line(64 << 20).await;
    for transcript in Transcript::all().unwrap() {
        for (name, coding) in CODINGS {
            for (streamed, reply) in [(false, &transcript.blocking[0]), (true, &transcript.streams[0])] {
                let plain = if streamed { &transcript.streaming_request } else { &transcript.request };
                let coded = Bytes::from(coding(plain));
                let fields = [BEARER, ("X-Before", "1"), ("content-ENCODING", name), ("X-After", "2")];
                line.provider.reply(reply.script());
                line.client.post(&target(transcript.endpoint), &fields, &coded).await.unwrap();
                line.client.response().await.unwrap();
                let received = line.provider.next_request().await;
                let context = format!("{}, streamed: {streamed}, {name}", transcript.name);
                let edited = streamed && usage_is_asked_for(&transcript);
                let expected_body = if edited { upstream_request(&transcript, true) } else { coded.clone() };
                assert!(received.body == expected_body, "{context}: {:?}", received.body);
                assert_eq!(received.head.get("content-length").unwrap(), expected_body.len().to_string(), "{context}");
                let own = ["host", "content-length", "content-type", "authorization", "x-api-key"];
                let mut got = received.head.fields();
                got.retain(|(name, _)| !own.contains(&&*name.to_ascii_lowercase()));
                let mut expected_fields = fields[1..].to_vec();
                if edited {
                    expected_fields.remove(1);
                }
                assert_eq!(got, expected_fields, "{context}");
                let recorded = line.gateway.records.take().await;
                assert_eq!(told(&recorded), expected(&transcript, reply, true), "{context}");
                assert_eq!(recorded.start.request_bytes, coded.len() as u64, "{context}: as received");
            }
        }
    }
}

#[tokio::test]
async fn codings_may_stand_in_several_fields() {
    let mut line = line(1 << 20).await;
    let transcript = Transcript::load("messages-plain").unwrap();
    let coded = zstd(&gzip(&transcript.request));
    line.provider.reply(transcript.blocking[0].script());
    let fields = [BEARER, ("Content-Encoding", "gzip"), ("Content-Encoding", "zstd")];
    line.client.post(&target(Endpoint::Messages), &fields, &coded).await.unwrap();
    line.client.response().await.unwrap();
    let received = line.provider.next_request().await;
    assert_eq!(received.body, coded);
    assert_eq!(received.head.all("content-encoding"), ["gzip", "zstd"]);
    assert_eq!(told(&line.gateway.records.take().await), expected(&transcript, &transcript.blocking[0], true));
}

#[tokio::test]
async fn codings_that_are_unknown_or_too_many_are_refused() {
    let mut line = line(1 << 20).await;
    let body = gzip(&gzip(&gzip(b"{}")));
    for coding in ["compress", "gzip, gzip, gzip", "gzip, unknown", "*", "gzip;q=1", "\u{e9}"] {
        let refused = line.refused(coding, &body).await;
        assert_eq!(refused, (415, "invalid_request_error".to_owned()), "{coding}");
    }
    assert_eq!(line.provider.requests().len() + line.gateway.records.len(), 0);
}

#[tokio::test]
async fn body_that_does_not_decode_is_refused() {
    let mut line = line(1 << 20).await;
    for (name, coding) in CODINGS.into_iter().filter(|(name, _)| *name != "identity") {
        let whole = coding(br#"{"model": "m", "max_tokens": 1, "messages": []}"#);
        let trailing = [&whole[..], b"trailing"].concat();
        for (what, body) in
            [("cut", &whole[..whole.len() - 1]), ("trailing", &trailing), ("plain", b"{\"a\": 1}"), ("empty", b"")]
        {
            let refused = line.refused(name, body).await;
            assert_eq!(refused, (400, "invalid_request_error".to_owned()), "{name}, {what}");
        }
    }
    assert_eq!(line.provider.requests().len() + line.gateway.records.len(), 0);
}

/// JSON of so many bytes that compresses no better than about six to one.
fn json(bytes: usize) -> Vec<u8> {
    let mut seed = 1_u64;
    let mut body = b"{\"model\": \"m\", \"x\": \"".to_vec();
    while body.len() < bytes - 2 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        body.push(b'a' + u8::try_from(seed >> 62).unwrap());
    }
    body.extend_from_slice(b"\"}");
    body
}

#[tokio::test]
async fn decoded_size_is_limited() {
    const LIMIT: usize = 100_000;
    let mut line = line(LIMIT).await;
    let too_large = (413, "request_too_large".to_owned());
    for (name, coding) in CODINGS {
        line.is_served(name, &coding(&json(LIMIT))).await;
        let over = coding(&json(LIMIT + 1));
        assert!(name == "identity" || over.len() < LIMIT);
        assert_eq!(line.refused(name, &over).await, too_large, "{name}");
    }
}

#[tokio::test]
async fn ratio_is_limited_beyond_small_bodies() {
    let mut line = line(64 << 20).await;
    let blanks = |count: usize| [b"{\"model\": \"m\"".to_vec(), vec![b' '; count], b"}".to_vec()].concat();
    let too_large = (413, "request_too_large".to_owned());
    for (name, coding) in [("zstd", zstd as fn(&[u8]) -> Vec<u8>), ("gzip", gzip), ("br", brotli)] {
        // Small bodies of much the same may shrink as much as they like.
        line.is_served(name, &coding(&blanks(60_000))).await;
        let bomb = coding(&blanks(32 << 20));
        assert!(bomb.len() < (32 << 20) / 200, "{name}");
        assert_eq!(line.refused(name, &bomb).await, too_large, "{name}");
        let nested = gzip(&bomb);
        assert_eq!(line.refused(&format!("{name}, gzip"), &nested).await, too_large, "{name} in gzip");
    }
    // A conversation of the same size is no bomb.
    line.is_served("zstd", &zstd(&json(32 << 20))).await;
}
