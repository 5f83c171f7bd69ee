use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};

use super::*;

#[tokio::test]
async fn a_dead_server_costs_its_tools_and_nobody_waits_for_it() {
    let alive = Fake::modern(&["echo"]).await;
    let mcp = mcp([Server::new("dead", dead().await), Server::new("alive", alive.url.clone())]);
    // The cold start is 120 s, a call 60 s.
    let soon = Duration::from_secs(5);
    let toolbox = timeout(soon, mcp.tools(ANN)).await.expect("nothing to wait for");
    assert_eq!(names(&toolbox), ["bmcp_alive_echo"]);
    assert!(mcp.known(ANN).is_some());
    let outcome = timeout(soon, call(&mcp, ANN, "dead", "echo")).await.expect("nothing to wait for");
    assert_eq!(outcome.error.as_deref(), Some("the server cannot be reached"));
    // Nor does another actor.
    mcp.known(BOB);
    assert_eq!(timeout(soon, mcp.tools(BOB)).await.expect("nothing to wait for").listed.len(), 1);
}

#[tokio::test]
async fn servers_that_hang_cost_the_requests_until_then_one_cold_start_and_others_nothing() {
    let (slow, fast) = (Fake::modern(&["a"]).await, Fake::modern(&["b"]).await);
    slow.instead("*", Instead::Hang);
    let cold_start = Duration::from_secs(2);
    let urls = [("slow", &slow), ("slower", &slow), ("fast", &fast)];
    let mcp = limited(urls.map(|(id, fake)| Server::new(id, fake.url.clone())), |limits| {
        limits.cold_start = cold_start;
    });
    let begun = Instant::now();
    let later = async {
        slow.sees("POST server/discover", 2).await;
        mcp.tools(ANN).await
    };
    let (first, later, of_bob) = tokio::join!(mcp.tools(ANN), later, mcp.tools(BOB));
    // For two servers, and whether alone or together: not one after the other.
    let waited = begun.elapsed();
    assert!(cold_start <= waited && waited < cold_start * 2, "{waited:?}");
    for toolbox in [first, later, of_bob] {
        assert_eq!(names(&toolbox), ["bmcp_fast_b"]);
    }
    // Who comes after that has been noticed does not wait.
    let noticed = |server| log::of(server).iter().any(|line| line.contains("its tools come later"));
    until("warnings", || (noticed("slow") && noticed("slower")).then_some(())).await;
    let begun = Instant::now();
    for actor in [ANN, BOB, Uuid::from_u128(3)] {
        mcp.known(actor);
        assert_eq!(names(&*mcp.tools(actor).await), ["bmcp_fast_b"]);
    }
    assert!(begun.elapsed() < cold_start, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_that_takes_longer_goes_on_for_later_requests() {
    let fake = Fake::legacy(&["echo"]).await;
    fake.inner.gate.send_replace(false);
    fake.instead("initialize", Instead::Wait);
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.cold_start = Duration::from_millis(300));
    assert!(in_time("an answer", mcp.tools(ANN)).await.listed.is_empty());
    fake.inner.gate.send_replace(true);
    until("the tools", || mcp.known(ANN).filter(|toolbox| !toolbox.listed.is_empty())).await;
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
    until("another try", || {
        assert!(mcp.known(ANN).is_some());
        (fake.seen().len() > failed).then_some(())
    })
    .await;
    fake.as_ever();
    until("the tools", || mcp.known(ANN).filter(|toolbox| !toolbox.listed.is_empty())).await;
}

#[tokio::test]
async fn a_server_that_is_back_is_everybody_s_also_if_it_refuses_who_finds_out() {
    let fake = Fake::legacy(&["echo"]).await;
    fake.instead("*", Instead::Status(503));
    let pause = Duration::from_secs(6);
    let mcp =
        limited([linked("s", &fake, &Tokens::of(&[(ANN, "a"), (BOB, "b")]))], |limits| limits.retry_first = pause);
    assert!(mcp.tools(ANN).await.listed.is_empty());
    fake.as_ever();
    fake.accept_only(&["b"]);
    let refused = fake.count("POST server/discover");
    until("another try", || {
        mcp.known(ANN);
        (fake.count("POST server/discover") > refused).then_some(())
    })
    .await;
    let begun = Instant::now();
    until("the tools", || mcp.known(BOB).filter(|toolbox| !toolbox.listed.is_empty())).await;
    assert!(begun.elapsed() < pause / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn too_many_requests_of_one_user_cost_nobody_else_the_tools() {
    let fake = Fake::legacy(&["echo"]).await;
    fake.instead("initialize of a", Instead::Status(429));
    let quick = |limits: &mut Limits| limits.retry_first = Duration::from_millis(10);
    let mcp = limited([linked("s", &fake, &Tokens::of(&[(ANN, "a"), (BOB, "b")]))], quick);
    assert!(mcp.tools(ANN).await.listed.is_empty());
    assert_eq!(mcp.tools(BOB).await.listed.len(), 1);
    // Who has sent too many is left alone all the same, and tried again.
    assert!(mcp.known(ANN).unwrap().listed.is_empty());
    fake.as_ever();
    until("the tools", || mcp.known(ANN).filter(|toolbox| !toolbox.listed.is_empty())).await;

    // Where all have the same credential, it is everybody's.
    fake.instead("initialize", Instead::Status(429));
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.retry_first = Duration::from_secs(60));
    assert!(mcp.tools(ANN).await.listed.is_empty());
    let tried = fake.seen().len();
    assert!(mcp.tools(BOB).await.listed.is_empty());
    assert_eq!(fake.seen().len(), tried);
}

#[tokio::test]
async fn what_servers_say_is_told_to_the_model_and_not_to_the_log() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = mcp([linked("quoting", &fake, &Tokens::of(&[(ANN, "hush")]))]);
    fake.instead("initialize", Instead::Quote);
    assert!(mcp.tools(ANN).await.listed.is_empty());
    fake.as_ever();
    mcp.refresh(ANN);
    assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
    fake.instead("tools/call", Instead::Quote);
    let outcome = call_with(&mcp, ANN, "quoting", "echo", json!({"text": "dear diary"})).await;
    let error = outcome.error.as_deref().unwrap();
    assert!(error.contains("dear diary") && error.contains("hush"), "{error}");
    assert_eq!(outcome.content, [Content::Text(format!("The tool call failed: {error}."))]);

    let log = log::of("quoting");
    let of = |message: &str| log.iter().filter(|line| line.contains(message)).collect::<Vec<_>>();
    let ([opening], [call]) = (&of("its tools are left out")[..], &of("MCP call failed")[..]) else {
        panic!("{log:?}")
    };
    for line in [opening, call] {
        assert!(line.contains("reason=\"rpc\" code=-32602"), "{line}");
    }
    assert!(log.iter().all(|line| !line.contains("hush") && !line.contains("dear diary")), "{log:?}");
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
