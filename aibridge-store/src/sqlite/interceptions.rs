//! Reading interceptions back.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use uuid::Uuid;

use super::{
    Sqlite,
    text::{Id, Stamp, column, count, object, optional, optional_count},
};
use crate::{
    RecordError,
    interceptions::{
        Filter, From, Initiator, Interception, Interceptions, ModelThought, Page, QueryError, TokenUsage, ToolUsage,
        UserPrompt,
    },
};

const COLUMNS: &str = "i.id, i.api_key_id, i.initiator_id, coalesce(u.username, ''), coalesce(u.name, ''), \
    coalesce(u.avatar_url, ''), i.provider, i.provider_name, i.model, i.requested_model, i.api, i.streaming, i.client, \
    i.user_agent, i.session_id, i.agent_id, i.parent_agent_id, i.thread_parent_id, i.thread_root_id, \
    i.credential_kind, i.credential_hint, i.metadata, i.started_at, i.ended_at, i.outcome, i.http_status, \
    i.error_type, i.error_message, i.ttfb_ms, i.duration_ms, i.request_bytes, i.response_bytes \
    FROM aibridge_interceptions i LEFT JOIN users u ON u.id = i.initiator_id";

impl Sqlite {
    /// Interceptions, newest first, with what belongs to them except thoughts.
    ///
    /// # Errors
    ///
    /// When the cursor is unknown, or the database cannot be read.
    pub async fn interceptions(&self, filter: Filter, page: Page) -> Result<Interceptions, QueryError> {
        self.read(move |db| list(db, &filter, page)).await.map_err(failed)?
    }

    /// The one interception whose id begins with `prefix`, with everything that belongs to it.
    ///
    /// # Errors
    ///
    /// When several ids begin so, or the database cannot be read.
    pub async fn interception(&self, prefix: &str) -> Result<Option<Interception>, QueryError> {
        let prefix = prefix.trim().to_ascii_lowercase();
        self.read(move |db| one(db, &prefix)).await.map_err(failed)?
    }
}

/// Conditions joined by `AND`, and their parameters.
struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    fn of(filter: &Filter) -> Conditions {
        let mut all = Conditions { sql: "1".into(), values: Vec::new() };
        all.and("i.initiator_id = ?", filter.initiator.map(Id::new));
        all.and("i.provider = ?", filter.provider.clone());
        all.and("i.provider_name = ?", filter.provider_name.clone());
        all.and("i.model = ?", filter.model.clone());
        all.and("i.client = ?", filter.client.clone());
        all.and("i.session_id = ?", filter.session_id.clone());
        all.and("i.started_at >= ?", filter.started_after.map(Stamp::new));
        all.and("i.started_at <= ?", filter.started_before.map(Stamp::new));
        all
    }

    fn and(&mut self, condition: &str, value: Option<impl ToSql + 'static>) {
        if let Some(value) = value {
            self.sql.push_str(" AND ");
            self.sql.push_str(condition);
            self.values.push(Box::new(value));
        }
    }
}

fn list(db: &Connection, filter: &Filter, page: Page) -> rusqlite::Result<Result<Interceptions, QueryError>> {
    let mut conditions = Conditions::of(filter);
    // Counts ignore the cursor.
    let total = db
        .prepare_cached(&format!("SELECT count(*) FROM aibridge_interceptions i WHERE {}", conditions.sql))?
        .query_row(params_from_iter(&conditions.values), |row| count(row, 0))?;
    let offset = match page.from {
        From::Offset(offset) => offset,
        From::After(id) => {
            let started_at: Option<String> = db
                .prepare_cached("SELECT started_at FROM aibridge_interceptions WHERE id = ?")?
                .query_row([Id::new(id)], |row| row.get(0))
                .optional()?;
            let Some(started_at) = started_at else { return Ok(Err(QueryError::UnknownCursor(id))) };
            conditions.sql.push_str(" AND (i.started_at, i.id) < (?, ?)");
            conditions.values.push(Box::new(started_at));
            conditions.values.push(Box::new(Id::new(id)));
            0
        }
    };
    conditions.values.push(Box::new(page.limit));
    conditions.values.push(Box::new(super::text::integer(offset)));
    let sql =
        format!("SELECT {COLUMNS} WHERE {} ORDER BY i.started_at DESC, i.id DESC LIMIT ? OFFSET ?", conditions.sql);
    let mut results: Vec<Interception> = db
        .prepare_cached(&sql)?
        .query_map(params_from_iter(&conditions.values), interception)?
        .collect::<rusqlite::Result<_>>()?;
    complete(db, &mut results)?;
    Ok(Ok(Interceptions { count: total, results }))
}

fn one(db: &Connection, prefix: &str) -> rusqlite::Result<Result<Option<Interception>, QueryError>> {
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Ok(Ok(None));
    }
    // `g` is above all that an id is made of.
    let mut found: Vec<Interception> = db
        .prepare_cached(&format!("SELECT {COLUMNS} WHERE i.id >= ?1 AND i.id < ?1 || 'g' ORDER BY i.id LIMIT 2"))?
        .query_map([prefix], interception)?
        .collect::<rusqlite::Result<_>>()?;
    if found.len() > 1 {
        return Ok(Err(QueryError::Ambiguous(prefix.to_owned())));
    }
    complete(db, &mut found)?;
    let Some(mut found) = found.pop() else { return Ok(Ok(None)) };
    let thoughts = "SELECT id, interception_id, content, metadata, created_at FROM aibridge_model_thoughts \
                    WHERE interception_id = ? ORDER BY created_at, id";
    found.model_thoughts = Some(
        db.prepare_cached(thoughts)?
            .query_map(params![Id::new(found.id)], |row| {
                Ok(ModelThought {
                    id: column(row, 0)?,
                    interception_id: column(row, 1)?,
                    content: row.get(2)?,
                    metadata: object(row, 3)?,
                    created_at: column(row, 4)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?,
    );
    Ok(Ok(Some(found)))
}

/// Adds what belongs to the interceptions: a query for each table, not for each interception.
fn complete(db: &Connection, interceptions: &mut [Interception]) -> rusqlite::Result<()> {
    let ids: Vec<Uuid> = interceptions.iter().map(|interception| interception.id).collect();
    let ids = serde_json::to_string(&ids).expect("ids are text");
    let mut usages = children(
        db,
        "SELECT id, interception_id, provider_response_id, input_tokens, output_tokens, cache_read_input_tokens, \
         cache_write_input_tokens, metadata, usage_source, created_at FROM aibridge_token_usages",
        &ids,
        |row| {
            Ok(TokenUsage {
                id: column(row, 0)?,
                interception_id: column(row, 1)?,
                provider_response_id: row.get(2)?,
                input_tokens: count(row, 3)?,
                output_tokens: count(row, 4)?,
                cache_read_input_tokens: count(row, 5)?,
                cache_write_input_tokens: count(row, 6)?,
                metadata: object(row, 7)?,
                usage_source: row.get(8)?,
                created_at: column(row, 9)?,
            })
        },
    )?;
    let mut prompts = children(
        db,
        "SELECT id, interception_id, provider_response_id, prompt, metadata, created_at FROM aibridge_user_prompts",
        &ids,
        |row| {
            Ok(UserPrompt {
                id: column(row, 0)?,
                interception_id: column(row, 1)?,
                provider_response_id: row.get(2)?,
                prompt: row.get(3)?,
                metadata: object(row, 4)?,
                created_at: column(row, 5)?,
            })
        },
    )?;
    let mut tools = children(
        db,
        "SELECT id, interception_id, provider_response_id, provider_tool_call_id, provider_item_id, server_url, tool, \
         input, injected, invocation_error, metadata, created_at FROM aibridge_tool_usages",
        &ids,
        |row| {
            Ok(ToolUsage {
                id: column(row, 0)?,
                interception_id: column(row, 1)?,
                provider_response_id: row.get(2)?,
                provider_tool_call_id: row.get(3)?,
                provider_item_id: row.get(4)?,
                server_url: row.get(5)?,
                tool: row.get(6)?,
                input: row.get(7)?,
                injected: row.get(8)?,
                invocation_error: row.get(9)?,
                metadata: object(row, 10)?,
                created_at: column(row, 11)?,
            })
        },
    )?;
    for interception in interceptions {
        interception.token_usages = usages.remove(&interception.id).unwrap_or_default();
        interception.user_prompts = prompts.remove(&interception.id).unwrap_or_default();
        interception.tool_usages = tools.remove(&interception.id).unwrap_or_default();
    }
    Ok(())
}

/// A table's rows by interception, in the order they were recorded. `ids` is a JSON array.
fn children<T>(
    db: &Connection,
    select: &str,
    ids: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<HashMap<Uuid, Vec<T>>> {
    let sql = format!("{select} WHERE interception_id IN (SELECT value FROM json_each(?)) ORDER BY created_at, id");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([ids])?;
    let mut all: HashMap<Uuid, Vec<T>> = HashMap::new();
    while let Some(row) = rows.next()? {
        all.entry(column(row, 1)?).or_default().push(read(row)?);
    }
    Ok(all)
}

fn interception(row: &Row<'_>) -> rusqlite::Result<Interception> {
    Ok(Interception {
        id: column(row, 0)?,
        api_key_id: row.get(1)?,
        initiator: Initiator { id: column(row, 2)?, username: row.get(3)?, name: row.get(4)?, avatar_url: row.get(5)? },
        provider: row.get(6)?,
        provider_name: row.get(7)?,
        model: row.get(8)?,
        requested_model: row.get(9)?,
        api: row.get(10)?,
        streaming: row.get(11)?,
        client: row.get(12)?,
        user_agent: row.get(13)?,
        session_id: row.get(14)?,
        agent_id: row.get(15)?,
        parent_agent_id: row.get(16)?,
        thread_parent_id: optional(row, 17)?,
        thread_root_id: optional(row, 18)?,
        credential_kind: row.get(19)?,
        credential_hint: row.get(20)?,
        metadata: object(row, 21)?,
        started_at: column(row, 22)?,
        ended_at: optional(row, 23)?,
        outcome: row.get(24)?,
        http_status: row.get(25)?,
        error_type: row.get(26)?,
        error_message: row.get(27)?,
        ttfb_ms: optional_count(row, 28)?,
        duration_ms: optional_count(row, 29)?,
        request_bytes: count(row, 30)?,
        response_bytes: optional_count(row, 31)?,
        token_usages: Vec::new(),
        user_prompts: Vec::new(),
        tool_usages: Vec::new(),
        model_thoughts: None,
    })
}

fn failed(error: RecordError) -> QueryError {
    QueryError::Store(match error {
        RecordError::Store(error) => error,
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests;
