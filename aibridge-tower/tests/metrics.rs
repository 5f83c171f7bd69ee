//! What pools of keys and circuit breakers tell OpenTelemetry. One test: the meter provider is global.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use aibridge_providers::{
    api::{Api, Facts},
    client,
    json::Document,
    provider::{BaseUrl, Endpoint, Instance, Kind, Registry, Secret},
};
use aibridge_tower::{
    BoxError, ProviderRoute,
    breaker::{BreakerLayer, Policy},
    keys::{KeysLayer, observe_pools},
    parse::AiBody,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};
use tower::{Service, ServiceBuilder, ServiceExt};

/// Answers each key with what its name says.
#[derive(Clone)]
struct Provider;

impl Service<Request<AiBody>> for Provider {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Full<Bytes>>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<AiBody>) -> Self::Future {
        let key = request.headers()["authorization"].to_str().unwrap();
        let status = key.rsplit('-').next().unwrap().parse().unwrap();
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        ready(Ok(response))
    }
}

fn instance(name: &str, keys: &[&str]) -> Instance {
    let base = BaseUrl::parse("https://provider.example/v1/").unwrap();
    keys.iter().fold(Instance::builder(Kind::OpenAi, base).name(name), |it, key| it.key(Secret::new(*key))).build()
}

fn request(registry: &Registry, name: &str, model: &str) -> Request<AiBody> {
    let bytes = Bytes::from(format!(r#"{{"model": "{model}", "messages": []}}"#));
    let document = Document::parse(bytes.clone()).unwrap();
    let facts = Facts::read(Api::Chat, &document);
    let caller = client::detect(&HeaderMap::new(), None);
    let route =
        ProviderRoute::new(registry.find(name).unwrap(), Endpoint::Intercepted(Api::Chat), "/v1/chat/completions");
    Request::post("/").extension(route).body(AiBody::new(Api::Chat, bytes, document, facts, caller)).unwrap()
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut all: Vec<_> = attributes.map(|it| format!("{}={}", it.key, it.value)).collect();
    all.sort();
    all.join(" ")
}

/// Everything that is exported, a line for each series.
fn exported(provider: &SdkMeterProvider, exporter: &InMemoryMetricExporter) -> BTreeMap<String, String> {
    exporter.reset();
    provider.force_flush().unwrap();
    let mut lines = BTreeMap::new();
    for metrics in exporter.get_finished_metrics().unwrap() {
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let name = metric.name();
            assert!(!metric.description().is_empty(), "{name}");
            let mut add = |labels: String, value: String| drop(lines.insert(format!("{name} {labels}"), value));
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    sum.data_points().for_each(|it| add(labels(it.attributes()), it.value().to_string()));
                }
                AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
                    gauge.data_points().for_each(|it| add(labels(it.attributes()), it.value().to_string()));
                }
                AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                    gauge.data_points().for_each(|it| add(labels(it.attributes()), it.value().to_string()));
                }
                AggregatedMetrics::U64(MetricData::Histogram(histogram)) => histogram.data_points().for_each(|it| {
                    add(labels(it.attributes()), format!("{} in {}", it.sum(), it.count()));
                }),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn keys_and_circuits_are_counted_when_they_fail_and_not_before() {
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).with_interval(Duration::from_secs(3_600)).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    global::set_meter_provider(provider.clone());
    let registry = Arc::new(Registry::new([
        instance("pool", &["sk-429", "sk-401", "sk-200"]),
        instance("out", &["sk-401"]),
        instance("down", &["sk-503"]),
        instance("sound", &["sk-200"]),
        instance("keyless", &[]),
    ]));
    observe_pools(&registry);
    let breaker = BreakerLayer::new(Some(Policy { failures: 2, ..Policy::default() }));
    let pipeline = ServiceBuilder::new().layer(breaker).layer(KeysLayer::new()).service(Provider);
    let ask = async |name: &str, model: &str| {
        pipeline.clone().oneshot(request(&registry, name, model)).await.unwrap().status().as_u16()
    };

    for _ in 0..3 {
        assert_eq!(ask("sound", "m").await, 200);
    }
    let before = exported(&provider, &exporter);
    let states = before.keys().filter(|name| name.starts_with("coder_aibridged_key_pool_state "));
    assert_eq!(states.count(), before.len(), "only the gauge: {before:#?}");

    assert_eq!([ask("pool", "m").await, ask("pool", "m").await], [200, 200]);
    assert_eq!([ask("out", "m").await, ask("out", "m").await], [502, 502]);
    for status in [503, 503, 503, 503] {
        assert_eq!(ask("down", "m").await, status);
    }
    let lines = exported(&provider, &exporter);
    let endpoint = "endpoint=/v1/chat/completions model=m provider=down";
    let expected = [
        (format!("coder_aibridged_circuit_breaker_rejects {endpoint}"), "2"),
        (format!("coder_aibridged_circuit_breaker_state {endpoint}"), "1"),
        (format!("coder_aibridged_circuit_breaker_trips {endpoint}"), "1"),
        ("coder_aibridged_key_pool_exhaustions provider=out reason=refused".to_owned(), "2"),
        ("coder_aibridged_key_pool_failover_attempts outcome=answered provider=pool".to_owned(), "3 in 1"),
        ("coder_aibridged_key_pool_failover_attempts outcome=exhausted provider=out".to_owned(), "1 in 1"),
        ("coder_aibridged_key_pool_state provider=down state=rate_limited".to_owned(), "0"),
        ("coder_aibridged_key_pool_state provider=down state=refused".to_owned(), "0"),
        ("coder_aibridged_key_pool_state provider=down state=usable".to_owned(), "1"),
        ("coder_aibridged_key_pool_state provider=out state=rate_limited".to_owned(), "0"),
        ("coder_aibridged_key_pool_state provider=out state=refused".to_owned(), "1"),
        ("coder_aibridged_key_pool_state provider=out state=usable".to_owned(), "0"),
        ("coder_aibridged_key_pool_state provider=pool state=rate_limited".to_owned(), "1"),
        ("coder_aibridged_key_pool_state provider=pool state=refused".to_owned(), "1"),
        ("coder_aibridged_key_pool_state provider=pool state=usable".to_owned(), "1"),
        ("coder_aibridged_key_pool_state provider=sound state=rate_limited".to_owned(), "0"),
        ("coder_aibridged_key_pool_state provider=sound state=refused".to_owned(), "0"),
        ("coder_aibridged_key_pool_state provider=sound state=usable".to_owned(), "1"),
        ("coder_aibridged_key_pool_state_transitions provider=out reason=refused".to_owned(), "1"),
        ("coder_aibridged_key_pool_state_transitions provider=pool reason=rate_limited".to_owned(), "1"),
        ("coder_aibridged_key_pool_state_transitions provider=pool reason=refused".to_owned(), "1"),
    ];
    assert_eq!(lines, BTreeMap::from(expected.map(|(name, value)| (name, value.to_owned()))));

    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(ask("down", "m").await, 503);
    let lines = exported(&provider, &exporter);
    assert_eq!(lines[&format!("coder_aibridged_circuit_breaker_trips {endpoint}")], "2");
    registry.replace([]);
    let lines = exported(&provider, &exporter);
    assert!(!lines.keys().any(|name| name.contains("key_pool_state ")), "instances that are gone are not shown");
}
