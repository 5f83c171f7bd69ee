//! Breaks a provider's silence.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use aibridge_providers::api::Api;
use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

/// What a client of Messages knows from the provider.
const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// What every reader of event streams passes over (WHATWG HTML, 9.2.6).
const COMMENT: &[u8] = b": keep-alive\n\n";

/// Says something whenever nothing has been said for a while.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    every: Duration,
    event: &'static [u8],
    last: Instant,
    /// Made at the first pause. Runs past what is said meanwhile: moving it with every event would cost more than
    /// waking up for nothing now and then.
    timer: Option<Pin<Box<Sleep>>>,
}

impl KeepAlive {
    pub(crate) fn new(every: Duration, api: Api) -> KeepAlive {
        let event = match api {
            Api::Messages => PING,
            _ => COMMENT,
        };
        KeepAlive { every, event, last: Instant::now(), timer: None }
    }

    /// The client was sent something.
    pub(super) fn sent(&mut self) {
        self.last = Instant::now();
    }

    /// Waits for the end of the client's patience, and returns what it is sent then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            let due = self.last + self.every;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if now < due {
                timer.as_mut().reset(due);
                continue;
            }
            self.last = now;
            timer.as_mut().reset(now + self.every);
            return Poll::Ready(Bytes::from_static(self.event));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, task::Poll};

    use futures::future::poll_fn;
    use http::response::Builder;
    use http_body::Body;
    use tokio::time::advance;

    use super::*;
    use crate::{
        record::{
            RecordLayer,
            testing::{ASK, DELTA, DOCUMENT, START, STOP, answer, data, document, steps, stream},
        },
        testing::{Script, Step, Told, parsed, poll},
    };

    const EVERY: Duration = Duration::from_secs(15);

    const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

    fn pause(seconds: u64) -> Step<io::Error> {
        Step::Wait(Duration::from_secs(seconds))
    }

    /// What the client gets and when, in seconds since the head.
    async fn got(layer: RecordLayer, api: Api, head: Builder, script: Vec<Step<io::Error>>) -> Vec<(u64, String)> {
        let ask = match api {
            Api::Messages => ASK,
            _ => r#"{"model":"gpt","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#,
        };
        let mut body = answer(layer, parsed(api, ask), head, Script::new(script)).await.into_body();
        let begun = Instant::now();
        let mut got = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
            got.push((begun.elapsed().as_secs(), text));
        }
        got
    }

    fn on(told: &Told) -> RecordLayer {
        RecordLayer::new(told.clone()).keep_alive(EVERY)
    }

    fn lines(got: &[(u64, String)]) -> Vec<(u64, &str)> {
        got.iter().map(|(at, text)| (*at, &**text)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_provider_is_made_up_for_every_15_seconds() {
        let told = Told::default();
        let script =
            vec![pause(40), Step::data(START), pause(14), Step::data(DELTA), pause(14), pause(2), Step::data(STOP)];
        let got = got(on(&told), Api::Messages, stream(), script).await;
        let expected = [(15, PING), (30, PING), (40, START), (54, DELTA), (69, PING), (70, STOP)];
        assert_eq!(lines(&got), expected);
        let provider = START.len() + DELTA.len() + STOP.len();
        assert_eq!(
            told.calls().last().unwrap(),
            &format!("end completed 200 {provider}B -"),
            "not the provider's bytes"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn other_streams_get_a_comment() {
        for api in [Api::Chat, Api::Responses] {
            let script = vec![pause(16), Step::data("data: [DONE]\n\n")];
            let got = got(on(&Told::default()), api, stream(), script).await;
            assert_eq!(lines(&got)[0], (15, ": keep-alive\n\n"), "{api:?}");
            assert_eq!(got[1].0, 16);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_being_turned_on_nothing_is_sent_and_no_timer_runs() {
        let told = Told::default();
        let script = Script::new([Step::Hang]);
        let mut body = answer(RecordLayer::new(told), parsed(Api::Messages, ASK), stream(), script).await.into_body();
        let mut task = tokio_test::task::spawn(());
        assert!(task.enter(|cx, _| Pin::new(&mut body).poll_frame(cx)).is_pending());
        advance(Duration::from_secs(3600)).await;
        assert!(!task.is_woken());
        assert!(poll(&mut body).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_held_back_is_not_broken_into() {
        let (first, second) = DELTA.split_at(30);
        let script = vec![Step::data(START), Step::data(first), pause(20), Step::data(second), Step::data(STOP)];
        let got = got(on(&Told::default()), Api::Messages, stream(), script).await;
        assert_eq!(lines(&got), [(0, START), (15, PING), (20, DELTA), (20, STOP)]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_an_event_is_passing_in_pieces_nothing_is_sent() {
        let long = Bytes::from(format!("data: {{\"a\":\"{}", "b".repeat(70_000)));
        let script = vec![Step::Data(long), pause(100), Step::data("\"}\n\n"), pause(16), Step::data(STOP)];
        let got = got(on(&Told::default()), Api::Messages, stream(), script).await;
        let times: Vec<(u64, usize)> = got.iter().map(|(at, text)| (*at, text.len())).collect();
        assert_eq!(times, [(0, 70_012), (100, 4), (115, PING.len()), (116, STOP.len())]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_a_plain_event_stream_is_left_alone() {
        let script = || vec![pause(20), Step::data(DOCUMENT)];
        let expected = [(20, DOCUMENT)];
        assert_eq!(lines(&got(on(&Told::default()), Api::Messages, document(), script()).await), expected);
        // The bytes are not read: what they say does not matter.
        let coded = stream().header("content-encoding", "zstd");
        assert_eq!(lines(&got(on(&Told::default()), Api::Messages, coded, script()).await)[0], expected[0]);
        let failed = stream().status(529);
        assert_eq!(lines(&got(on(&Told::default()), Api::Messages, failed, script()).await), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_over_is_silent() {
        let script = Script::new(steps(&[START, STOP])).knows_its_end();
        let mut body = answer(on(&Told::default()), parsed(Api::Messages, ASK), stream(), script).await.into_body();
        assert_eq!(data(poll(&mut body)).unwrap(), START);
        assert_eq!(data(poll(&mut body)).unwrap(), STOP);
        advance(Duration::from_secs(60)).await;
        assert!(matches!(poll(&mut body), Poll::Ready(None)));
    }
}
