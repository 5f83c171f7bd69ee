use std::{convert::Infallible, future::ready, io};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::*;
use crate::testing::{Script, Step};

type Frames = ResponseBody<Script<hyper::Error>>;

fn body(steps: impl IntoIterator<Item = Step<hyper::Error>>) -> Frames {
    ResponseBody::new(Script::new(steps))
}

/// hyper lets nobody else make one.
async fn hyper_error() -> hyper::Error {
    let service =
        service_fn(|_: Request<Incoming>| ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))));
    let broken =
        tokio_test::io::Builder::new().read(b"GET / HT").read_error(io::ErrorKind::ConnectionReset.into()).build();
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(broken), service).await.unwrap_err()
}

async fn data(body: &mut Frames) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

fn pause(millis: u64) -> Step<hyper::Error> {
    Step::Wait(Duration::from_millis(millis))
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_passes_at_once_and_the_rest_of_its_burst_together() {
    let begun = Instant::now();
    let mut body = body(["a", "b", "c", "d"].map(Step::data));
    assert_eq!(data(&mut body).await, "a");
    assert_eq!(data(&mut body).await, "bcd");
    assert!(body.frame().await.is_none());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn frames_that_come_one_a_wake_up_are_gathered() {
    let frames = ["a", "b", "c", "d"].map(Step::data).into_iter().flat_map(|frame| [frame, Step::Yield, Step::Yield]);
    let mut body = body(frames);
    assert_eq!(data(&mut body).await, "a");
    assert_eq!(data(&mut body).await, "bcd");
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_takes_longer_than_that_is_not_waited_for() {
    let yields = || [Step::Yield, Step::Yield, Step::Yield];
    let frames = [Step::data("a"), Step::data("b")].into_iter().chain(yields()).chain([Step::data("c")]);
    let mut body = body(frames);
    assert_eq!(data(&mut body).await, "a");
    assert_eq!(data(&mut body).await, "b");
    assert_eq!(data(&mut body).await, "c");
}

#[tokio::test(start_paused = true)]
async fn paced_frames_are_never_delayed() {
    let begun = Instant::now();
    let mut body = body(["a", "b", "c"].map(Step::data).into_iter().flat_map(|frame| [pause(20), frame]));
    for (at, expected) in [(20, "a"), (40, "b"), (60, "c")] {
        assert_eq!(data(&mut body).await, expected);
        assert_eq!(begun.elapsed(), Duration::from_millis(at));
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_passed_on_before_the_pause_behind_it() {
    let begun = Instant::now();
    let mut body = body([Step::data("a"), Step::data("b"), Step::data("c"), pause(20), Step::data("d")]);
    assert_eq!(data(&mut body).await, "a");
    assert_eq!(data(&mut body).await, "bc");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(data(&mut body).await, "d");
    assert_eq!(begun.elapsed(), Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn an_error_comes_behind_what_was_gathered() {
    let mut body = body([Step::data("a"), Step::data("b"), Step::data("c"), Step::Fail(hyper_error().await)]);
    assert_eq!(data(&mut body).await, "a");
    assert_eq!(data(&mut body).await, "bc");
    assert!(!body.is_end_stream());
    assert!(matches!(body.frame().await, Some(Err(UpstreamError::Body(_)))));
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn trailers_come_behind_what_was_gathered() {
    let mut body = body([Step::data("a"), Step::data("b"), Step::data("c"), Step::Trailers]);
    assert_eq!(data(&mut body).await, "a");
    assert_eq!(data(&mut body).await, "bc");
    assert!(!body.is_end_stream());
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn large_frames_are_not_copied() {
    let large = Bytes::from(vec![b'l'; FULL / 2]);
    let frames =
        [Step::data("a"), Step::data("b"), Step::Data(large.clone()), Step::Data(large.clone()), Step::data("c")];
    let mut body = body(frames);
    assert_eq!(data(&mut body).await, "a");
    assert_eq!(data(&mut body).await, "b");
    for _ in 0..2 {
        assert_eq!(data(&mut body).await.as_ptr(), large.as_ptr());
    }
    assert_eq!(data(&mut body).await, "c");
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_passed_on_when_it_has_grown_large() {
    let frame = Bytes::from(vec![b'f'; FULL / 4]);
    let mut body = body((0..9).map(|_| Step::Data(frame.clone())));
    assert_eq!(data(&mut body).await.len(), FULL / 4);
    assert_eq!(data(&mut body).await.len(), FULL);
    assert_eq!(data(&mut body).await.len(), FULL);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn size_and_end_are_told_of_all_that_is_left() {
    let steps = [Step::data("a"), Step::data("bc"), Step::data("def"), pause(20), Step::data("g")];
    let mut body = ResponseBody::new(Script::new(steps).knows_its_end());
    for (left, frame) in [(7, "a"), (6, "bcdef"), (1, "g")] {
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(left));
        assert_eq!(data(&mut body).await, frame);
    }
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));

    let burst = [Step::data("a"), Step::data("b"), Step::data("c")];
    let mut body = ResponseBody::new(Script::new(burst).knows_its_end());
    assert_eq!(data(&mut body).await, "a");
    assert_eq!(data(&mut body).await, "bc");
    assert!(body.is_end_stream(), "with the frame, not a poll later");
}

#[derive(Clone, Debug)]
enum Move {
    Data(usize),
    Wait(u64),
    Yield,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let size = prop_oneof![8 => 0usize..100, 1 => FULL / 2 - 2..FULL / 2 + 2, 1 => FULL - 2..FULL + 2];
    let one =
        prop_oneof![6 => size.prop_map(Move::Data), 1 => (1u64..600).prop_map(Move::Wait), 2 => Just(Move::Yield)];
    prop::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn whatever_comes_all_bytes_leave_in_order(moves in moves(), fails: bool, knows_its_end: bool) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut expected = Vec::new();
            let mut steps: Vec<Step<hyper::Error>> = Vec::new();
            for (at, one) in moves.iter().enumerate() {
                steps.push(match one {
                    Move::Data(length) => {
                        let data: Vec<u8> = (0..=250).cycle().skip(at % 251).take(*length).collect();
                        expected.extend_from_slice(&data);
                        Step::Data(data.into())
                    }
                    Move::Wait(micros) => Step::Wait(Duration::from_micros(*micros)),
                    Move::Yield => Step::Yield,
                });
            }
            if fails {
                steps.push(Step::Fail(hyper_error().await));
            }
            let script = Script::new(steps);
            let mut body = ResponseBody::new(if knows_its_end { script.knows_its_end() } else { script });
            let mut sent = Vec::new();
            let mut failed = false;
            while let Some(frame) = body.frame().await {
                prop_assert!(!failed, "nothing follows an error");
                match frame {
                    Ok(frame) => sent.extend_from_slice(&frame.into_data().unwrap()),
                    Err(_) => failed = true,
                }
            }
            prop_assert_eq!(failed, fails);
            prop_assert!(sent == expected, "{} of {} bytes", sent.len(), expected.len());
            Ok(())
        })?;
    }
}
