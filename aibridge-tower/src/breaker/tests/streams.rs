//! Streams that begin with an error.

use std::convert::Infallible;

use http_body_util::BodyExt;

use super::*;
use crate::testing::{Script, Step};

const OVERLOADED: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
const STARTED: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n";

/// The body of a stream of those steps that has passed a breaker, and whether another request is refused afterwards.
async fn pass(steps: Vec<Step<&'static str>>, coding: Option<&'static str>, read: usize) -> (Vec<Bytes>, bool) {
    let layer = BreakerLayer::new(Some(Policy { failures: 1, ..Policy::default() }));
    let mut response = Response::new(Script::new(steps));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    if let Some(coding) = coding {
        response.headers_mut().insert("content-encoding", coding.parse().unwrap());
    }
    let inner = testing::once(Ok::<_, BoxError>(response));
    let mut body = layer.layer(inner).oneshot(request("m")).await.unwrap().into_body();
    let mut frames = Vec::new();
    while frames.len() < read
        && let Some(Ok(frame)) = body.frame().await
    {
        frames.extend(frame.into_data());
    }
    drop(body);
    let inner = testing::once(Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())));
    (frames, layer.layer(inner).oneshot(request("m")).await.unwrap().status() == REFUSED)
}

#[tokio::test]
async fn a_stream_that_begins_with_an_overload_is_a_failure() {
    for (steps, failed) in [
        (vec![Step::data(OVERLOADED)], true),
        (vec![Step::data(": a comment\n\n"), Step::data(OVERLOADED)], true),
        (vec![Step::data(STARTED), Step::data(OVERLOADED)], false),
        (vec![Step::data("event: error\ndata: {\"error\":{\"type\":\"api_error\"}}\n\n")], false),
        (vec![Step::data("data: overloaded_error\n\n")], false),
        (vec![Step::Fail("reset")], true),
        (vec![Step::data("event: mess"), Step::Fail("reset")], true),
        (vec![Step::data(STARTED), Step::Fail("reset")], false),
        (vec![], false),
    ] {
        let said = format!("{steps:?}");
        assert_eq!(pass(steps, None, usize::MAX).await.1, failed, "{said}");
    }
}

#[tokio::test]
async fn its_bytes_pass_as_they_come_however_they_are_split() {
    for at in 0..=OVERLOADED.len() {
        let (one, other) = OVERLOADED.split_at(at);
        let (frames, failed) =
            pass(vec![Step::data(one), Step::data(other), Step::data(STARTED)], None, usize::MAX).await;
        assert_eq!((frames, failed), (vec![one.into(), other.into(), STARTED.into()], true), "split at {at}");
    }
}

#[tokio::test]
async fn a_compressed_stream_is_read_too() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(OVERLOADED.as_bytes()).unwrap();
    let bytes: Bytes = encoder.finish().unwrap().into();
    for (coding, failed) in [("gzip", true), ("unheard-of", false), ("br", false)] {
        let (frames, refused) = pass(vec![Step::Data(bytes.clone())], Some(coding), usize::MAX).await;
        assert_eq!((frames, refused), (vec![bytes.clone()], failed), "{coding}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_event_says_nothing() {
    let (frames, failed) = pass(vec![Step::data("event: error\n"), Step::data(OVERLOADED)], None, 1).await;
    assert_eq!((frames.len(), failed), (1, false));
}

#[tokio::test]
async fn the_verdict_comes_with_the_first_event_and_not_with_the_end() {
    let layer = BreakerLayer::new(Some(Policy { failures: 1, ..Policy::default() }));
    let mut response = Response::new(Script::<Infallible>::new([Step::data(OVERLOADED), Step::Hang]));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    let mut body =
        layer.layer(testing::once(Ok::<_, BoxError>(response))).oneshot(request("m")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    let inner = testing::once(Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())));
    assert_eq!(layer.layer(inner).oneshot(request("m")).await.unwrap().status(), REFUSED);
    drop(body);
}
