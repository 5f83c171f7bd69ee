//! The life of a circuit.

use tokio::time::advance;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn refused(retry_after: &str) -> (u16, Option<String>) {
    (REFUSED, Some(retry_after.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_open_it_and_probes_that_all_succeed_close_it() {
    let ground = Ground::new(Policy::default());
    ground.answers(529, 5).await;
    assert_eq!(ground.ask(request("m")).await, refused("30"));
    advance(Duration::from_millis(20_500)).await;
    assert_eq!(ground.ask(request("m")).await, refused("10"), "what is left, rounded up");
    advance(Duration::from_millis(9_499)).await;
    assert_eq!(ground.ask(request("m")).await, refused("1"));
    assert_eq!(ground.asked(), 0);
    advance(Duration::from_millis(1)).await;
    ground.answers(200, 3).await;
    ground.answers(503, 4).await;
    ground.answers(200, 1).await;
}

#[tokio::test(start_paused = true)]
async fn one_probe_that_fails_opens_it_again() {
    let ground = Ground::new(Policy::default());
    ground.answers(503, 5).await;
    advance(seconds(30)).await;
    ground.answers(200, 2).await;
    ground.answers(504, 1).await;
    assert_eq!(ground.ask(request("m")).await, refused("30"));
    advance(seconds(30)).await;
    ground.answers(200, 3).await;
    ground.answers(200, 9).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_probes_pass_at_a_time_than_decide() {
    let ground = Ground::new(Policy::default());
    ground.answers(503, 5).await;
    advance(seconds(30)).await;
    ground.does(Does::Hangs);
    let mut probes: Vec<_> = (0..3).map(|_| tokio_test::task::spawn(ground.ask(request("m")))).collect();
    probes.iter_mut().for_each(|probe| tokio_test::assert_pending!(probe.poll()));
    assert_eq!(ground.asked(), 3);
    assert_eq!(ground.ask(request("m")).await, refused("1"));
    // The client of one leaves, which says nothing.
    drop(probes.pop());
    ground.answers(200, 1).await;
    assert_eq!(ground.ask(request("m")).await, refused("1"), "two are still on their way");
    drop(probes);
    ground.answers(200, 2).await;
    ground.answers(503, 4).await;
}

#[tokio::test(start_paused = true)]
async fn failures_must_be_in_a_row() {
    let ground = Ground::new(Policy::default());
    for _ in 0..3 {
        ground.answers(503, 4).await;
        ground.answers(200, 1).await;
    }
    assert_eq!(ground.layer.layer(()).circuits_len(), 0, "what works is not kept");
}

#[tokio::test(start_paused = true)]
async fn failures_are_forgotten_after_the_interval() {
    let ground = Ground::new(Policy::default());
    ground.answers(503, 4).await;
    advance(seconds(10)).await;
    ground.answers(503, 4).await;
    advance(Duration::from_millis(9_999)).await;
    ground.answers(503, 1).await;
    assert_eq!(ground.ask(request("m")).await, refused("30"));

    let ground = Ground::new(Policy { interval: Duration::ZERO, ..Policy::default() });
    for _ in 0..5 {
        ground.answers(503, 1).await;
        advance(seconds(3_600)).await;
    }
    ground.answers(503, 1).await;
    assert_eq!(ground.ask(request("m")).await, refused("30"), "zero is never: the probe failed");
}

#[tokio::test(start_paused = true)]
async fn what_counts_as_a_failure() {
    let policy = Policy { failures: 1, ..Policy::default() };
    for status in 200..600 {
        let ground = Ground::new(policy);
        ground.answers(status, 1).await;
        ground.does(Does::Answers(200));
        let opens = [503, 504, 529].contains(&status);
        assert_eq!(ground.ask(request("m")).await.1.is_some(), opens, "{status}");
    }
    for (does, opens) in [(Does::Refuses, true), (Does::TimesOut, true), (Does::LosesTheClient, false)] {
        let ground = Ground::new(policy);
        ground.does(does);
        assert_eq!(ground.ask(request("m")).await, (0, None), "the error passes");
        ground.does(Does::Answers(200));
        assert_eq!(ground.ask(request("m")).await.1.is_some(), opens, "{does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_took_longer_than_the_interval_counts() {
    let ground = Ground::new(Policy { failures: 2, ..Policy::default() });
    ground.does(Does::TimesOut);
    let slow: Vec<_> = (0..2).map(|_| ground.ask(request("m"))).collect();
    advance(seconds(600)).await;
    for slow in slow {
        assert_eq!(slow.await, (0, None));
    }
    assert_eq!(ground.ask(request("m")).await, refused("30"));
}

#[tokio::test(start_paused = true)]
async fn requests_from_before_it_opened_do_not_decide_whether_it_closes() {
    let ground = Ground::new(Policy::default());
    ground.does(Does::Answers(200));
    let good: Vec<_> = (0..3).map(|_| ground.ask(request("m"))).collect();
    ground.does(Does::Answers(503));
    let bad = ground.ask(request("m"));
    assert_eq!(ground.asked(), 4);
    ground.answers(503, 5).await;
    advance(seconds(30)).await;
    ground.answers(200, 1).await;
    for good in good {
        assert_eq!(good.await.0, 200);
    }
    assert_eq!(bad.await, (503, None));
    ground.asked();
    ground.answers(200, 1).await;
    ground.answers(503, 1).await;
    assert_eq!(ground.ask(request("m")).await, refused("30"), "the third probe decided");
}

#[tokio::test(start_paused = true)]
async fn each_instance_endpoint_and_model_has_its_own() {
    let ground = Ground::new(Policy::default());
    ground.answers(503, 5).await;
    assert_eq!(ground.ask(request("m")).await, refused("30"));
    ground.does(Does::Answers(200));
    assert_eq!(ground.ask(request("n")).await.0, 200);
    assert_eq!(ground.ask(of("openai", "/v1/chat/completions")).await, refused("30"), "the same");
    assert_eq!(ground.ask(of("openai", "/v1/responses")).await.0, 200);
    assert_eq!(ground.ask(of("other", "/v1/chat/completions")).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn services_of_one_layer_share_the_circuits_and_without_a_policy_there_are_none() {
    let ground = Ground::new(Policy::default());
    ground.answers(503, 5).await;
    let other = Ground { layer: ground.layer.clone(), ..Ground::new(Policy::default()) };
    assert_eq!(other.ask(request("m")).await, refused("30"));
    let off = Ground { layer: BreakerLayer::new(None), ..Ground::new(Policy::default()) };
    off.answers(503, 100).await;
}

/// Asks when it is its turn.
fn later(ground: &Ground) -> impl Future<Output = (u16, Option<String>)> + use<> {
    let ground = ground.clone();
    async move { ground.ask(request("m")).await }
}

#[tokio::test(start_paused = true)]
async fn many_requests_at_once_open_it_once_and_leave_nothing_behind() {
    let ground = Ground::new(Policy::default());
    ground.does(Does::Answers(503));
    let tasks: Vec<_> = (0..200).map(|_| tokio::spawn(later(&ground))).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().0, 503);
    }
    assert_eq!(ground.asked(), 5);
    advance(seconds(30)).await;
    ground.does(Does::Answers(200));
    let tasks: Vec<_> = (0..200).map(|_| tokio::spawn(later(&ground))).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().0, 200);
    }
    assert_eq!(ground.layer.layer(()).circuits_len(), 0);
}

#[tokio::test]
async fn a_route_is_needed_unless_it_is_off() {
    let bare = || {
        let mut request = request("m");
        request.extensions_mut().remove::<ProviderRoute>();
        request
    };
    let inner =
        || service_fn(|_: Request<AiBody>| async { Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())) });
    let response = BreakerLayer::new(Some(Policy::default())).layer(inner()).oneshot(bare()).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.extensions().get::<Refusal>().unwrap().message.contains("ProviderRoute"));
    assert_eq!(BreakerLayer::new(None).layer(inner()).oneshot(bare()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_layer_further_in_says_nothing() {
    use aibridge_providers::api::{Format, Reason};
    let layer = BreakerLayer::new(Some(Policy { failures: 1, ..Policy::default() }));
    for reason in [Reason::KeysRateLimited, Reason::KeysRefused, Reason::Overloaded] {
        let inner = service_fn(move |_: Request<AiBody>| async move {
            Ok::<_, BoxError>(crate::refuse::response::<Full<Bytes>>(Format::OpenAi, Refusal::new(reason, "no")))
        });
        for _ in 0..3 {
            let response = layer.layer(inner).oneshot(request("m")).await.unwrap();
            assert_eq!(response.extensions().get::<Refusal>().unwrap().message, "no");
        }
    }
}
