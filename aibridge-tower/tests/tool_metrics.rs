//! What injected tools tell OpenTelemetry and the log. One test: the meter provider is global.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aibridge_mcp::{BoxFuture, Content, Listed, Outcome, Tool, ToolSource, Toolbox};
use aibridge_providers::{
    api::{Api, Facts},
    client,
    json::Document,
    provider::{BaseUrl, Endpoint, Instance, Kind},
};
use aibridge_tower::{ProviderRoute, auth::Actor, parse::AiBody, tools::ToolsLayer};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use opentelemetry::global;
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};
use serde_json::{Map, Value, json};
use tower::{ServiceBuilder, ServiceExt};
use tracing::{Event, Level, Metadata, Subscriber, field, span};
use uuid::Uuid;

/// A server `srv` with 130 tools, which is two more than OpenAI's APIs take.
struct Source(Arc<Toolbox>);

impl Source {
    fn new() -> Source {
        let tools = (0..130).map(|n| Tool::new("srv", format!("t{n:03}")));
        let listed = tools.map(|tool| Listed::new(tool, "https://mcp.example/mcp", json!({"type": "object"})));
        Source(Arc::new(Toolbox::new(listed)))
    }
}

impl ToolSource for Source {
    fn known(&self, _: Uuid) -> Option<Arc<Toolbox>> {
        Some(self.0.clone())
    }

    fn tools(&self, _: Uuid) -> BoxFuture<Arc<Toolbox>> {
        unreachable!("the tools are known")
    }

    fn call(&self, _: Uuid, _: &Tool, _: Map<String, Value>) -> BoxFuture<Outcome> {
        let failed = Some("no such issue".to_owned());
        Box::pin(async { Outcome::new(vec![Content::Text("no such issue".to_owned())], failed, Duration::ZERO) })
    }
}

/// The warnings of a thread, as their fields.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        struct Fields(Vec<String>);
        impl field::Visit for Fields {
            fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
                self.0.push(format!("{field}={value:?}"));
            }
        }
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0.join(" "));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn request(api: Api) -> Request<AiBody> {
    let bytes = Bytes::from_static(br#"{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}"#);
    let document = Document::parse(bytes.clone()).unwrap();
    let facts = Facts::read(api, &document);
    let caller = client::detect(&HeaderMap::new(), None);
    let base = BaseUrl::parse("https://provider.example/v1/").unwrap();
    let instance = Arc::new(Instance::builder(Kind::OpenAi, base).name(api.as_str()).build());
    let route = ProviderRoute::new(instance, Endpoint::Intercepted(api), "/");
    let actor = Actor::new(Uuid::from_u128(7), "ali");
    Request::post("/").extension(actor).extension(route).body(AiBody::new(api, bytes, document, facts, caller)).unwrap()
}

/// A reply in Messages that calls these tools with these arguments.
fn message(calls: &[&str]) -> Value {
    let call = |name: &&str| json!({"type": "tool_use", "id": name, "name": name, "input": {}});
    let mut content = vec![json!({"type": "text", "text": "It is so."})];
    content.extend(calls.iter().map(call));
    json!({
        "id": "r", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_sequence": null,
        "stop_reason": if calls.is_empty() { "end_turn" } else { "tool_use" },
        "usage": {"input_tokens": 1, "output_tokens": 1},
    })
}

/// A reply in Chat without calls.
fn completion() -> Value {
    json!({
        "id": "r", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "It is so."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
}

/// The counters of injected tools, a line for each series.
fn counted(provider: &SdkMeterProvider, exporter: &InMemoryMetricExporter) -> BTreeMap<String, u64> {
    exporter.reset();
    provider.force_flush().unwrap();
    let mut lines = BTreeMap::new();
    for metrics in exporter.get_finished_metrics().unwrap() {
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else { panic!("{metric:?}") };
            for point in sum.data_points() {
                let mut labels: Vec<_> = point.attributes().map(|it| format!("{}={}", it.key, it.value)).collect();
                labels.sort();
                lines.insert(format!("{} {}", metric.name(), labels.join(" ")), point.value());
            }
        }
    }
    lines
}

#[tokio::test]
async fn calls_that_run_are_counted_and_tools_that_find_no_room_are_counted_and_logged() {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).with_interval(Duration::from_secs(3_600)).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    global::set_meter_provider(provider.clone());
    let warnings = Warnings::default();
    let _log = tracing::subscriber::set_default(warnings.clone());
    let layer = ToolsLayer::new(Source::new());
    let ask = async |api: Api, replies: Vec<Value>| {
        let (asked, replies) = (Arc::new(AtomicUsize::new(0)), Arc::new(replies));
        let (count, all) = (asked.clone(), replies.len());
        let service = ServiceBuilder::new().layer(layer.clone()).service_fn(move |_| {
            let reply = &replies[asked.fetch_add(1, Ordering::Relaxed)];
            let status = if reply.get("error").is_some() { 400 } else { 200 };
            let response = Response::builder().status(status).header("content-type", "application/json");
            let response = response.body(Full::new(Bytes::from(reply.to_string()))).unwrap();
            async move { Ok::<_, Infallible>(response) }
        });
        let body = service.oneshot(request(api)).await.unwrap().into_body().collect().await.unwrap();
        assert!(String::from_utf8_lossy(&body.to_bytes()).contains("It is so."));
        assert_eq!(count.load(Ordering::Relaxed), all, "a round for each reply");
    };

    ask(Api::Messages, vec![message(&[])]).await;
    assert_eq!(counted(&provider, &exporter), BTreeMap::new(), "nothing was called, nor left out");
    assert_eq!(*warnings.0.lock().unwrap(), [""; 0]);

    let calls = message(&["bmcp_srv_t000", "bmcp_srv_t129", "bmcp_srv_t000"]);
    ask(Api::Messages, vec![calls, message(&["bmcp_srv_t129"]), message(&[])]).await;
    ask(Api::Chat, vec![completion()]).await;
    ask(Api::Chat, vec![completion()]).await;
    let called =
        |name| format!("coder_aibridged_injected_tool_invocations model=m name={name} provider=messages server=srv");
    let expected = [
        (called("t000"), 2),
        (called("t129"), 2),
        ("coder_aibridged_injected_tools_left_out provider=chat_completions".to_owned(), 4),
    ];
    assert_eq!(counted(&provider, &exporter), BTreeMap::from(expected));
    let warned = r#"message=the provider does not take that many tools provider="chat_completions" left_out=2"#;
    assert_eq!(*warnings.0.lock().unwrap(), [warned, warned]);

    let refused = json!({"error": {"message": "m does not support tools"}});
    ask(Api::Messages, vec![refused, message(&[])]).await;
    let left_out = &counted(&provider, &exporter)["coder_aibridged_injected_tools_left_out provider=messages"];
    assert_eq!(*left_out, 130);
    let warned = r#"message=the provider refused a request with tools, which it is sent without provider="messages" model="m" status=400"#;
    assert_eq!(warnings.0.lock().unwrap()[2..], [warned]);
}
