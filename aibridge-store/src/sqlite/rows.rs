//! Writes batches of records as rows.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension, Statement, params};
use uuid::Uuid;

use super::{
    outbox::StartRow,
    queue::{Entry, Item},
    text::{Id, Stamp, integer, json},
};
use crate::record::{End, MAX_ERROR_MESSAGE, ModelThought, Record, Start, TokenUsage, ToolUsage, UserPrompt};

/// The writer's statements, and the interceptions that run.
pub(super) struct Rows<'db> {
    begin: Statement<'db>,
    commit: Statement<'db>,
    rollback: Statement<'db>,
    admit: Statement<'db>,
    forget: Statement<'db>,
    start: Statement<'db>,
    seq: Statement<'db>,
    parent: Statement<'db>,
    end: Statement<'db>,
    usage: Statement<'db>,
    prompt: Statement<'db>,
    tool: Statement<'db>,
    thought: Statement<'db>,
    db: &'db Connection,
    running: HashMap<Uuid, Running>,
}

/// An interception that has a row and no end.
struct Running {
    seq: i64,
    start: Arc<Start>,
}

/// What became of a batch's records.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Written {
    pub(super) records: u64,
    /// Records whose interception never began.
    pub(super) orphans: u64,
}

impl<'db> Rows<'db> {
    pub(super) fn new(db: &'db Connection) -> rusqlite::Result<Rows<'db>> {
        Ok(Rows {
            begin: db.prepare("BEGIN IMMEDIATE")?,
            commit: db.prepare("COMMIT")?,
            rollback: db.prepare("ROLLBACK")?,
            admit: db.prepare("INSERT INTO aibridge_outbox (starts) VALUES (?)")?,
            forget: db.prepare("DELETE FROM aibridge_outbox WHERE seq <= ?")?,
            // Ids make everything idempotent: a start may be read from the outbox twice.
            start: db.prepare(
                "INSERT OR IGNORE INTO aibridge_interceptions (id, initiator_id, api_key_id, provider, provider_name, \
                 model, requested_model, api, streaming, client, user_agent, client_session_id, agent_id, \
                 parent_agent_id, correlating_tool_call_id, thread_parent_id, thread_root_id, session_id, \
                 credential_kind, credential_hint, metadata, started_at, request_bytes, ended_at, outcome, \
                 http_status, error_type, error_message, ttfb_ms, duration_ms, response_bytes) VALUES \
                 (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            seq: db.prepare("SELECT seq FROM aibridge_interceptions WHERE id = ?")?,
            parent: db.prepare(
                "SELECT i.id, coalesce(i.thread_root_id, i.id) FROM aibridge_tool_usages t \
                 JOIN aibridge_interceptions i ON i.id = t.interception_id \
                 WHERE t.provider_tool_call_id = ?1 AND i.initiator_id = ?2 AND i.id <> ?3 \
                 ORDER BY i.started_at DESC, i.id DESC LIMIT 1",
            )?,
            end: db.prepare(
                "UPDATE aibridge_interceptions SET ended_at = ?, outcome = ?, http_status = ?, error_type = ?, \
                 error_message = ?, ttfb_ms = ?, duration_ms = ?, response_bytes = ?, \
                 credential_hint = coalesce(?, credential_hint), metadata = coalesce(?, metadata) WHERE seq = ?",
            )?,
            usage: db.prepare(
                "INSERT OR IGNORE INTO aibridge_token_usages (id, interception_id, provider_response_id, input_tokens, \
                 output_tokens, cache_read_input_tokens, cache_write_input_tokens, metadata, usage_source, created_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            prompt: db.prepare(
                "INSERT OR IGNORE INTO aibridge_user_prompts (id, interception_id, provider_response_id, prompt, \
                 metadata, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            )?,
            tool: db.prepare(
                "INSERT OR IGNORE INTO aibridge_tool_usages (id, interception_id, provider_response_id, \
                 provider_tool_call_id, provider_item_id, server_url, tool, input, injected, invocation_error, \
                 metadata, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            thought: db.prepare(
                "INSERT OR IGNORE INTO aibridge_model_thoughts (id, interception_id, content, metadata, created_at) \
                 VALUES (?, ?, ?, ?, ?)",
            )?,
            db,
            running: HashMap::new(),
        })
    }

    /// Makes encoded starts durable. Returns their number in the outbox.
    pub(super) fn admit(&mut self, starts: &[u8]) -> rusqlite::Result<i64> {
        self.admit.execute([rusqlite::types::ToSqlOutput::Borrowed(rusqlite::types::ValueRef::Text(starts))])?;
        Ok(self.db.last_insert_rowid())
    }

    /// Writes all of `batch`, or nothing. `done` is the last number of the outbox that is then no longer needed.
    pub(super) fn write(&mut self, batch: &[Entry], done: Option<i64>) -> rusqlite::Result<Written> {
        self.begin.execute([])?;
        let written = self.write_all(batch, done).and_then(|written| {
            self.commit.execute([])?;
            Ok(written)
        });
        match written {
            Ok(written) => {
                for entry in batch {
                    if let Item::Record(record) = &entry.item
                        && let Record::End(end) = &**record
                    {
                        self.running.remove(&end.id);
                    }
                }
                Ok(written)
            }
            Err(error) => {
                // Some errors have rolled back already.
                if !self.db.is_autocommit() {
                    self.rollback.execute([]).ok();
                }
                for entry in batch {
                    if let Item::Durable(start, _) = &entry.item {
                        self.running.remove(&start.id);
                    }
                }
                Err(error)
            }
        }
    }

    fn write_all(&mut self, batch: &[Entry], done: Option<i64>) -> rusqlite::Result<Written> {
        // An interception that began and ended within the batch is written once.
        let mut ends: HashMap<Uuid, Option<&End>> = HashMap::new();
        for entry in batch {
            match &entry.item {
                Item::Durable(start, _) => {
                    ends.insert(start.id, None);
                }
                Item::Record(record) => {
                    if let Record::End(end) = &**record
                        && let Some(known) = ends.get_mut(&end.id)
                    {
                        *known = Some(end);
                    }
                }
                Item::Start(..) => {}
            }
        }
        let mut written = Written::default();
        for entry in batch {
            let kept = match &entry.item {
                Item::Durable(start, _) => {
                    let end = ends.get(&start.id).copied().flatten();
                    let seq = self.start(&StartRow::from(&**start), end)?;
                    self.running.insert(start.id, Running { seq, start: start.clone() });
                    true
                }
                Item::Record(record) => match &**record {
                    Record::End(end) => ends.contains_key(&end.id) || self.end(end)?,
                    other => self.running.contains_key(&other.interception_id()) && self.child(other)?,
                },
                Item::Start(..) => false,
            };
            if kept {
                written.records += 1;
            } else {
                written.orphans += 1;
            }
        }
        if let Some(done) = done {
            self.forget.execute([done])?;
        }
        Ok(written)
    }

    /// Writes an interception's row. Returns its number.
    pub(super) fn start(&mut self, start: &StartRow<'_>, end: Option<&End>) -> rusqlite::Result<i64> {
        let id = Id::new(start.id);
        let initiator = Id::new(start.initiator_id);
        let (parent, root) = match &start.correlating_tool_call_id {
            None => (None, None),
            Some(call) => self
                .parent
                .query_row(params![call, initiator, id], |row| {
                    Ok((Some(row.get::<_, String>(0)?), Some(row.get::<_, String>(1)?)))
                })
                .optional()?
                .unwrap_or_default(),
        };
        let session: &dyn rusqlite::ToSql = match (&start.client_session_id, &root) {
            (Some(session), _) => session,
            (None, Some(root)) => root,
            (None, None) => &id,
        };
        let end = end.map(EndRow::new);
        let metadata = end.as_ref().and_then(|end| end.metadata(&start.metadata));
        let inserted = self.start.execute(params![
            id,
            initiator,
            start.api_key_id,
            start.provider,
            start.provider_name,
            start.model,
            start.requested_model,
            start.api,
            start.streaming,
            start.client,
            start.user_agent,
            start.client_session_id,
            start.agent_id,
            start.parent_agent_id,
            start.correlating_tool_call_id,
            parent,
            root,
            session,
            start.credential_kind,
            end.as_ref().and_then(|end| end.end.credential_hint.as_deref()).unwrap_or(&start.credential_hint),
            metadata.map_or_else(|| json(&start.metadata), Into::into),
            Stamp::new(start.started_at),
            integer(start.request_bytes),
            end.as_ref().map(|end| &end.ended_at),
            end.as_ref().map(|end| end.end.outcome.as_str()),
            end.as_ref().and_then(|end| end.end.http_status),
            end.as_ref().and_then(|end| end.end.error_type.as_deref()),
            end.as_ref().and_then(|end| end.error_message),
            end.as_ref().and_then(|end| end.ttfb_ms),
            end.as_ref().map(|end| end.duration_ms),
            end.as_ref().map(|end| end.response_bytes),
        ])?;
        if inserted == 1 { Ok(self.db.last_insert_rowid()) } else { self.seq.query_row([id], |row| row.get(0)) }
    }

    /// False when the interception never began.
    fn end(&mut self, end: &End) -> rusqlite::Result<bool> {
        let Some(running) = self.running.get(&end.id) else { return Ok(false) };
        let row = EndRow::new(end);
        self.end.execute(params![
            row.ended_at,
            end.outcome.as_str(),
            end.http_status,
            end.error_type,
            row.error_message,
            row.ttfb_ms,
            row.duration_ms,
            row.response_bytes,
            end.credential_hint,
            row.metadata(&running.start.metadata),
            running.seq,
        ])?;
        Ok(true)
    }

    /// Writes what belongs to an interception.
    fn child(&mut self, record: &Record) -> rusqlite::Result<bool> {
        match record {
            Record::UserPrompt(record) => self.prompt(record)?,
            Record::TokenUsage(record) => self.usage(record)?,
            Record::ToolUsage(record) => self.tool(record)?,
            Record::ModelThought(record) => self.thought(record)?,
            Record::End(_) => return Ok(false),
        }
        Ok(true)
    }

    fn prompt(&mut self, record: &UserPrompt) -> rusqlite::Result<()> {
        self.prompt.execute(params![
            Id::new(record.id),
            Id::new(record.interception_id),
            record.provider_response_id,
            record.prompt,
            json(&record.metadata),
            Stamp::new(record.created_at),
        ])?;
        Ok(())
    }

    fn usage(&mut self, record: &TokenUsage) -> rusqlite::Result<()> {
        self.usage.execute(params![
            Id::new(record.id),
            Id::new(record.interception_id),
            record.provider_response_id,
            integer(record.input_tokens),
            integer(record.output_tokens),
            integer(record.cache_read_input_tokens),
            integer(record.cache_write_input_tokens),
            json(&record.metadata),
            record.usage_source,
            Stamp::new(record.created_at),
        ])?;
        Ok(())
    }

    fn tool(&mut self, record: &ToolUsage) -> rusqlite::Result<()> {
        self.tool.execute(params![
            Id::new(record.id),
            Id::new(record.interception_id),
            record.provider_response_id,
            record.provider_tool_call_id,
            record.provider_item_id,
            record.server_url,
            record.tool,
            record.input.to_string(),
            record.injected,
            record.invocation_error,
            json(&record.metadata),
            Stamp::new(record.created_at),
        ])?;
        Ok(())
    }

    fn thought(&mut self, record: &ModelThought) -> rusqlite::Result<()> {
        self.thought.execute(params![
            Id::new(record.id),
            Id::new(record.interception_id),
            record.content,
            json(&record.metadata),
            Stamp::new(record.created_at),
        ])?;
        Ok(())
    }
}

/// An [`End`] as the columns hold it.
struct EndRow<'a> {
    end: &'a End,
    ended_at: Stamp,
    error_message: Option<&'a str>,
    ttfb_ms: Option<i64>,
    duration_ms: i64,
    response_bytes: i64,
}

impl<'a> EndRow<'a> {
    fn new(end: &'a End) -> EndRow<'a> {
        let millis = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        EndRow {
            end,
            ended_at: Stamp::new(end.ended_at),
            error_message: end.error_message.as_deref().map(cut),
            ttfb_ms: end.ttfb.map(millis),
            duration_ms: millis(end.duration),
            response_bytes: integer(end.response_bytes),
        }
    }

    /// The interception's metadata with the end's merged in; `None` when that changes nothing.
    fn metadata(&self, start: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
        if self.end.metadata.is_empty() {
            return None;
        }
        let mut merged = start.clone();
        merged.extend(self.end.metadata.clone());
        Some(json(&merged).into_owned())
    }
}

/// Keeps whole characters within [`MAX_ERROR_MESSAGE`] bytes.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_ERROR_MESSAGE)]
}
