use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use aibridge_providers::api::{Calls, Observed, Refusal, Reply, tools::Names};
use aibridge_store::{
    Recorder,
    record::{self, End, MAX_ERROR_MESSAGE, Outcome, Record, Start},
    sqlite::INTERRUPTED,
};
use chrono::Utc;
use http::HeaderValue;
use serde_json::{Map, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{InjectedCall, RecordLayer, observed};

/// One interception: a request from its start to its end.
///
/// Cheap to clone. [`Record`](super::Record) starts it and puts a clone into the response's extensions; when the last clone
/// goes, the end is recorded.
#[derive(Clone)]
pub struct Interception(Arc<Shared>);

struct Shared {
    start: Arc<Start>,
    recorder: Arc<dyn Recorder>,
    content: bool,
    /// After which silence something is sent.
    keep_alive: Option<Duration>,
    injected: Option<Names>,
    cut_off: Arc<AtomicBool>,
    begun: Instant,
    /// A [`Calls`]: what is certain about tool calls in what has been read of the last round trip's reply.
    calls: AtomicU8,
    state: Mutex<State>,
}

/// What is known of an interception so far.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// How it ended; [`Outcome::ClientGone`] while it has not.
    pub outcome: Outcome,
    /// The status of the reply.
    pub status: Option<u16>,
    /// The provider's or the gateway's name for the error.
    pub error_type: Option<String>,
    /// The error's message.
    pub error_message: Option<String>,
    /// Until the reply's first byte.
    pub ttfb: Option<Duration>,
    /// Until the reply's first content.
    pub first_content: Option<Duration>,
    /// Bytes of the reply's body.
    pub response_bytes: u64,
    /// Input tokens of all round trips, cached ones included.
    pub input_tokens: u64,
    /// Output tokens of all round trips.
    pub output_tokens: u64,
    /// Events that could not be observed.
    pub unobserved: u32,
}

struct State {
    recorded: bool,
    rounds: u32,
    /// The credential of the last reply, if it is not the one named at the start.
    credential_hint: Option<String>,
    summary: Summary,
}

impl Interception {
    /// `injected` are the tools whose calls someone else records.
    pub(super) fn new(start: Arc<Start>, settings: &RecordLayer, injected: Option<Names>) -> Interception {
        let summary = Summary {
            outcome: Outcome::ClientGone,
            status: None,
            error_type: None,
            error_message: None,
            ttfb: None,
            first_content: None,
            response_bytes: 0,
            input_tokens: 0,
            output_tokens: 0,
            unobserved: 0,
        };
        let state = Mutex::new(State { recorded: true, rounds: 0, credential_hint: None, summary });
        Interception(Arc::new(Shared {
            start,
            recorder: settings.recorder.clone(),
            content: settings.content,
            keep_alive: settings.keep_alive,
            injected,
            cut_off: settings.cut_off.clone(),
            begun: Instant::now(),
            calls: AtomicU8::new(Calls::Possible as u8),
            state,
        }))
    }

    /// The interception's id.
    pub fn id(&self) -> Uuid {
        self.0.start.id
    }

    /// What was known when it began.
    pub fn start(&self) -> &Start {
        &self.0.start
    }

    /// The time since it began.
    pub fn elapsed(&self) -> Duration {
        self.0.begun.elapsed()
    }

    /// What is known of it so far.
    pub fn summary(&self) -> Summary {
        let mut summary = self.0.state().summary.clone();
        summary.blame(&self.0.cut_off);
        summary
    }

    /// The id as the value of [`INTERCEPTION_ID`](super::INTERCEPTION_ID).
    pub(super) fn header(&self) -> HeaderValue {
        let mut buffer = Uuid::encode_buffer();
        HeaderValue::from_str(self.0.start.id.hyphenated().encode_lower(&mut buffer))
            .expect("hexadecimal digits and hyphens")
    }

    /// After which silence of a stream its client is sent something, if the host has turned that on.
    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        self.0.keep_alive
    }

    /// The number of a round trip that is about to begin, counted from 1.
    pub(super) fn next_round(&self) -> u32 {
        let mut state = self.0.state();
        state.rounds = state.rounds.saturating_add(1);
        state.rounds
    }

    /// The start was not recorded: nothing else is.
    pub(super) fn unrecorded(&self) {
        self.0.state().recorded = false;
    }

    pub(super) fn status(&self, status: u16) {
        self.0.state().summary.status = Some(status);
    }

    /// The credential that the reply came to.
    pub(super) fn credential(&self, hint: &str) {
        let other = (hint != self.0.start.credential_hint).then(|| hint.to_owned());
        self.0.state().credential_hint = other;
    }

    pub(super) fn first_byte(&self) {
        let elapsed = self.elapsed();
        self.0.state().summary.ttfb.get_or_insert(elapsed);
    }

    pub(super) fn first_content(&self) {
        let elapsed = self.elapsed();
        self.0.state().summary.first_content.get_or_insert(elapsed);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.0.state().summary.response_bytes += bytes;
    }

    /// What [`calls`](Interception::calls) says from now on.
    pub(super) fn tell_calls(&self, calls: Calls) {
        self.0.calls.store(calls as u8, Ordering::Relaxed);
    }

    /// What is certain about tool calls in the last round trip's reply, the frame that passed last included.
    pub(crate) fn calls(&self) -> Calls {
        let told = self.0.calls.load(Ordering::Relaxed);
        let known = [Calls::OnlyText, Calls::Absent, Calls::Named].into_iter().find(|calls| *calls as u8 == told);
        known.unwrap_or(Calls::Possible)
    }

    /// How the round trip ended. The last word counts.
    pub(crate) fn ended(&self, outcome: Outcome, error: Option<(String, String)>) {
        let mut state = self.0.state();
        state.summary.outcome = outcome;
        let (kind, message) = error.unzip();
        state.summary.error_type = kind;
        state.summary.error_message = message.map(|message| shorten(message, MAX_ERROR_MESSAGE));
    }

    /// The gateway refused, or failed.
    pub(crate) fn refused(&self, outcome: Outcome, refusal: &Refusal) {
        self.status(refusal.reason.status().as_u16());
        self.ended(outcome, Some((refusal.reason.as_str().to_owned(), refusal.message.clone())));
    }

    pub(super) fn prompt(&self, prompt: &str) {
        if self.0.content {
            self.0.record(|id| {
                Record::UserPrompt(record::UserPrompt {
                    id: Uuid::now_v7(),
                    interception_id: id,
                    provider_response_id: None,
                    prompt: prompt.to_owned(),
                    metadata: Map::new(),
                    created_at: Utc::now(),
                })
            });
        }
    }

    /// Something the reply with the provider's id `reply_id` contained.
    pub(super) fn observed(&self, observed: Observed, reply_id: Option<&str>) {
        let content = self.0.content;
        match observed {
            Observed::ToolCall(call) if !call.hosted && self.is_injected(&call.name) => {}
            Observed::ToolCall(call) => {
                self.0.record(|id| Record::ToolUsage(observed::tool_usage(id, reply_id, call, content)));
            }
            Observed::Thought(thought) if content => {
                self.0.record(|id| Record::ModelThought(observed::model_thought(id, thought)));
            }
            _ => {}
        }
    }

    fn is_injected(&self, tool: &str) -> bool {
        self.0.injected.as_ref().is_some_and(|names| names.contains(tool))
    }

    /// A call of a tool that the gateway injected, and what came of it.
    pub(crate) fn injected(&self, call: InjectedCall<'_>) {
        let content = self.0.content;
        self.0.record(|id| Record::ToolUsage(call.usage(id, content)));
    }

    /// The tokens of one round trip.
    pub(super) fn round_trip(&self, reply: &Reply) {
        let usage = &reply.usage;
        {
            let summary = &mut self.0.state().summary;
            summary.input_tokens += usage.input + usage.cache_read + usage.cache_write;
            summary.output_tokens += usage.output;
            summary.unobserved += reply.unobserved;
        }
        self.0.record(|id| Record::TokenUsage(observed::token_usage(id, reply)));
    }
}

impl Summary {
    /// A request that the host cut off was not left by its client.
    fn blame(&mut self, cut_off: &AtomicBool) {
        if self.outcome == Outcome::ClientGone && cut_off.load(Ordering::Acquire) {
            self.outcome = Outcome::GatewayError;
            self.error_type = Some(INTERRUPTED.to_owned());
            self.error_message = Some("the gateway stopped before the reply was whole".to_owned());
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, record: impl FnOnce(Uuid) -> Record) {
        if self.state().recorded {
            self.recorder.record(&Arc::new(record(self.start.id)));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let duration = self.begun.elapsed();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !state.recorded {
            return;
        }
        let summary = &mut state.summary;
        summary.blame(&self.cut_off);
        let mut metadata = Map::new();
        if let Some(first_content) = summary.first_content {
            metadata.insert("first_content_ms".to_owned(), json!(millis(first_content)));
        }
        if summary.unobserved > 0 {
            metadata.insert("unobserved_events".to_owned(), json!(summary.unobserved));
        }
        self.recorder.record(&Arc::new(Record::End(End {
            id: self.start.id,
            ended_at: Utc::now(),
            outcome: summary.outcome,
            http_status: summary.status,
            error_type: summary.error_type.take(),
            error_message: summary.error_message.take(),
            ttfb: summary.ttfb,
            duration,
            response_bytes: summary.response_bytes,
            credential_hint: state.credential_hint.take(),
            metadata,
        })));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Cuts `text` to `limit` bytes, between characters.
pub(super) fn shorten(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}

impl fmt::Debug for Interception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interception").field(&self.0.start.id).finish()
    }
}

#[cfg(test)]
mod tests;
