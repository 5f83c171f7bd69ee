use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::bedrock::testing::settings;

/// The classes of models that the rules tell apart, in the order of the columns below.
const CLASSES: [&str; 10] = [
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "us.anthropic.claude-sonnet-4-20250514-v1:0",
    "global.anthropic.claude-opus-4-5-20251101-v1:0",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    "global.anthropic.claude-opus-4-6-v1",
    "global.anthropic.claude-opus-4-7",
    "anthropic.claude-sonnet-5",
    "anthropic.claude-opus-5-5",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
];

const SEARCH: &str = "tool-search-tool-2025-10-19";
const EXAMPLES: &str = "tool-examples-2025-10-29";

/// A flag, what becomes of it where Bedrock takes it, and for which classes it does:
///                    3.7, 4, Opus 4.5, Sonnet 4.5, Haiku 4.5, 4.6, 4.7, 5, 5.5, unknown.
const FLAGS: &[(&str, &[&str], &str)] = &[
    ("", &[], ".........."),
    ("computer-use-2025-01-24", &["computer-use-2025-01-24"], "yyyyyy...y"),
    ("computer-use-2025-11-24", &["computer-use-2025-11-24"], "..y..yyyy."),
    ("token-efficient-tools-2025-02-19", &["token-efficient-tools-2025-02-19"], "yyyyyy...y"),
    ("interleaved-thinking-2025-05-14", &["interleaved-thinking-2025-05-14"], "yyyyyyyyyy"),
    ("output-128k-2025-02-19", &["output-128k-2025-02-19"], "yyyyyy...y"),
    ("dev-full-thinking-2025-05-14", &["dev-full-thinking-2025-05-14"], "yyyyyy...y"),
    ("context-1m-2025-08-07", &["context-1m-2025-08-07"], "yyyyyy...y"),
    ("fine-grained-tool-streaming-2025-05-14", &["fine-grained-tool-streaming-2025-05-14"], ".yyyyy...."),
    ("context-management-2025-06-27", &["context-management-2025-06-27"], "...yy....."),
    ("effort-2025-11-24", &["effort-2025-11-24"], "..y......."),
    (SEARCH, &[SEARCH], "yyyyyy...y"),
    (EXAMPLES, &[EXAMPLES], "yyyyyy...y"),
    ("advanced-tool-use-2025-11-20", &[SEARCH, EXAMPLES], "yyyyyy...y"),
    ("compact-2026-01-12", &["compact-2026-01-12"], ".....yyyy."),
    ("mid-conversation-output-config-2026-07-01", &["mid-conversation-output-config-2026-07-01"], "........y."),
    ("mid-conversation-tool-changes-2026-07-01", &["mid-conversation-tool-changes-2026-07-01"], "........y."),
    ("thinking-display-updates-2026-08-18", &["thinking-display-updates-2026-08-18"], "........y."),
    ("claude-code-20250219", &[], ".........."),
    ("prompt-caching-scope-2026-01-05", &[], ".........."),
    ("structured-outputs-2025-11-13", &[], ".........."),
    ("files-api-2025-04-14", &[], ".........."),
    ("made-up-2030-01-01", &[], ".........."),
];

/// Where a flag is given, as header lines and as members of the body.
type Place = fn(&str) -> (Vec<String>, Json);

const PLACES: [Place; 5] = [
    |flag| (vec![flag.to_owned()], json!({})),
    |flag| (vec![format!(" , {flag},"), flag.to_owned()], json!({})),
    |flag| (vec![], json!({"betas": [flag, 7, null]})),
    |flag| (vec![], json!({"anthropic_beta": [flag]})),
    |flag| (vec![], json!({"betas": format!("{flag}, "), "anthropic_beta": {"not": "a list"}})),
];

/// How the client asks to think, with `max_tokens` and the effort; and what the model is asked for if it is older than
/// 4.6, is 4.6, or is newer.
const THINKING: &[(&str, u64, Option<&str>, [&str; 3])] = &[
    ("null", 4096, None, ["null", "null", "null"]),
    (r#"{"type":"disabled"}"#, 4096, Some("high"), [r#"{"type":"disabled"}"#; 3]),
    (r#"{"type":"between_tools"}"#, 4096, None, [r#"{"type":"between_tools"}"#; 3]),
    (
        r#"{"type":"enabled","budget_tokens":2000,"display":"omitted"}"#,
        4096,
        Some("low"),
        [
            r#"{"type":"enabled","budget_tokens":2000,"display":"omitted"}"#,
            r#"{"type":"enabled","budget_tokens":2000,"display":"omitted"}"#,
            r#"{"type":"adaptive","display":"omitted"}"#,
        ],
    ),
    adaptive(32_000, Some("low"), r#"{"type":"enabled","budget_tokens":6400}"#),
    adaptive(32_000, Some("medium"), r#"{"type":"enabled","budget_tokens":16000}"#),
    adaptive(32_000, Some("high"), r#"{"type":"enabled","budget_tokens":25600}"#),
    adaptive(32_000, Some("xhigh"), r#"{"type":"enabled","budget_tokens":25600}"#),
    adaptive(32_000, Some("max"), r#"{"type":"enabled","budget_tokens":30400}"#),
    adaptive(32_000, None, r#"{"type":"enabled","budget_tokens":25600}"#),
    adaptive(1280, None, r#"{"type":"enabled","budget_tokens":1024}"#),
    adaptive(1279, None, r#"{"type":"disabled"}"#),
    adaptive(5120, Some("low"), r#"{"type":"enabled","budget_tokens":1024}"#),
    adaptive(5119, Some("low"), r#"{"type":"disabled"}"#),
    adaptive(33_333, Some("max"), r#"{"type":"enabled","budget_tokens":31666}"#),
    adaptive(0, None, r#"{"type":"disabled"}"#),
];

const fn adaptive(
    max_tokens: u64,
    effort: Option<&'static str>,
    old: &'static str,
) -> (&'static str, u64, Option<&'static str>, [&'static str; 3]) {
    (r#"{"type":"adaptive"}"#, max_tokens, effort, [old, r#"{"type":"adaptive"}"#, r#"{"type":"adaptive"}"#])
}

fn translated(body: &Json, header: &[String], model: &str) -> Translation {
    let mut headers = HeaderMap::new();
    for line in header {
        headers.append("anthropic-beta", HeaderValue::from_str(line).unwrap());
    }
    translate(&document(&body.to_string()), &headers, &settings(model, "small"))
}

fn document(text: &str) -> Document {
    Document::parse(text.to_owned().into()).unwrap()
}

fn names(translation: &Translation, what: What) -> Vec<&'static str> {
    translation.removed.iter().filter(|removed| removed.what == what).map(|removed| removed.name).collect()
}

#[test]
fn every_class_of_model_gets_the_flags_fields_and_thinking_that_it_takes() {
    for (column, class) in CLASSES.into_iter().enumerate() {
        for (flag, becomes, classes) in FLAGS {
            let taken: &[&str] = if classes.as_bytes()[column] == b'y' { becomes } else { &[] };
            for (thinking, max_tokens, effort, results) in THINKING {
                check(column, class, flag, taken, PLACES[0], (thinking, *max_tokens, *effort, results));
            }
            let (thinking, max_tokens, effort, results) = &THINKING[0];
            for place in PLACES {
                check(column, class, flag, taken, place, (thinking, *max_tokens, *effort, results));
            }
        }
    }
}

fn check(
    column: usize,
    class: &str,
    flag: &str,
    taken: &[&str],
    place: Place,
    (thinking, max_tokens, effort, results): (&str, u64, Option<&str>, &[&str; 3]),
) {
    let tool_edit = json!({"type": "clear_tool_uses_20250919"});
    let thinking_edit = json!({"type": "clear_thinking_20251015"});
    let compact_edit = json!({"type": "compact_20260112"});
    let thinking: Json = serde_json::from_str(thinking).unwrap();
    let output_config = effort.map_or(json!({"format": {}}), |effort| json!({"effort": effort}));
    let (header, betas) = place(flag);
    let mut body = json!({
        "model": "claude-x", "stream": true, "max_tokens": max_tokens, "thinking": thinking,
        "metadata": {"user_id": "u"}, "service_tier": "auto", "container": null, "inference_geo": "us",
        "thread": null,
        "output_config": output_config, "unknown": [1.50],
        "context_management": {"edits": [tool_edit, thinking_edit, compact_edit], "more": 1},
        "messages": [{"role": "user", "content": "x", "output_config": {}}],
    });
    body.as_object_mut().unwrap().extend(betas.as_object().unwrap().clone());

    let old = column <= 4;
    let opaque = column == 9;
    let thinking_result = match column {
        0..=4 => results[0],
        5 => results[1],
        6..=8 => results[2],
        _ => &thinking.to_string(),
    };
    let thinking_result: Json = serde_json::from_str(thinking_result).unwrap();
    let disabled = thinking["type"] == "adaptive" && thinking_result["type"] == "disabled";
    let mut expected = json!({
        "max_tokens": max_tokens, "thinking": thinking_result, "unknown": [1.5],
        "messages": [{"role": "user", "content": "x"}], "anthropic_version": "bedrock-2023-05-31",
    });
    let mut fields = vec!["metadata", "service_tier", "container", "inference_geo", "thread"];
    if (!old && !opaque) || taken.contains(&"effort-2025-11-24") {
        expected["output_config"] = output_config;
    } else {
        fields.push("output_config");
    }
    let edits = match taken {
        ["context-management-2025-06-27"] if disabled => vec![tool_edit],
        ["context-management-2025-06-27"] => vec![tool_edit, thinking_edit],
        ["compact-2026-01-12"] => vec![compact_edit],
        _ => vec![],
    };
    let mut last = vec!["context_management.edits"];
    if edits.is_empty() {
        fields.push("context_management");
        last.clear();
    } else {
        expected["context_management"] = json!({"edits": edits, "more": 1});
    }
    if taken == ["mid-conversation-output-config-2026-07-01"] {
        expected["messages"][0]["output_config"] = json!({});
    } else {
        fields.push("messages.output_config");
    }
    fields.extend(last);
    if !taken.is_empty() {
        expected["anthropic_beta"] = json!(taken);
    }
    let translation = translated(&body, &header, class);
    let sent: Json = serde_json::from_slice(&translation.body).unwrap();
    assert_eq!(sent, expected, "{class} {flag} {body}");
    assert_eq!((translation.model.as_str(), translation.streaming), (class, true));
    assert_eq!(names(&translation, What::Field), fields, "{class} {flag} {body}");
    let refused = match (flag, taken.is_empty()) {
        ("", _) | (_, false) => vec![],
        ("made-up-2030-01-01", _) => vec!["other"],
        (flag, _) => vec![flag],
    };
    assert_eq!(names(&translation, What::Beta), refused, "{class} {flag}");
    let asked = thinking["type"].as_str().filter(|_| thinking != thinking_result);
    assert_eq!(names(&translation, What::Thinking), asked.into_iter().collect::<Vec<_>>(), "{class} {body}");
}

#[test]
fn only_the_bytes_of_what_changes_change() {
    let body = r#" { "model" : "claude-haiku-4-5", "max_tokens":  1e4,
        "system": "A\u00e9\/b", "thinking": { "type" :"enabled", "x":1.50 , "budget_tokens": 2048 },
        "tools":[ ] , "stream":true,"messages":[ {"role":"user","content":"\ud83d"} ] } "#;
    let translation = translate(&document(body), &HeaderMap::new(), &settings("m", "anthropic.claude-opus-4-7"));
    let expected = r#" { "max_tokens":  1e4,
        "system": "A\u00e9\/b", "thinking": { "type" :"adaptive", "x":1.50 },
        "tools":[ ] , "messages":[ {"role":"user","content":"\ud83d"} ],"anthropic_version":"bedrock-2023-05-31" } "#;
    assert_eq!(translation.body, expected);
}

#[test]
fn flags_of_header_and_body_are_merged_in_order_without_doubles() {
    let header =
        ["context-1m-2025-08-07, advanced-tool-use-2025-11-20", "x,context-1m-2025-08-07", ""].map(str::to_owned);
    let body = json!({
        "betas": ["computer-use-2025-01-24", SEARCH, "y"],
        "anthropic_beta": ["context-1m-2025-08-07", "output-128k-2025-02-19,x"],
    });
    let translation = translated(&body, &header, CLASSES[3]);
    let sent: Json = serde_json::from_slice(&translation.body).unwrap();
    let expected = ["context-1m-2025-08-07", SEARCH, EXAMPLES, "computer-use-2025-01-24", "output-128k-2025-02-19"];
    assert_eq!(sent["anthropic_beta"], json!(expected));
    assert!(sent.get("betas").is_none());
    assert_eq!(names(&translation, What::Beta), ["other"]);
}

#[test]
fn flags_that_are_right_already_keep_their_bytes() {
    let body = r#"{"anthropic_beta": [ "output-128k-2025-02-19",  "context-1m-2025-08-07" ],"anthropic_version":"bedrock-2026-10-21"}"#;
    let translation = translate(&document(body), &HeaderMap::new(), &settings(CLASSES[3], "small"));
    assert_eq!(translation.body, body);
    assert_eq!(translation.removed, []);
    assert!(!translation.streaming);
}

#[test]
fn the_model_and_whether_to_stream_are_read_as_providers_read_them() {
    let arn = CLASSES[9];
    for (body, model, streaming) in [
        (json!({"model": "claude-opus-4-5", "stream": true}), "configured", true),
        (json!({"model": "claude-3-5-haiku", "stream": false}), "small", false),
        (json!({"model": arn, "stream": "true"}), arn, false),
        (json!({"model": "eu.anthropic.claude-opus-4-6-v1", "stream": 1}), "eu.anthropic.claude-opus-4-6-v1", false),
        (json!({"model": 7}), "configured", false),
        (json!({}), "configured", false),
    ] {
        let translation = translated(&body, &[], "configured");
        assert_eq!((translation.model.as_str(), translation.streaming), (model, streaming), "{body}");
    }
    let twice = r#"{"model":"a","stream":false,"model":"claude-haiku-9","stream":true,"metadata":1,"metadata":2}"#;
    let translation = translate(&document(twice), &HeaderMap::new(), &settings("configured", "small"));
    assert_eq!((translation.model.as_str(), translation.streaming), ("small", true));
    assert_eq!(translation.body, r#"{"anthropic_version":"bedrock-2023-05-31"}"#);
}

#[test]
fn the_scope_of_a_cached_prefix_is_removed_wherever_it_is() {
    let cached = json!({"type": "x", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}});
    let plain = json!({"type": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}});
    let request = |block: &Json| {
        json!({
            "system": [block, {"type": "text", "text": "scope"}], "tools": [{"name": "scope"}, block],
            "messages": [
                {"role": "user", "content": [block]}, {"role": "user", "content": "scope"},
                {"role": "user", "content": [{"type": "tool_result", "content": [block], "scope": 1}]},
            ],
            "cache_control": block["cache_control"],
        })
    };
    let translation = translated(&request(&cached), &[], CLASSES[5]);
    let mut expected = request(&plain);
    expected["anthropic_version"] = json!("bedrock-2023-05-31");
    assert_eq!(serde_json::from_slice::<Json>(&translation.body).unwrap(), expected);
    assert_eq!(names(&translation, What::Field), ["cache_control.scope"]);
}

#[test]
fn a_body_with_very_many_members_to_remove_takes_no_long() {
    let message = json!({"output_config": 1});
    let flags: Vec<String> = (0..30_000).map(|number| number.to_string()).collect();
    let body = json!({"messages": vec![message; 30_000], "betas": flags});
    let translation = translated(&body, &[], CLASSES[5]);
    let sent: Json = serde_json::from_slice(&translation.body).unwrap();
    let left = sent["messages"].as_array().unwrap().iter().filter(|message| message.get("output_config").is_some());
    assert_eq!(left.count(), 30_000 - 4096);
    assert_eq!(translation.removed.len(), 2);
}

/// An object made of what the rules look at, in the right places and in wrong ones.
fn any_object() -> impl Strategy<Value = Json> {
    let word = proptest::sample::select(vec![
        "model",
        "stream",
        "betas",
        "anthropic_beta",
        "anthropic_version",
        "thinking",
        "type",
        "adaptive",
        "enabled",
        "budget_tokens",
        "max_tokens",
        "output_config",
        "effort",
        "low",
        "max",
        "context_management",
        "edits",
        "clear_thinking_20251015",
        "compact_20260112",
        "messages",
        "content",
        "system",
        "tools",
        "cache_control",
        "scope",
        "metadata",
        "context-management-2025-06-27",
        "effort-2025-11-24",
        "advanced-tool-use-2025-11-20",
        "anthropic.claude-opus-4-5",
        "claude-haiku",
        "us.anthropic.claude-opus-4-7",
        "a,b",
        "\u{e4}\"\\",
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i32>().prop_map(|number| Json::from(f64::from(number) / 2.0)),
        word.clone().prop_map(Json::from),
    ];
    let keys = word.clone();
    let value = leaf.prop_recursive(5, 60, 6, move |inner| {
        let member = (word.clone().prop_map(str::to_owned), inner.clone());
        prop_oneof![
            proptest::collection::vec(inner, 0..5).prop_map(Json::from),
            proptest::collection::vec(member, 0..9).prop_map(Json::from_iter),
        ]
    });
    proptest::collection::vec((keys.prop_map(str::to_owned), value), 0..9).prop_map(Json::from_iter)
}

proptest! {
    #[test]
    fn whatever_is_asked_is_answered_by_an_object_without_what_bedrock_refuses(
        body in any_object(), header in "[a-z0-9, -]{0,40}", class in proptest::sample::select(&CLASSES[..]),
    ) {
        let translation = translated(&body, &[header], class);
        let sent: Json = serde_json::from_slice(&translation.body).unwrap();
        for gone in ["model", "stream", "betas", "metadata", "service_tier", "container", "inference_geo", "thread"] {
            prop_assert!(sent.get(gone).is_none());
        }
        prop_assert!(sent.get("anthropic_version").is_some());
        // Translating again changes nothing more.
        let mut again = sent.clone();
        again["model"] = json!(translation.model);
        let again = translated(&again, &[], class);
        prop_assert_eq!(serde_json::from_slice::<Json>(&again.body).unwrap(), sent);
        prop_assert_eq!(again.model, translation.model);
    }
}
