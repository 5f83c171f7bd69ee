//! What the demo prints works when it is pasted.

use serde_json::Value;

use crate::{
    home::{Home, eventually},
    mcp,
    process::{Gateway, json},
};

/// A `curl` command, taken apart.
#[derive(Debug, Default)]
struct Curl {
    path: String,
    fields: Vec<(String, String)>,
    body: String,
}

/// The words of a shell command in which quotes are single and lines go on behind a backslash.
fn words(command: &str) -> Vec<String> {
    let unquoted = |(at, part): (usize, &str)| match at % 2 {
        0 => part.replace("\\\n", " ").split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    };
    command.split('\'').enumerate().flat_map(unquoted).collect()
}

/// The commands among the instructions.
fn curls(printed: &str, gateway: &Gateway) -> Vec<Curl> {
    let commands = printed.split("\n\n").filter(|part| part.trim_start().starts_with("curl "));
    commands.map(|command| curl(command, gateway)).collect()
}

fn curl(command: &str, gateway: &Gateway) -> Curl {
    let mut curl = Curl::default();
    let mut words = words(command).into_iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-N" => {}
            "-H" => {
                let field = words.next().unwrap();
                let (name, value) = field.split_once(": ").unwrap();
                curl.fields.push((name.to_owned(), value.to_owned()));
            }
            "-d" => curl.body = words.next().unwrap(),
            url => {
                let path = url.strip_prefix(&format!("http://{}", gateway.address));
                curl.path = path.unwrap_or_else(|| panic!("{url} is not the gateway's")).to_owned();
            }
        }
    }
    curl
}

impl Curl {
    /// Does it, and returns the content type and the body.
    async fn perform(&self, gateway: &Gateway) -> (String, String) {
        let mut client = gateway.client().await;
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        client.request("POST", &self.path, &fields, &self.body).await.unwrap();
        let (head, body) = client.response().await.unwrap();
        assert_eq!(head.status(), 200, "{head:?}");
        (head.get("content-type").unwrap().to_owned(), String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn what_the_demo_prints_works_and_is_recorded() {
    let home = Home::new();
    let mut gateway = home.program("demo --http-address 127.0.0.1:0").start().await;
    gateway.stdout.line("Ctrl-C ends the demo").await;
    let printed = gateway.stdout.so_far();
    let curls = curls(&printed, &gateway);
    assert_eq!(curls.len(), 2, "{printed}");

    let (kind, whole) = curls[0].perform(&gateway).await;
    assert_eq!(kind, "application/json");
    assert!(json(whole.as_bytes())["content"][0]["text"].as_str().unwrap().contains("recorded"), "{whole}");
    let (kind, stream) = curls[1].perform(&gateway).await;
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");

    // The command to look at it is printed too.
    let list = printed.lines().find(|line| line.contains("interceptions list")).unwrap();
    let (program, arguments) = list.trim().split_once(' ').unwrap();
    assert_eq!(program, env!("CARGO_BIN_EXE_aibridge-gateway"));
    assert_eq!(arguments, format!("interceptions list --data-dir {}", home.data().display()));

    let mut found: Vec<Value> = Vec::new();
    eventually("both are recorded", async || {
        found = home.interceptions().await;
        found.len() == 2 && found.iter().all(|one| !one["ended_at"].is_null())
    })
    .await;
    for (one, provider, streaming) in [(&found[1], "anthropic", false), (&found[0], "openai", true)] {
        assert_eq!((&one["outcome"], &one["http_status"]), (&"completed".into(), &200.into()));
        assert_eq!((&one["provider"], &one["streaming"]), (&provider.into(), &streaming.into()));
        assert_eq!(one["initiator"]["username"], "demo");
        assert_eq!(one["user_prompts"][0]["prompt"], "Hello!");
        assert_eq!(
            (&one["token_usages"][0]["usage_source"], &one["token_usages"][0]["output_tokens"]),
            (&"final".into(), &12.into())
        );
    }

    // For people.
    let table = home.run("interceptions list").await;
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("ID ") && lines[0].ends_with("PROMPT"), "{table}");
    assert!(lines[1].contains("openai") && lines[2].contains("anthropic"), "the newest comes first: {table}");
    assert!(lines[1..3].iter().all(|line| line.contains("completed") && line.ends_with("Hello!")), "{table}");
    assert_eq!(lines[3], "2 of 2");
    let id = found[0]["id"].as_str().unwrap();
    let shown = home.run(&format!("interceptions show {id}")).await;
    for (name, value) in [("id", id), ("outcome", "completed"), ("prompt", "Hello!"), ("model", "gpt-demo")] {
        assert!(shown.contains(&format!("{name:>16}  {value}\n")), "{name}: {shown}");
    }
    let shown = home.run(&format!("interceptions show {id} --json")).await;
    assert_eq!(json(shown.as_bytes())["model_thoughts"], Value::Array(Vec::new()));
    let ended = gateway.stop().await;
    assert!(!ended.stdout.contains("sk-demo-central-key") && !ended.stderr.contains("sk-demo-central-key"));
}

#[tokio::test]
async fn a_demo_with_an_mcp_server_shows_a_call_of_its_tool() {
    let home = Home::new();
    let server = mcp::server(&["echo", "other"]).await;
    let setup = home.program("demo --http-address 127.0.0.1:0");
    let mut gateway = mcp::with_servers(setup, &[("srv", &server)]).start().await;
    gateway.stdout.line("Ctrl-C ends the demo").await;
    let curls = curls(&gateway.stdout.so_far(), &gateway);
    assert_eq!(curls.len(), 3);
    let (_, whole) = curls[2].perform(&gateway).await;
    let whole = json(whole.as_bytes());
    assert_eq!(whole["content"][0]["text"], r#"The tool answered: "echo" was called with {"a":1}"#, "{whole}");

    let token = curls[2].fields[0].1.strip_prefix("Bearer ").unwrap().to_owned();
    for (path, body, expected) in [
        (
            "anthropic/v1/messages",
            r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"bmcp_srv_echo"}]}"#,
            "end_turn",
        ),
        (
            "openai/v1/chat/completions",
            r#"{"model":"m","messages":[{"role":"user","content":"bmcp_srv_echo"}]}"#,
            "The tool answered",
        ),
        (
            "openai/v1/chat/completions",
            r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"bmcp_srv_echo"}]}"#,
            "[DONE]",
        ),
        ("openai/v1/responses", r#"{"model":"m","input":"bmcp_srv_echo"}"#, "The tool answered"),
        ("openai/v1/responses", r#"{"model":"m","stream":true,"input":"bmcp_srv_echo"}"#, "response.completed"),
    ] {
        let (head, body) = gateway.post(&format!("/api/v2/aibridge/{path}"), &token, body).await;
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(head.status() == 200 && body.contains(expected) && !body.contains("bmcp_"), "{path}: {body}");
    }
    let found = home.interceptions().await;
    assert_eq!(found.len(), 6);
    for one in found {
        let tools = one["tool_usages"].as_array().unwrap();
        assert!(tools.len() == 1 && tools[0]["tool"] == "echo" && tools[0]["injected"] == true, "{tools:?}");
    }
}

#[tokio::test]
async fn a_demo_can_be_started_again_on_the_same_data() {
    let home = Home::new();
    for _ in 0..2 {
        let mut gateway = home.program("demo --http-address 127.0.0.1:0").start().await;
        gateway.stdout.line("Ctrl-C ends the demo").await;
        let printed = gateway.stdout.so_far();
        curls(&printed, &gateway)[0].perform(&gateway).await;
        gateway.signal("INT").await;
        assert_eq!(gateway.exit().await.status.code(), Some(0));
    }
    assert_eq!(home.interceptions().await.len(), 2);
    assert_eq!(json(home.run("users list --json").await.as_bytes()).as_array().unwrap().len(), 1);
}
