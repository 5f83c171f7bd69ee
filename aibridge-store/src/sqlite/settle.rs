//! Adds what a background response came to to the interception that asked for it.

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::text::{Id, Stamp, integer, json};
use crate::record::Settled;

/// Begins with the few usages that are open, by their own index; then the interception by its id. The planner, which
/// has no statistics, would rather begin with all interceptions of the initiator.
const FIND: &str = "SELECT u.interception_id, u.id FROM aibridge_token_usages u INDEXED BY aibridge_token_usages_open \
    CROSS JOIN aibridge_interceptions i ON i.id = u.interception_id \
    WHERE u.provider_response_id = ?1 AND u.usage_source <> 'final' AND i.initiator_id = ?2 AND i.provider_name = ?3 \
    AND i.outcome = 'accepted' LIMIT 1";

const USAGE: &str = "UPDATE aibridge_token_usages SET input_tokens = ?, output_tokens = ?, cache_read_input_tokens = ?, \
    cache_write_input_tokens = ?, metadata = ?, usage_source = ? WHERE interception_id = ? AND id = ?";

/// What a stream that broke off had shown already is not added again.
const TOOL: &str = "INSERT INTO aibridge_tool_usages (id, interception_id, provider_response_id, \
    provider_tool_call_id, provider_item_id, server_url, tool, input, injected, invocation_error, metadata, created_at) \
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 WHERE NOT EXISTS (SELECT 1 FROM aibridge_tool_usages \
    WHERE interception_id = ?2 \
    AND coalesce(provider_tool_call_id, provider_item_id) = coalesce(?4, ?5))";

const THOUGHT: &str = "INSERT INTO aibridge_model_thoughts (id, interception_id, content, metadata, created_at) \
    SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM aibridge_model_thoughts \
    WHERE interception_id = ?2 AND content = ?3)";

/// The statements.
pub(super) struct Settle<'db> {
    find: Statement<'db>,
    usage: Statement<'db>,
    tool: Statement<'db>,
    thought: Statement<'db>,
}

impl<'db> Settle<'db> {
    pub(super) fn new(db: &'db Connection) -> rusqlite::Result<Settle<'db>> {
        Ok(Settle {
            find: db.prepare(FIND)?,
            usage: db.prepare(USAGE)?,
            tool: db.prepare(TOOL)?,
            thought: db.prepare(THOUGHT)?,
        })
    }

    /// Does nothing when there is no such interception, or it has its final figures.
    pub(super) fn write(&mut self, settled: &Settled) -> rusqlite::Result<()> {
        let key = params![settled.provider_response_id, Id::new(settled.initiator_id), settled.provider_name];
        let found = self.find.query_row(key, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        let Some((interception, id)) = found.optional()? else { return Ok(()) };
        let usage = &settled.usage;
        self.usage.execute(params![
            integer(usage.input_tokens),
            integer(usage.output_tokens),
            integer(usage.cache_read_input_tokens),
            integer(usage.cache_write_input_tokens),
            json(&usage.metadata),
            usage.usage_source,
            interception,
            id,
        ])?;
        for tool in &settled.tools {
            self.tool.execute(params![
                Id::new(tool.id),
                interception,
                tool.provider_response_id,
                tool.provider_tool_call_id,
                tool.provider_item_id,
                tool.server_url,
                tool.tool,
                tool.input_text(),
                tool.injected,
                tool.invocation_error,
                json(&tool.metadata),
                Stamp::new(tool.created_at),
            ])?;
        }
        for thought in &settled.thoughts {
            self.thought.execute(params![
                Id::new(thought.id),
                interception,
                thought.content,
                json(&thought.metadata),
                Stamp::new(thought.created_at),
            ])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rusqlite::Connection;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{
        Recorder,
        record::{End, ModelThought, Outcome, Record, Start, TokenUsage, ToolUsage},
        sqlite::{
            Sqlite,
            tests::{Place, end, ended, id, object, start, thought, tool, usage},
        },
    };

    /// An interception that ended so, with the usage that was known then.
    async fn asked(store: &Sqlite, n: u128, response: &str, source: &'static str, outcome: Outcome) {
        let provider_name = "openai".to_owned();
        store.start(&Arc::new(Start { provider_name, ..start(n) })).await.unwrap();
        let Record::TokenUsage(usage) = &*usage(n) else { unreachable!() };
        store.record(&Arc::new(Record::TokenUsage(TokenUsage {
            provider_response_id: Some(response.to_owned()),
            usage_source: source,
            metadata: object(json!({})),
            ..usage.clone()
        })));
        store.record(&ended(End { outcome, ..end(n) }));
    }

    fn settled(response: &str, output_tokens: u64) -> Settled {
        let Record::TokenUsage(usage) = &*usage(99) else { unreachable!() };
        let usage = TokenUsage {
            interception_id: Uuid::nil(),
            provider_response_id: Some(response.to_owned()),
            output_tokens,
            metadata: object(json!({"total_tokens": 7})),
            ..usage.clone()
        };
        Settled {
            initiator_id: id(0xa),
            provider_name: "openai".to_owned(),
            provider_response_id: response.to_owned(),
            usage,
            tools: Vec::new(),
            thoughts: Vec::new(),
        }
    }

    fn tell(store: &Sqlite, settled: Settled) {
        store.record(&Arc::new(Record::Settled(settled)));
    }

    const USAGES: &str = "SELECT interception_id = '01950000-0000-7000-8000-000000000001', output_tokens, usage_source, \
        metadata FROM aibridge_token_usages ORDER BY interception_id";

    #[tokio::test]
    async fn a_background_response_that_finished_has_its_final_usage_and_keeps_it() {
        let place = Place::new();
        let store = place.open();
        asked(&store, 1, "resp_1", "none", Outcome::Accepted).await;
        store.flush().await.unwrap();
        assert_eq!(place.rows(USAGES), ["1|20|none|{}"]);
        // The second one is not believed: the figures were final.
        for output in [333, 444] {
            tell(&store, settled("resp_1", output));
            store.flush().await.unwrap();
            assert_eq!(place.rows(USAGES), ["1|333|final|{\"total_tokens\":7}"]);
        }
        assert_eq!(place.rows("SELECT outcome FROM aibridge_interceptions"), ["accepted"]);
        assert_eq!(store.lost(), 0);
    }

    #[tokio::test]
    async fn it_may_finish_before_its_interception_is_written() {
        let place = Place::new();
        let store = place.open();
        asked(&store, 1, "resp_1", "none", Outcome::Accepted).await;
        tell(&store, settled("resp_1", 333));
        store.close().await.unwrap();
        assert_eq!(place.rows(USAGES), ["1|333|final|{\"total_tokens\":7}"]);
    }

    #[tokio::test]
    async fn what_is_not_of_an_accepted_interception_of_the_same_user_and_instance_is_ignored() {
        let place = Place::new();
        let store = place.open();
        asked(&store, 1, "resp_1", "none", Outcome::Accepted).await;
        asked(&store, 2, "resp_2", "partial", Outcome::ClientGone).await;
        asked(&store, 3, "resp_3", "final", Outcome::Accepted).await;
        tell(&store, settled("resp_0", 333));
        tell(&store, settled("resp_2", 333));
        tell(&store, settled("resp_3", 333));
        tell(&store, Settled { initiator_id: id(0xb), ..settled("resp_1", 333) });
        tell(&store, Settled { provider_name: "azure".to_owned(), ..settled("resp_1", 333) });
        store.flush().await.unwrap();
        assert_eq!(store.lost(), 0);
        assert_eq!(place.rows(USAGES), ["1|20|none|{}", "0|20|partial|{}", "0|20|final|{}"]);
    }

    #[tokio::test]
    async fn its_tools_and_thoughts_are_added_once() {
        let place = Place::new();
        let store = place.open();
        store.start(&Arc::new(Start { provider_name: "openai".to_owned(), ..start(1) })).await.unwrap();
        // Its stream was read up to the first call.
        store.record(&thought(1));
        store.record(&tool(1, "call_1"));
        let Record::TokenUsage(usage) = &*usage(1) else { unreachable!() };
        let provider_response_id = Some("resp_1".to_owned());
        let usage = TokenUsage { provider_response_id, usage_source: "none", ..usage.clone() };
        store.record(&Arc::new(Record::TokenUsage(usage)));
        store.record(&ended(End { outcome: Outcome::Accepted, ..end(1) }));
        let call = |call: Option<&str>, item: Option<&str>| {
            let Record::ToolUsage(tool) = &*tool(99, "") else { unreachable!() };
            ToolUsage {
                interception_id: Uuid::nil(),
                provider_tool_call_id: call.map(str::to_owned),
                provider_item_id: item.map(str::to_owned),
                ..tool.clone()
            }
        };
        let thought = |content: &str| {
            let Record::ModelThought(thought) = &*thought(99) else { unreachable!() };
            let content = content.to_owned();
            ModelThought { id: Uuid::now_v7(), interception_id: Uuid::nil(), content, ..thought.clone() }
        };
        for _ in 0..2 {
            let tools = vec![call(Some("call_1"), Some("fc_1")), call(Some("call_2"), None), call(None, Some("ws_1"))];
            let thoughts = vec![thought("light scatters"), thought("and blue most")];
            tell(&store, Settled { tools, thoughts, ..settled("resp_1", 333) });
        }
        store.close().await.unwrap();
        let calls = "SELECT interception_id, coalesce(provider_tool_call_id, provider_item_id) \
            FROM aibridge_tool_usages ORDER BY 2";
        let one = "01950000-0000-7000-8000-000000000001";
        assert_eq!(place.rows(calls), [format!("{one}|call_1"), format!("{one}|call_2"), format!("{one}|ws_1")]);
        let thoughts = "SELECT interception_id, content FROM aibridge_model_thoughts ORDER BY 2";
        assert_eq!(place.rows(thoughts), [format!("{one}|and blue most"), format!("{one}|light scatters")]);
    }

    #[tokio::test]
    async fn it_is_found_among_the_few_usages_that_are_open_and_nothing_is_scanned() {
        let place = Place::new();
        place.open().close().await.unwrap();
        let db = Connection::open(place.path()).unwrap();
        let plan = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
            let rows = statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(
            plan(FIND),
            [
                "SEARCH u USING INDEX aibridge_token_usages_open (provider_response_id=?)",
                "SEARCH i USING INDEX sqlite_autoindex_aibridge_interceptions_1 (id=?)"
            ]
        );
        for (sql, search) in [
            (USAGE, "SEARCH aibridge_token_usages USING PRIMARY KEY (interception_id=? AND id=?)"),
            (TOOL, "SEARCH aibridge_tool_usages USING PRIMARY KEY (interception_id=?)"),
            (THOUGHT, "SEARCH aibridge_model_thoughts USING PRIMARY KEY (interception_id=?)"),
        ] {
            assert!(plan(sql).contains(&search.to_owned()), "{:?}", plan(sql));
        }
        let index = "SELECT sql FROM sqlite_master WHERE name = 'aibridge_token_usages_open'";
        assert!(place.rows(index)[0].ends_with("WHERE usage_source <> 'final' AND provider_response_id IS NOT NULL"));
    }
}
