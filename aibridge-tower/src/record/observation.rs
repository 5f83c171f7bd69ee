//! What is read of a reply while it passes.

use aibridge_providers::{
    api::{Api, Calls, Observed, Observer, ProviderError, Reply},
    bedrock::{NativeDecoder, exception_frame},
    encoding::StreamDecoder,
    sse,
};
use aibridge_store::record::Outcome;
use bytes::{Bytes, BytesMut};
use http::{header, response::Parts};

use super::{Interception, RoundTrip, whole_events::WholeEvents};
use crate::{
    encoded::{Coding, coding, is_event_stream, is_frames},
    refuse::TRUNCATED,
};

/// What is kept of an error's body in order to read its type and message.
const ERROR_LIMIT: usize = 64 * 1024;

/// Reads a copy of one reply, and says what of it the client gets.
#[derive(Debug)]
pub(super) struct Observation {
    trip: RoundTrip,
    api: Api,
    status: u16,
    streaming: bool,
    decoder: Option<Box<StreamDecoder>>,
    reading: Reading,
    /// Present for a stream of AWS's frames, each of which holds an event.
    frames: Option<Box<NativeDecoder>>,
    /// Present for a stream that is not compressed: events, or frames, leave whole.
    events: Option<WholeEvents>,
    begun: bool,
}

#[derive(Debug)]
enum Reading {
    Reply(Observer),
    Error(BytesMut),
    /// The copy could not be decoded: the bytes pass unread.
    Nothing(Reply),
}

/// What the client still gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// These bytes, then the end.
    Bytes(Bytes),
    /// A reset: the stream broke off, and the format has no way to say so.
    Reset,
}

/// How the bytes of a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The provider ended it.
    Clean,
    /// It broke off.
    Broken,
    /// The client went away.
    Dropped,
}

impl Observation {
    pub(super) fn new(head: &mut Parts, trip: RoundTrip, api: Api, hide_usage: bool) -> Observation {
        let frames = (head.status.is_success() && is_frames(&head.headers)).then(|| Box::new(NativeDecoder::new()));
        let streaming = head.status.is_success() && (frames.is_some() || is_event_stream(&head.headers));
        let (decoder, plain, readable) = match coding(&head.headers) {
            Coding::Plain => (None, true, true),
            Coding::Coded(decoder) => (Some(decoder), false, true),
            Coding::Unreadable => (None, false, false),
        };
        let reading = match head.status.is_success() {
            _ if !readable => Reading::Nothing(Reply::default()),
            true if streaming => Reading::Reply(Observer::streaming(api)),
            true => Reading::Reply(Observer::blocking(api)),
            false => Reading::Error(BytesMut::new()),
        };
        let events = (streaming && plain).then(|| WholeEvents::new(hide_usage));
        if events.is_some() {
            // An error event may follow what the provider sent.
            head.headers.remove(header::CONTENT_LENGTH);
        }
        let status = head.status.as_u16();
        trip.interception().status(status);
        trip.interception().tell_calls(match &reading {
            Reading::Reply(observer) => observer.calls(),
            _ => Calls::Possible,
        });
        Observation { trip, api, status, streaming, decoder, reading, frames, events, begun: false }
    }

    /// Whether the bytes that reach the client may differ in number from those of the provider.
    pub(super) fn holds_back(&self) -> bool {
        self.events.is_some()
    }

    /// Whether something may be added behind what the client has.
    pub(super) fn is_between_events(&self) -> bool {
        // To frames nothing can be added but their end.
        self.frames.is_none() && self.events.as_ref().is_some_and(WholeEvents::is_between)
    }

    /// Takes the next bytes of the provider; returns those that go to the client now.
    pub(super) fn take_in(&mut self, data: Bytes) -> Bytes {
        let interception = self.trip.interception();
        if !self.begun {
            self.begun = true;
            interception.first_byte();
        }
        interception.received(data.len() as u64);
        let boundary = self.read(&data);
        match &mut self.events {
            Some(events) => events.pass(data, boundary),
            None => data,
        }
    }

    fn read(&mut self, data: &Bytes) -> usize {
        let plain = match &mut self.decoder {
            None => data.clone(),
            Some(decoder) => match decoder.feed(data) {
                Ok(plain) => plain,
                Err(error) => {
                    tracing::debug!(%error, "a reply cannot be decoded; it passes unobserved");
                    let mut reply = match &self.reading {
                        Reading::Reply(observer) => observer.reply().clone(),
                        _ => Reply::default(),
                    };
                    reply.unobserved += 1;
                    self.trip.interception().tell_calls(Calls::Possible);
                    self.reading = Reading::Nothing(reply);
                    self.decoder = None;
                    return 0;
                }
            },
        };
        match &mut self.reading {
            Reading::Reply(observer) => {
                let had_content = observer.reply().content;
                let mut found = Vec::new();
                let boundary = match &mut self.frames {
                    None => observer.feed(&plain, &mut |observed| found.push(observed)),
                    Some(frames) => frames.feed(&plain, &mut |event| {
                        observer.feed(&sse::encode(event.name, event.data), &mut |observed| found.push(observed));
                    }),
                };
                self.trip.interception().tell_calls(observer.calls());
                let reply = observer.reply();
                if reply.content && !had_content {
                    self.trip.interception().first_content();
                }
                report(self.trip.interception(), found, reply);
                boundary
            }
            Reading::Error(kept) => {
                kept.extend_from_slice(&plain[..plain.len().min(ERROR_LIMIT - kept.len())]);
                0
            }
            Reading::Nothing(_) => 0,
        }
    }

    /// Settles how the round trip ended, and returns what the client still gets: what was held back, or the API's error
    /// event.
    pub(super) fn end(&mut self, ending: Ending) -> Rest {
        let interception = self.trip.interception().clone();
        let (outcome, error) = match &mut self.reading {
            Reading::Reply(observer) => {
                let mut found = Vec::new();
                observer.finish(&mut |observed| found.push(observed));
                interception.tell_calls(observer.calls());
                let reply = observer.reply();
                report(&interception, found, reply);
                outcome(reply, ending, self.streaming)
            }
            Reading::Error(kept) => (Outcome::ProviderError, self.api.format().read_error(kept)),
            Reading::Nothing(reply) => outcome(reply, ending, false),
        };
        let error = match outcome {
            Outcome::ProviderError => {
                let error = error.unwrap_or_default();
                let kind = if error.kind.is_empty() { format!("http_{}", self.status) } else { error.kind };
                Some((kind, error.message))
            }
            Outcome::Truncated => Some(("provider_truncated".to_owned(), TRUNCATED.to_owned())),
            _ => None,
        };
        interception.ended(outcome, error);
        match &self.reading {
            Reading::Reply(observer) => self.trip.settle(observer.reply()),
            Reading::Nothing(reply) => self.trip.settle(reply),
            Reading::Error(_) => self.trip.settle(&Reply::default()),
        }
        // A stream of a response that goes on in the background broke off as any other.
        let broke_off = outcome == Outcome::Truncated || (outcome == Outcome::Accepted && self.streaming);
        match (outcome, &mut self.events) {
            (_, Some(events)) if broke_off && self.frames.is_none() => Rest::Bytes(events.cut(self.api)),
            (_, Some(frames)) if broke_off => match frames.abandon() {
                true => Rest::Reset,
                false => Rest::Bytes(exception_frame("modelStreamErrorException", TRUNCATED)),
            },
            (_, None) if broke_off => Rest::Reset,
            (_, Some(events)) => Rest::Bytes(events.rest()),
            (_, None) if ending == Ending::Broken => Rest::Reset,
            (_, None) => Rest::Bytes(Bytes::new()),
        }
    }
}

fn report(interception: &Interception, found: Vec<Observed>, reply: &Reply) {
    for observed in found {
        interception.observed(observed, reply.id.as_deref());
    }
}

fn outcome(reply: &Reply, ending: Ending, streaming: bool) -> (Outcome, Option<ProviderError>) {
    match (&reply.error, ending) {
        (Some(error), _) => (Outcome::ProviderError, Some(error.clone())),
        (None, _) if reply.accepted => (Outcome::Accepted, None),
        (None, _) if reply.terminal => (Outcome::Completed, None),
        // HTTP's own framing says that a blocking reply is whole.
        (None, Ending::Clean) if !streaming => (Outcome::Completed, None),
        (None, Ending::Dropped) => (Outcome::ClientGone, None),
        (None, _) => (Outcome::Truncated, None),
    }
}
