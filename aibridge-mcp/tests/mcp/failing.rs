use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};

use super::*;

#[tokio::test]
async fn a_dead_server_costs_its_tools_and_nobody_waits_for_it() {
    let alive = Fake::modern(&["echo"]).await;
    let mcp = mcp([Server::new("dead", dead().await), Server::new("alive", alive.url.clone())]);
    assert_eq!(names(&*mcp.tools(ANN).await), ["bmcp_alive_echo"]);
    assert!(mcp.known(ANN).is_some());
    let outcome = call(&mcp, ANN, "dead", "echo").await;
    assert_eq!(outcome.error.as_deref(), Some("the server cannot be reached"));
    // Nor does another actor.
    mcp.known(BOB);
    assert_eq!(mcp.tools(BOB).await.listed.len(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_first_request_the_cold_start_and_others_nothing() {
    let (slow, fast) = (Fake::modern(&["a"]).await, Fake::modern(&["b"]).await);
    slow.instead("*", Instead::Hang);
    let mcp = limited([Server::new("slow", slow.url.clone()), Server::new("fast", fast.url.clone())], |limits| {
        limits.cold_start = Duration::from_millis(300);
    });
    let toolbox = timeout(LONG, mcp.tools(ANN)).await.unwrap();
    assert_eq!(names(&toolbox), ["bmcp_fast_b"]);
    assert!(mcp.known(ANN).is_some());
    mcp.known(BOB);
    mcp.tools(BOB).await;
    assert!(mcp.known(BOB).is_some());
}

#[tokio::test]
async fn a_connection_that_takes_longer_goes_on_for_later_requests() {
    let fake = Fake::legacy(&["echo"]).await;
    fake.inner.gate.send_replace(false);
    fake.instead("initialize", Instead::Wait);
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.cold_start = Duration::from_millis(300));
    assert!(timeout(LONG, mcp.tools(ANN)).await.unwrap().listed.is_empty());
    fake.inner.gate.send_replace(true);
    while mcp.known(ANN).unwrap().listed.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.count("POST initialize"), 1);
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_in_the_background() {
    let fake = Fake::modern(&["a"]).await;
    fake.instead("*", Instead::Status(503));
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| {
        limits.retry_first = Duration::from_millis(10);
        limits.retry_longest = Duration::from_millis(20);
    });
    assert!(mcp.tools(ANN).await.listed.is_empty());
    let failed = fake.seen().len();
    // Tried again, but not by a request that waits.
    while fake.seen().len() == failed {
        assert!(mcp.known(ANN).is_some());
        tokio::task::yield_now().await;
    }
    fake.as_ever();
    while mcp.known(ANN).unwrap().listed.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connects_and_failures_are_counted() {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
    opentelemetry::global::set_meter_provider(provider.clone());
    let fake = Fake::modern(&["echo"]).await;
    let mcp = mcp([Server::new("counted", fake.url.clone()), Server::new("counted_dead", dead().await)]);
    mcp.tools(ANN).await;
    call(&mcp, ANN, "counted", "nothing").await;
    tokio::task::spawn_blocking(move || provider.force_flush()).await.unwrap().unwrap();
    let exported = exporter.get_finished_metrics().unwrap();
    let metrics = exported.iter().flat_map(|all| all.scope_metrics()).flat_map(|scope| scope.metrics());
    let mut counted = Vec::new();
    for metric in metrics {
        let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else { panic!("counters") };
        for point in sum.data_points() {
            let mut attributes: Vec<_> = point.attributes().map(|attribute| attribute.value.to_string()).collect();
            attributes.sort();
            counted.push(format!("{} {} {}", metric.name(), attributes.join(" "), point.value()));
        }
    }
    // Other tests may count too.
    counted.retain(|line| line.contains(" counted"));
    counted.sort();
    assert_eq!(
        counted,
        [
            "coder_aibridged_mcp_connects counted 1",
            "coder_aibridged_mcp_server_failures counted rpc 1",
            "coder_aibridged_mcp_server_failures counted_dead unreachable 1",
        ]
    );
}
