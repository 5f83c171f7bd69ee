use proptest::prelude::*;
use serde_json::Value as Tree;

use super::*;
use crate::api::tools::Definition;

const APIS: [Api; 3] = [Api::Messages, Api::Chat, Api::Responses];
const SCHEMA: &str = r#"{"type":"object","properties":{}}"#;

/// Whether a document that was never read as a whole is the one that reading gives, in pieces as well as in one.
fn is_as_if_read(injected: &Spliced) -> bool {
    let mut pieces = Vec::new();
    while pieces.len() < injected.len() {
        pieces.extend_from_slice(&injected.piece(pieces.len()));
    }
    let document = injected.document();
    if pieces != document.bytes()[..] {
        return false;
    }
    let read = Document::parse(document.bytes().clone()).unwrap();
    let members = |document: &Document| {
        let of = |(key, _): (std::borrow::Cow<'_, str>, Value<'_>)| {
            let value = document.get(&key).unwrap();
            (key.into_owned(), document.span(value))
        };
        document.root().members().map(of).collect::<Vec<_>>()
    };
    document.span(document.root()) == read.span(read.root()) && members(document) == members(&read)
}

fn toolset(names: &[&str]) -> Toolset {
    Toolset::new(names.iter().map(|name| Definition::new(*name, SCHEMA)))
}

fn element(api: Api, name: &str) -> String {
    match api {
        Api::Messages => format!(r#"{{"name":"{name}","input_schema":{SCHEMA}}}"#),
        Api::Chat => format!(r#"{{"type":"function","function":{{"name":"{name}","parameters":{SCHEMA}}}}}"#),
        Api::Responses => format!(r#"{{"type":"function","name":"{name}","parameters":{SCHEMA},"strict":false}}"#),
    }
}

fn injected_by(api: Api, request: &str, tools: &Toolset) -> Option<Injected> {
    let document = Document::parse(request.to_owned().into()).unwrap();
    let injected = inject(api, &document, &Facts::read(api, &document), tools);
    if let Some(injected) = &injected {
        assert!(is_as_if_read(&injected.body), "{request}: {:?}", injected.body);
    }
    injected
}

/// The request with the tools `a` and `b`; in what is expected, `+` stands for both.
#[track_caller]
fn assert_injected(api: Api, request: &str, expected: &str) {
    let tools = toolset(&["a", "b"]);
    let injected = injected_by(api, request, &tools).expect("a request that gets tools");
    let both = format!("{},{}", element(api, "a"), element(api, "b"));
    assert_eq!(injected.body.document().bytes(), &expected.replace('+', &both), "{request}");
    assert!(std::sync::Arc::ptr_eq(injected.names.all(), tools.form(api).whole().1.all()), "the names are shared");
    assert_eq!(injected.left_out, 0);
}

#[test]
fn without_tools_of_its_own_a_request_gets_ours_as_the_last_member() {
    for api in APIS {
        for (request, expected) in [
            ("{}", r#"{"tools":[+]}"#),
            (" { } \n", " {\"tools\":[+] } \n"),
            (r#"{"model":"m"}"#, r#"{"model":"m","tools":[+]}"#),
            ("{\n  \"model\": \"m\"\n}\n", "{\n  \"model\": \"m\",\"tools\":[+]\n}\n"),
            (r#"{"tools": null, "model":"m"}"#, r#"{"tools": [+], "model":"m"}"#),
        ] {
            assert_injected(api, request, expected);
        }
    }
}

#[test]
fn ours_come_before_the_clients_in_messages_and_behind_them_elsewhere() {
    for (request, before, behind) in [
        (r#"{"tools":[{}],"x":1}"#, r#"{"tools":[+,{}],"x":1}"#, r#"{"tools":[{},+],"x":1}"#),
        ("{\"tools\": [\n  {},\n  {}\n]}", "{\"tools\": [\n  +,{},\n  {}\n]}", "{\"tools\": [\n  {},\n  {},+\n]}"),
        (r#"{"tools":[],"tools":[ 7 ]}"#, r#"{"tools":[],"tools":[ +,7 ]}"#, r#"{"tools":[],"tools":[ 7,+ ]}"#),
    ] {
        assert_injected(Api::Messages, request, before);
        assert_injected(Api::Chat, request, behind);
        assert_injected(Api::Responses, request, behind);
    }
    let cached = r#"{"tools":[{"name":"x","cache_control":{"type":"ephemeral"}}],"tool_choice":{"type":"auto"}}"#;
    assert_injected(Api::Messages, cached, &cached.replace(r#"[{"name""#, r#"[+,{"name""#));
}

#[test]
fn tools_join_those_of_an_additional_tools_item() {
    for (request, expected) in [
        (
            r#"{"input":[{"type":"additional_tools","role":"developer","tools":[{"name":"x"}]},{"role":"user"}]}"#,
            r#"{"input":[{"type":"additional_tools","role":"developer","tools":[{"name":"x"},+]},{"role":"user"}]}"#,
        ),
        (
            r#"{"tools":null,"input":[{"type":"additional_tools","tools":[1]},{"type":"additional_tools","tools":[2]}]}"#,
            r#"{"tools":null,"input":[{"type":"additional_tools","tools":[1,+]},{"type":"additional_tools","tools":[2]}]}"#,
        ),
        (
            r#"{"tools":[{}],"input":[{"type":"additional_tools","tools":[1]}]}"#,
            r#"{"tools":[{},+],"input":[{"type":"additional_tools","tools":[1]}]}"#,
        ),
        // Only talked about, or not understood.
        (r#"{"input":"additional_tools"}"#, r#"{"input":"additional_tools","tools":[+]}"#),
        (
            r#"{"input":[{"type":"additional_tools","tools":{}}],"tools":[3]}"#,
            r#"{"input":[{"type":"additional_tools","tools":{}}],"tools":[3,+]}"#,
        ),
    ] {
        assert_injected(Api::Responses, request, expected);
    }
}

/// Models that reason and call functions in Chat, or do not reason, or are of others.
const MODELS: [&str; 9] = [
    r#"{"model":"gpt-4o"}"#,
    r#"{"model":"gpt-5-mini"}"#,
    r#"{"model":"gpt-5.1-codex","reasoning_effort":"high"}"#,
    r#"{"model":"gpt-5.4-2026-03-05"}"#,
    r#"{"model":"gpt-35-turbo"}"#,
    r#"{"model":"gpt-oss-120b"}"#,
    r#"{"model":"gpt-"}"#,
    r#"{"model":"gpt-5.x"}"#,
    r#"{"model":"my-gpt-6"}"#,
];

#[test]
fn requests_that_want_or_can_have_no_tools_get_none() {
    for request in [
        r#"{"tools":[]}"#,
        r#"{"tools":[ ]}"#,
        r#"{"tools":{}}"#,
        r#"{"tools":"all"}"#,
        r#"{"tools":[{}],"tool_choice":"none"}"#,
        r#"{"tools":[{}],"tool_choice":{"type":"none"}}"#,
    ] {
        for api in APIS {
            assert!(injected_by(api, request, &toolset(&["a"])).is_none(), "{request}");
            assert!(injected_by(api, "{}", &Toolset::default()).is_none());
        }
    }
    for (api, request) in [
        (Api::Messages, r#"{"thread":{"type":"continue","id":"t"},"messages":[]}"#),
        (Api::Messages, r#"{"thread":null}"#),
        (Api::Messages, r#"{"system":"You are a title generator. ","messages":[{"role":"user","content":"hi"}]}"#),
        (Api::Chat, r#"{"n":2}"#),
        (Api::Chat, r#"{"functions":[{"name":"f"}]}"#),
        (Api::Chat, r#"{"messages":[{"role":"user","content":"quota"}]}"#),
        (Api::Chat, r#"{"prediction":{"type":"content","content":"x"}}"#),
        (Api::Chat, r#"{"model":"gpt-4o-search-preview-2025-03-11"}"#),
        (Api::Chat, r#"{"model":"gpt-6-astra"}"#),
        (Api::Chat, r#"{"model":"openai/gpt-5.4","reasoning_effort":"low"}"#),
        (Api::Chat, r#"{"model":"gpt-5.5"}"#),
        (Api::Chat, r#"{"model":"gpt-5.10-mini","reasoning_effort":null,"tools":null}"#),
        (Api::Responses, r#"{"model":"openai/o3-deep-research","tools":[{"type":"web_search"}]}"#),
        (Api::Responses, r#"{"background":true}"#),
        (Api::Responses, r#"{"prompt":{"id":"pmpt_1"}}"#),
        (Api::Responses, r#"{"tools":[{}],"input":[{"role":"user","content":"x"},{"type":"compaction_trigger"}]}"#),
        (Api::Responses, r#"{"input":[{"type":"additional_tools","tools":[]}]}"#),
    ] {
        assert!(injected_by(api, request, &toolset(&["a"])).is_none(), "{request}");
    }
    for (api, request) in [
        (Api::Chat, r#"{"n":1,"functions":null,"prediction":null,"thread":1,"background":true}"#),
        (Api::Messages, r#"{"n":2,"functions":[],"background":true}"#),
        (Api::Responses, r#"{"background":false,"thread":1,"tool_choice":"required"}"#),
        (Api::Responses, r#"{"prompt":{"id":"pmpt_1"},"tools":[{"type":"web_search"}],"model":"o3"}"#),
        (Api::Chat, r#"{"model":"gpt-5.6-luna","reasoning_effort":"none"}"#),
        (Api::Chat, r#"{"model":"gpt-5.6-luna","tools":[{"type":"function","function":{"name":"f"}}]}"#),
        (Api::Responses, r#"{"model":"gpt-6-astra"}"#),
    ]
    .into_iter()
    .chain(MODELS.map(|request| (Api::Chat, request)))
    {
        assert!(injected_by(api, request, &toolset(&["a"])).is_some(), "{request}");
    }
}

#[test]
fn a_tool_whose_name_the_client_uses_is_left_out() {
    let tools = toolset(&["a", "b", "c"]);
    for (api, request, own) in [
        (Api::Messages, r#"{"tools":[{"name":"b","input_schema":{}}]}"#, "c a"),
        (Api::Chat, r#"{"tools":[{"type":"function","function":{"name":"\u0062"}}]}"#, "a c"),
        (Api::Chat, r#"{"tools":[{"type":"custom","custom":{"name":"b"}}]}"#, "a c"),
        (Api::Responses, r#"{"tools":[{"type":"custom","name":"b"}]}"#, "a c"),
        (Api::Responses, r#"{"tools":[{"type":"namespace","name":"x","tools":[{"name":"b"}]}]}"#, "a b c"),
        (Api::Responses, r#"{"tools":[{"name":"b"}],"input":[{"type":"additional_tools","tools":[{}]}]}"#, "a c"),
    ] {
        let injected = injected_by(api, request, &tools).unwrap();
        let names: BTreeSet<_> = own.split(' ').map(str::to_owned).collect();
        assert_eq!(**injected.names.all(), names, "{request}");
        let text: Vec<_> = names.iter().map(|name| element(api, name)).collect();
        let body = std::str::from_utf8(injected.body.document().bytes()).unwrap();
        assert_eq!(body.len() - request.len(), text.join(",").len() + 1);
        assert!(body.contains(&text.join(",")), "{body}");
        assert_eq!(injected.left_out, 0);
    }
    assert!(injected_by(Api::Messages, r#"{"tools":[{"name":"a"}]}"#, &toolset(&["a"])).is_none());
    // With a beginning that all have, which is looked for first, and which may be written in any way.
    let tools = toolset(&["bmcp_a", "bmcp_b"]);
    for (name, left) in [("bmcp_b", 1), (r"bmcp\u005fb", 1), (r"\u0062mcp_b", 1), ("b", 2), ("bmcp_", 2)] {
        let request = format!(r#"{{"tools":[{{"name":"{name}"}}]}}"#);
        assert_eq!(injected_by(Api::Messages, &request, &tools).unwrap().names.len(), left, "{name}");
    }
}

#[test]
fn ours_are_cut_from_the_end_where_a_provider_takes_128_tools() {
    let names: Vec<_> = (0..200).map(|at| format!("t{at:03}")).collect();
    let tools = toolset(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let own = |count| vec!["{}"; count].join(",");
    for (request, room) in [
        (r#"{"tools":[%100]}"#, 28),
        (r#"{"tools":[%127]}"#, 1),
        (r#"{"tools":[%128]}"#, 0),
        (r#"{"tools":[%200]}"#, 0),
        ("{}", 128),
    ] {
        let count = request.split(['%', ']']).nth(1).and_then(|count| count.parse().ok()).unwrap_or(0);
        let request = request.replace(&format!("%{count}"), &own(count));
        for api in [Api::Chat, Api::Responses] {
            let injected = injected_by(api, &request, &tools).unwrap();
            assert_eq!((injected.names.len(), injected.left_out), (room, 200 - room));
            assert!(injected.names.all().iter().eq(&names[..room]));
            assert_eq!(*injected.body.document().bytes() == request, room == 0);
        }
        let injected = injected_by(Api::Messages, &request, &tools).unwrap();
        assert_eq!((injected.names.len(), injected.left_out), (200, 0));
    }
    let nested = format!(r#"[{{"type":"namespace","name":"n","tools":[{}]}},{{}}]"#, own(90));
    for request in [
        format!(r#"{{"tools":{nested}}}"#),
        format!(r#"{{"input":[{{"type":"additional_tools","tools":{nested}}}]}}"#),
        format!(
            r#"{{"input":[{{"type":"additional_tools","tools":{nested}}},{{"type":"additional_tools","tools":[]}}]}}"#
        ),
    ] {
        assert_eq!(injected_by(Api::Responses, &request, &tools).unwrap().names.len(), 128 - 91, "{request}");
    }
}

proptest! {
    #[test]
    fn taking_out_what_was_added_gives_the_request_back(
        blanks in prop::collection::vec(prop::sample::select(vec!["", " ", "\n  ", "\t\r\n"]), 12),
        own in prop::collection::vec(prop::sample::select(vec![r#"{"name":"é]"}"#, "{}", r#"{"function":{"name":"a"}}"#]), 0..4),
        first in any::<bool>(),
        absent in any::<bool>(),
    ) {
        let mut blanks = blanks.iter().cycle();
        let mut blank = || blanks.next().expect("endless");
        let elements: Vec<_> = own.iter().map(|tool| format!("{}{tool}{}", blank(), blank())).collect();
        let tools = format!("{}\"tools\"{}:{}[{}]{}", blank(), blank(), blank(), elements.join(","), blank());
        let model = format!("{}\"model\" :\"m\"{}", blank(), blank());
        let request = match (absent, first) {
            (true, _) => format!("{}{{{model}}}{}", blank(), blank()),
            (false, true) => format!("{}{{{tools},{model}}}{}", blank(), blank()),
            (false, false) => format!("{}{{{model},{tools}}}{}", blank(), blank()),
        };
        let set = toolset(&["a", "b"]);
        for api in APIS {
            let Some(injected) = injected_by(api, &request, &set) else {
                prop_assert!(!absent && own.is_empty());
                continue;
            };
            let (before, after) = (request.as_bytes(), &injected.body.document().bytes()[..]);
            let common = before.iter().zip(after).take_while(|(a, b)| a == b).count();
            let tail = &before[common..];
            prop_assert!(after.ends_with(tail), "{request} {:?}", injected.body);
            let body: Tree = serde_json::from_slice(after).unwrap();
            let own_again: Vec<_> = body["tools"].as_array().unwrap().iter()
                .filter(|tool| tool["input_schema"].is_null() && tool["parameters"].is_null() && tool["function"]["parameters"].is_null())
                .map(Tree::to_string).collect();
            prop_assert_eq!(own_again, if absent { Vec::new() } else { own.iter().map(|it| (*it).to_owned()).collect() });
            // The same turn with more messages begins with the same bytes.
            prop_assert!(is_as_if_read(&injected.body));
            let again = injected_by(api, &request, &set).unwrap();
            prop_assert_eq!(again.body.document().bytes(), injected.body.document().bytes());
        }
    }
}
