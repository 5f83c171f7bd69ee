//! Starts on their way to being rows.
//!
//! A start is urgent and its row is expensive: it touches four indexes, and most rows are written again moments later
//! when the interception ends. So what makes a start durable is one small insert for all that wait, and the row follows
//! with the next batch, often together with the end. A process that is killed in between leaves the outbox, which the
//! next one turns into rows.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::record::Start;

/// A [`Start`], borrowed or read back.
#[derive(Serialize, Deserialize)]
pub(super) struct StartRow<'a> {
    pub(super) id: Uuid,
    pub(super) initiator_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) api_key_id: Option<Cow<'a, str>>,
    pub(super) provider: Cow<'a, str>,
    pub(super) provider_name: Cow<'a, str>,
    pub(super) model: Cow<'a, str>,
    pub(super) requested_model: Cow<'a, str>,
    pub(super) api: Cow<'a, str>,
    pub(super) streaming: bool,
    pub(super) client: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_session_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agent_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent_agent_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) correlating_tool_call_id: Option<Cow<'a, str>>,
    pub(super) credential_kind: Cow<'a, str>,
    pub(super) credential_hint: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) metadata: Cow<'a, Map<String, Value>>,
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub(super) started_at: DateTime<Utc>,
    pub(super) request_bytes: u64,
}

fn is_empty(map: &Map<String, Value>) -> bool {
    map.is_empty()
}

impl<'a> From<&'a Start> for StartRow<'a> {
    fn from(start: &'a Start) -> StartRow<'a> {
        fn optional(text: &Option<String>) -> Option<Cow<'_, str>> {
            text.as_deref().map(Cow::Borrowed)
        }
        StartRow {
            id: start.id,
            initiator_id: start.initiator_id,
            api_key_id: optional(&start.api_key_id),
            provider: Cow::Borrowed(&start.provider),
            provider_name: Cow::Borrowed(&start.provider_name),
            model: Cow::Borrowed(&start.model),
            requested_model: Cow::Borrowed(&start.requested_model),
            api: Cow::Borrowed(start.api),
            streaming: start.streaming,
            client: Cow::Borrowed(start.client),
            user_agent: optional(&start.user_agent),
            client_session_id: optional(&start.client_session_id),
            agent_id: optional(&start.agent_id),
            parent_agent_id: optional(&start.parent_agent_id),
            correlating_tool_call_id: optional(&start.correlating_tool_call_id),
            credential_kind: Cow::Borrowed(start.credential_kind),
            credential_hint: Cow::Borrowed(&start.credential_hint),
            metadata: Cow::Borrowed(&start.metadata),
            started_at: start.started_at,
            request_bytes: start.request_bytes,
        }
    }
}

/// Encodes starts into `text`, replacing what it held.
pub(super) fn encode<'a>(text: &mut Vec<u8>, starts: impl Iterator<Item = &'a Start>) {
    text.clear();
    for start in starts {
        text.push(if text.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut *text, &StartRow::from(start)).expect("keys are strings, and memory does not fail");
    }
    text.push(b']');
}

/// What a killed process left.
pub(super) fn read(db: &Connection) -> rusqlite::Result<Vec<StartRow<'static>>> {
    let mut statement = db.prepare("SELECT starts FROM aibridge_outbox ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let mut starts = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str()?;
        let group: Vec<StartRow<'static>> = serde_json::from_str(text)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()))?;
        starts.extend(group);
    }
    Ok(starts)
}
