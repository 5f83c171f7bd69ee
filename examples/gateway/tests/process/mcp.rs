//! MCP servers of the configuration, in a running gateway.

use std::sync::atomic::{AtomicUsize, Ordering};

use aibridge_tests::{Endpoint, Provider, ReceivedRequest, Script};
use serde_json::{Value, json};

use crate::{
    home::{Home, Setup},
    process::{json, path},
    secrets::check_silence,
};

/// What the servers want to see.
const SECRET: &str = "mcp-canary-5e4d3c2b-secret";

/// A server with these tools, a page each, which lists them in another order every time.
pub(crate) async fn server(tools: &'static [&'static str]) -> Provider {
    server_for("x-server-key", SECRET, tools).await
}

/// The same for whoever sends this header.
pub(crate) async fn server_for(
    header: &'static str,
    value: impl Into<String>,
    tools: &'static [&'static str],
) -> Provider {
    let (listings, value) = (AtomicUsize::new(0), value.into());
    let server = Provider::replying(move |request| {
        if request.head.get(header) != Some(&*value) {
            return Script::text(401, "");
        }
        if request.head.method() != "POST" {
            return Script::text(405, "");
        }
        let message = request.json();
        let result = match message["method"].as_str().unwrap() {
            "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "test", "version": "1"}}),
            "tools/list" => {
                // Where in the list, and where it began.
                let (page, turn) = match message["params"]["cursor"].as_str().and_then(|cursor| cursor.split_once('+'))
                {
                    Some((page, turn)) => (page.parse().unwrap(), turn.parse().unwrap()),
                    None => (0, listings.fetch_add(1, Ordering::AcqRel)),
                };
                let name = tools[(page + turn) % tools.len()];
                let schema = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "number"}}, "required": ["a"]});
                let mut page_of =
                    json!({"tools": [{"name": name, "description": format!("does {name}"), "inputSchema": schema}]});
                if page + 1 < tools.len() {
                    page_of["nextCursor"] = format!("{}+{turn}", page + 1).into();
                }
                page_of
            }
            "tools/call" => {
                let text = format!("{} was called with {}", message["params"]["name"], message["params"]["arguments"]);
                json!({"content": [{"type": "text", "text": text}], "isError": message["params"]["name"] == "fails"})
            }
            _ if message["id"].is_null() => return Script::whole(202, ""),
            _ => {
                let error = json!({"code": -32601, "message": "Method not found"});
                return Script::json(200, json!({"jsonrpc": "2.0", "id": message["id"], "error": error}).to_string());
            }
        };
        Script::json(200, json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string())
    });
    server.await.unwrap()
}

/// With these servers, in this order.
pub(crate) fn with_servers(setup: Setup, servers: &[(&str, &Provider)]) -> Setup {
    servers.iter().enumerate().fold(setup, |setup, (n, (name, server))| {
        setup
            .env(&format!("CODER_AIBRIDGE_MCP_{n}_NAME"), name)
            .env(&format!("CODER_AIBRIDGE_MCP_{n}_URL"), format!("{}/mcp?key={SECRET}", server.url()))
            .env(&format!("CODER_AIBRIDGE_MCP_{n}_HEADER"), format!("X-Server-Key: {SECRET}"))
    })
}

pub(crate) fn says(text: &str) -> Script {
    let reply = json!({"id": "msg_2", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 3, "output_tokens": 4}});
    Script::json(200, reply.to_string())
}

/// A reply with these blocks, which call tools.
pub(crate) fn calls(blocks: Value) -> Script {
    let reply = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": blocks,
        "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 2}});
    Script::json(200, reply.to_string())
}

#[tokio::test]
async fn two_gateways_give_the_same_tools_byte_for_byte() {
    let (one, two) = (server(&["list", "a.b", "get", "a_b"]).await, server(&["put", "get"]).await);
    // An error is what every API has; what was asked is what counts.
    let provider = Provider::replying(|_| Script::json(400, "{}")).await.unwrap();
    let asks = [
        (
            "anthropic",
            Endpoint::Messages,
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#,
        ),
        ("openai", Endpoint::Chat, r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#),
        ("openai", Endpoint::Responses, r#"{"model":"m","input":"Hi","tools":[{"type":"web_search"}]}"#),
    ];
    for servers in [[("one", &one), ("two", &two)], [("two", &two), ("one", &one)]] {
        let home = Home::new();
        let token = home.token("ali").await;
        let gateway = with_servers(home.server().provider(&provider), &servers).start().await;
        for (name, endpoint, body) in asks {
            assert_eq!(gateway.post(&path(name, endpoint.path()), &token, body).await.0.status(), 400);
        }
        let ended = gateway.stop().await;
        assert!(
            !ended.stderr.contains("rmcp"),
            "what the servers say and the sessions are not logged: {}",
            ended.stderr
        );
    }
    let asked: Vec<ReceivedRequest> = provider.requests();
    let (first, second) = asked.split_at(asks.len());
    for (first, second) in first.iter().zip(second) {
        assert_eq!(first.body, second.body);
        let text = String::from_utf8_lossy(&first.body).into_owned();
        let at: Vec<_> =
            ["_one_a", "_one_get", "_one_list", "_two_get", "_two_put"].map(|it| text.find(it).unwrap()).into();
        assert!(at.is_sorted(), "{text}");
    }
    assert_eq!(second.len(), asks.len());
}

#[tokio::test]
async fn a_call_is_recorded_and_the_servers_secret_is_nowhere() {
    let home = Home::new();
    let token = home.token("ali").await;
    let (server, provider) = (server(&["fails", "get"]).await, Provider::start().await.unwrap());
    provider.reply(calls(json!([
        {"type": "tool_use", "id": "toolu_1", "name": "bmcp_srv_get", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_2", "name": "bmcp_srv_fails", "input": {}},
    ])));
    provider.reply(says("Done."));
    let filter = "trace,rmcp=trace,rmcp::service=trace,rmcp::transport=trace";
    let setup = home.server().env("CODER_LOGGING_JSON", home.path("log")).env("CODER_LOG_FILTER", filter);
    let gateway = with_servers(setup.provider(&provider), &[("srv", &server)]).start().await;
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    let (head, body) = gateway.post(&path("anthropic", "/v1/messages"), &token, body).await;
    assert_eq!(head.status(), 200);
    let body = json(&body);
    assert_eq!((&body["id"], &body["content"][0]["text"]), (&"msg_1".into(), &"Done.".into()), "{body}");
    assert_eq!(body["usage"], json!({"input_tokens": 4, "output_tokens": 6}));
    let told = provider.requests()[1].json();
    let results = &told["messages"][2]["content"];
    assert_eq!(results[0]["content"][0]["text"], r#""get" was called with {"a":1}"#, "{told}");
    assert_eq!(results[1]["is_error"], true);

    let ended = gateway.stop().await;
    let recorded = home.ended().await;
    assert_eq!(recorded["outcome"], "completed");
    let mut tools: Vec<Value> = recorded["tool_usages"].as_array().unwrap().clone();
    tools.sort_by_key(|tool| tool["provider_tool_call_id"].to_string());
    let url = format!("{}/mcp", server.url());
    let error = r#""fails" was called with {}"#;
    for (tool, (name, id, input, error)) in
        tools.iter().zip([("get", "toolu_1", json!({"a": 1}), None), ("fails", "toolu_2", json!({}), Some(error))])
    {
        assert_eq!((&tool["tool"], &tool["server_url"], &tool["injected"]), (&name.into(), &json!(url), &true.into()));
        assert_eq!((&tool["provider_tool_call_id"], &tool["invocation_error"]), (&id.into(), &json!(error)), "{tool}");
        assert_eq!(tool["input"], json!(input.to_string()));
        assert!(tool["metadata"]["duration_ms"].is_u64(), "{tool}");
    }
    assert_eq!(tools.len(), 2);
    assert!(ended.stderr.contains("TRACE") && !ended.stderr.contains("rmcp::"), "{}", ended.stderr);
    // The query of a URL may hold a key, too.
    check_silence(&home, &[&ended.stdout, &ended.stderr], &[SECRET]);
}
