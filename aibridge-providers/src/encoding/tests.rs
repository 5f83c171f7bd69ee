use std::io::Write;

use flate2::{
    Compression, GzBuilder,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

/// A coder that can be flushed, writing into memory.
trait Coder {
    fn push(&mut self, bytes: &[u8]) -> Vec<u8>;
    fn end(self: Box<Self>) -> Vec<u8>;
}

macro_rules! coder {
    ($type:ty, $into:ident) => {
        impl Coder for $type {
            fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
                self.write_all(bytes).expect("in memory");
                self.flush().expect("in memory");
                std::mem::take(self.get_mut())
            }

            fn end(self: Box<Self>) -> Vec<u8> {
                coder!(@end $into, *self)
            }
        }
    };
    (@end finish, $coder:expr) => { $coder.finish().expect("in memory") };
    (@end into_inner, $coder:expr) => { $coder.into_inner() };
}

coder!(GzEncoder<Vec<u8>>, finish);
coder!(ZlibEncoder<Vec<u8>>, finish);
coder!(DeflateEncoder<Vec<u8>>, finish);
coder!(zstd::stream::write::Encoder<'static, Vec<u8>>, finish);
coder!(brotli::CompressorWriter<Vec<u8>>, into_inner);

fn coder(name: &str) -> Box<dyn Coder> {
    match name {
        "gzip" => Box::new(GzEncoder::new(Vec::new(), Compression::default())),
        "deflate" => Box::new(ZlibEncoder::new(Vec::new(), Compression::default())),
        "raw" => Box::new(DeflateEncoder::new(Vec::new(), Compression::default())),
        "br" => Box::new(brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22)),
        "zstd" => Box::new(zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder")),
        other => panic!("{other}"),
    }
}

fn code(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut coder = coder(name);
    let mut coded = coder.push(bytes);
    coded.extend(coder.end());
    coded
}

fn decoded(name: &str, coded: &[u8]) -> Result<Bytes, EncodingError> {
    decode(name, Bytes::copy_from_slice(coded), 1 << 20)
}

/// Text that does not compress beyond the ratio.
fn text(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + u8::try_from(state >> 28).expect("four bits")
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn what_is_not_coded_is_returned_uncopied() {
    let body = Bytes::from_static(b"{\"model\":\"m\"}");
    for encoding in ["", " ", "identity", "Identity", ", identity ,,"] {
        let same = decode(encoding, body.clone(), 1).expect("nothing to decode");
        assert_eq!(same.as_ptr(), body.as_ptr(), "{encoding}");
        assert!(StreamDecoder::new(encoding).expect("nothing to decode").is_none());
    }
}

#[test]
fn every_coding_is_decoded_under_each_of_its_names() {
    let body = text(100_000);
    for (name, coding) in [
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate", "deflate"),
        ("deflate", "raw"),
        ("br", "br"),
        ("zstd", "zstd"),
        (" identity, zstd , ", "zstd"),
    ] {
        assert_eq!(decoded(name, &code(coding, &body)).expect(name), body, "{name} {coding}");
        assert_eq!(decoded(name, &code(coding, b"")).expect(name), &b""[..], "{name} {coding}");
    }
}

#[test]
fn two_codings_are_undone_last_first() {
    let body = text(10_000);
    for inner in NAMES {
        for outer in NAMES {
            let coded = code(outer, &code(inner, &body));
            assert_eq!(decoded(&format!("{inner}, {outer}"), &coded).expect("it decodes"), body, "{inner} {outer}");
        }
    }
}

#[test]
fn unknown_and_too_many_codings_are_told_apart() {
    let unknown = |name: &str| Err(EncodingError::Unknown(name.to_owned()));
    assert_eq!(decoded("compress", b""), unknown("compress"));
    assert_eq!(decoded("gzip, aws-chunked", b""), unknown("aws-chunked"));
    assert_eq!(decoded(&"\u{20ac}".repeat(100), b""), unknown(&"\u{20ac}".repeat(21)));
    assert_eq!(decoded("gzip, gzip, gzip", b""), Err(EncodingError::TooMany));
    assert!(decoded("identity, gzip, identity, gzip", &code("gzip", &code("gzip", b"x"))).is_ok());
    assert!(matches!(StreamDecoder::new("lzma"), Err(EncodingError::Unknown(_))));
}

#[test]
fn truncated_bodies_and_trailing_bytes_are_corrupt() {
    let body = text(2_000);
    for (name, coding) in [("gzip", "gzip"), ("deflate", "deflate"), ("deflate", "raw"), ("br", "br"), ("zstd", "zstd")]
    {
        let coded = code(coding, &body);
        for end in 0..coded.len() {
            assert_eq!(decoded(name, &coded[..end]), Err(EncodingError::Corrupt(name)), "{coding} cut at {end}");
        }
        for tail in [&b"\0"[..], b"x", b"garbage that is longer"] {
            let coded = [&coded, tail].concat();
            assert_eq!(decoded(name, &coded), Err(EncodingError::Corrupt(name)), "{coding} and {tail:?}");
        }
    }
}

#[test]
fn damage_within_a_body_is_found_by_the_codings_that_have_a_checksum() {
    let body = text(2_000);
    for name in ["gzip", "deflate"] {
        let coded = code(name, &body);
        let mut damaged = coded.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert_eq!(decoded(name, &damaged), Err(EncodingError::Corrupt(name)));
    }
    let mut damaged = code("gzip", &body);
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    assert_eq!(decoded("gzip", &damaged), Err(EncodingError::Corrupt("gzip")));
}

#[test]
fn gzip_members_and_zstd_frames_follow_one_another() {
    for name in ["gzip", "zstd"] {
        let coded = [code(name, b"one "), code(name, b""), code(name, b"two")].concat();
        assert_eq!(decoded(name, &coded).expect("it decodes"), &b"one two"[..], "{name}");
        let cut = &coded[..coded.len() - 1];
        assert_eq!(decoded(name, cut), Err(EncodingError::Corrupt(name)));
    }
}

#[test]
fn every_field_of_a_gzip_header_is_skipped() {
    let mut encoder = GzBuilder::new()
        .extra(b"extra field".to_vec())
        .filename("name.json")
        .comment("comment")
        .mtime(1)
        .write(Vec::new(), Compression::fast());
    encoder.write_all(b"body").expect("in memory");
    let coded = encoder.finish().expect("in memory");
    assert_eq!(decoded("gzip", &coded).expect("it decodes"), &b"body"[..]);

    // flate2 does not write an empty extra field, nor the header's checksum.
    let mut with_crc = vec![0x1f, 0x8b, 8, EXTRA_AND_CRC, 0, 0, 0, 0, 0, 255, 0, 0, 0xaa, 0xbb];
    with_crc.extend_from_slice(&code("gzip", b"body")[10..]);
    assert_eq!(decoded("gzip", &with_crc).expect("it decodes"), &b"body"[..]);
    with_crc[3] |= 0x20;
    assert_eq!(decoded("gzip", &with_crc), Err(EncodingError::Corrupt("gzip")));
}

const EXTRA_AND_CRC: u8 = 0b110;

#[test]
fn the_limit_is_exact() {
    let body = text(50_000);
    for name in NAMES {
        let coded = Bytes::from(code(name, &body));
        assert_eq!(decode(name, coded.clone(), 50_000).expect("it fits"), body, "{name}");
        assert_eq!(decode(name, coded, 49_999), Err(EncodingError::TooLarge), "{name}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_decoded() {
    let bomb = vec![0; 20 << 20];
    for name in NAMES {
        let coded = Bytes::from(code(name, &bomb));
        assert!(coded.len() * 200 < bomb.len(), "{name} is no bomb: {}", coded.len());
        assert_eq!(decode(name, coded.clone(), usize::MAX), Err(EncodingError::TooLarge), "{name}");
        let twice = Bytes::from(code("gzip", &coded));
        assert_eq!(decode(&format!("{name}, gzip"), twice, usize::MAX), Err(EncodingError::TooLarge), "{name}");
        let mut decoder = StreamDecoder::new(name).expect("known").expect("coded");
        assert_eq!(decoder.feed(&coded), Err(EncodingError::TooLarge), "{name}");
    }
}

#[test]
fn the_output_never_holds_more_than_the_limit() {
    let mut output = Vec::new();
    let coded = code("zstd", &text(200_000));
    let mut stage = Coding::Zstd.stage();
    let result = pump(&mut *stage, Coding::Zstd, &coded, &mut output, &mut [0; SCRATCH], 100_000);
    assert_eq!(result, Err(EncodingError::TooLarge));
    assert!(output.capacity() <= 100_000, "{}", output.capacity());
}

#[test]
fn the_ratio_does_not_matter_for_small_bodies() {
    let body = vec![b' '; RATIO_FLOOR];
    for name in NAMES {
        let coded = code(name, &body);
        assert!(coded.len() * MAX_RATIO < body.len(), "{name}");
        assert_eq!(decoded(name, &coded).expect("it decodes"), body, "{name}");
    }
}

#[test]
fn windows_beyond_those_of_the_content_codings_are_refused() {
    let coded = |log| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
        encoder.window_log(log).expect("a window");
        encoder.write_all(b"body").expect("in memory");
        encoder.finish().expect("in memory")
    };
    assert_eq!(decoded("zstd", &coded(23)).expect("it decodes"), &b"body"[..]);
    assert_eq!(decoded("zstd", &coded(24)), Err(EncodingError::Corrupt("zstd")));

    // A large window of 2^30 bytes in the stream header, which RFC 7932 does not have.
    assert_eq!(decoded("br", &[0x11, 0x1e, 0x03]), Err(EncodingError::Corrupt("br")));
}

fn events() -> Vec<Vec<u8>> {
    let big = text(40_000);
    [
        &b"event: message_start\ndata: {}\n\n"[..],
        b": comment\n\n",
        &big,
        b"data: {\"delta\":\"x\"}\n\n",
        b"data: [DONE]\n\n",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

#[test]
fn a_flushed_event_comes_out_at_once() {
    for name in ["gzip", "deflate", "raw", "br", "zstd"] {
        let mut coder = coder(name);
        let encoding = if name == "raw" { "deflate" } else { name };
        let mut decoder = StreamDecoder::new(encoding).expect("known").expect("coded");
        for event in events() {
            let coded = coder.push(&event);
            assert_eq!(decoder.feed(&coded).expect("it decodes"), event, "{name}");
        }
        assert_eq!(decoder.feed(&coder.end()).expect("it decodes"), &b""[..], "{name}");
    }
}

#[test]
fn a_flushed_event_is_whole_with_its_last_byte_when_bytes_come_one_by_one() {
    for (outer, inner) in [("gzip", None), ("deflate", None), ("br", None), ("zstd", None), ("gzip", Some("br"))] {
        let mut outer_coder = coder(outer);
        let mut inner_coder = inner.map(coder);
        let encoding = inner.map_or(outer.to_owned(), |inner| format!("{inner}, {outer}"));
        let mut decoder = StreamDecoder::new(&encoding).expect("known").expect("coded");
        for event in events() {
            let coded = inner_coder.as_mut().map_or(event.clone(), |coder| coder.push(&event));
            let mut seen = Vec::new();
            for byte in outer_coder.push(&coded) {
                seen.extend_from_slice(&decoder.feed(&[byte]).expect("it decodes"));
                assert!(decoder.feed(b"").expect("nothing happens").is_empty());
            }
            assert_eq!(seen, event, "{encoding}");
        }
    }
}

#[test]
fn a_stream_that_failed_keeps_failing() {
    let mut decoder = StreamDecoder::new("gzip").expect("known").expect("coded");
    assert_eq!(decoder.feed(b"not gzip"), Err(EncodingError::Corrupt("gzip")));
    assert_eq!(decoder.feed(&code("gzip", b"body")), Err(EncodingError::Corrupt("gzip")));
    assert!(format!("{decoder:?}").contains("Gzip"));
}

#[test]
fn a_stream_decoder_may_be_held_by_a_response_body() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<StreamDecoder>();
}

proptest! {
    #[test]
    fn what_was_coded_is_decoded(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..5_000),
            ("[a-c]{0,40}", 0..500_usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        ],
        name in proptest::sample::select(vec!["gzip", "deflate", "raw", "br", "zstd"]),
        cuts in proptest::collection::vec(1..400_usize, 1..20),
    ) {
        let coded = code(name, &body);
        let name = if name == "raw" { "deflate" } else { name };
        prop_assert_eq!(&decoded(name, &coded).expect("it decodes")[..], &body[..]);

        let mut decoder = StreamDecoder::new(name).expect("known").expect("coded");
        let (mut rest, mut seen) = (&coded[..], Vec::new());
        for cut in cuts.into_iter().cycle() {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            seen.extend_from_slice(&decoder.feed(now).expect("it decodes"));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(seen, body);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        start in proptest::sample::select(vec![
            &b""[..], b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x1e", b"\x78\x9c", b"\x28\xb5\x2f\xfd", b"\x1b", b"\x4b",
        ]),
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        name in proptest::sample::select(vec!["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate"]),
    ) {
        let bytes = [start, &bytes].concat();
        let _ = decoded(name, &bytes);
        let mut decoder = StreamDecoder::new(name).expect("known").expect("coded");
        for chunk in bytes.chunks(7) {
            let _ = decoder.feed(chunk);
        }
    }

    #[test]
    fn damaged_bodies_never_panic(
        name in proptest::sample::select(&NAMES[..]),
        at in any::<proptest::sample::Index>(),
        bit in 0..8_u32,
        seed in 100..3_000_usize,
    ) {
        let mut coded = code(name, &text(seed));
        let at = at.index(coded.len());
        coded[at] ^= 1 << bit;
        let _ = decoded(name, &coded);
    }
}
