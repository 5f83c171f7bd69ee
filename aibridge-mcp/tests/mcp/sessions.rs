use super::*;

#[tokio::test]
async fn a_session_that_the_server_forgot_is_opened_again_unseen() {
    for with_400 in [false, true] {
        let fake = Fake::legacy(&["echo"]).await;
        *fake.inner.forgets_with_400.lock().unwrap() = with_400;
        let mcp = mcp([Server::new("s", fake.url.clone())]);
        mcp.tools(ANN).await;
        fake.forget_sessions();
        fake.set_tools(&["echo", "more"]);
        let calls = (0..4).map(|_| call_with(&mcp, ANN, "s", "echo", json!({"text": "again"})));
        for outcome in futures::future::join_all(calls).await {
            assert_eq!(text(&outcome), r#"{"text":"again"}"#);
        }
        assert_eq!(fake.count("POST initialize"), 2);
        // It was restarted, so it is asked for its tools again.
        fake.sees("POST tools/list", 2).await;
        until("both tools", || (mcp.known(ANN).unwrap().listed.len() == 2).then_some(())).await;
    }
}

#[tokio::test]
async fn a_server_that_crashed_may_have_run_the_call_and_is_not_asked_again() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    mcp.tools(ANN).await;
    for (calls, (code, message)) in
        [(-32603, "The session crashed"), (-32001, "Request timed out"), (-32602, "What?")].into_iter().enumerate()
    {
        fake.instead("tools/call", Instead::Error(code, message));
        let error = format!("the server answered: {message} (error {code})");
        assert_eq!(call(&mcp, ANN, "s", "echo").await.error, Some(error));
        assert_eq!((fake.count("POST tools/call"), fake.count("POST initialize")), (calls + 1, 1));
    }
}

#[tokio::test]
async fn a_session_that_is_forgotten_before_it_is_asked_for_its_tools_is_opened_again_once() {
    let fake = Fake::legacy(&["echo"]).await;
    fake.instead("tools/list", Instead::Status(404));
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    assert!(mcp.tools(ANN).await.listed.is_empty());
    assert_eq!((fake.count("POST initialize"), fake.count("POST tools/list")), (2, 2));
}

#[tokio::test]
async fn an_event_stream_that_ends_is_not_asked_for_again_at_once() {
    let fake = Fake::legacy(&["echo"]).await;
    fake.instead("", Instead::Events("retry: 0\nid: 1\ndata:\n\n"));
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    let begun = Instant::now();
    mcp.tools(ANN).await;
    fake.sees("GET", 3).await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(text(&call(&mcp, ANN, "s", "echo").await), "{}");
}

#[tokio::test]
async fn a_server_that_forgets_again_and_again_is_not_asked_again_and_again() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    mcp.tools(ANN).await;
    fake.instead("tools/call", Instead::Status(404));
    let outcome = call(&mcp, ANN, "s", "echo").await;
    assert_eq!(outcome.error.as_deref(), Some("the server does not know the session any more"));
    assert_eq!((fake.count("POST initialize"), fake.count("POST tools/call")), (2, 2));

    // It is a session again for who calls next.
    fake.as_ever();
    assert_eq!(text(&call(&mcp, ANN, "s", "echo").await), "{}");
}

#[tokio::test]
async fn sessions_are_closed_when_the_actor_is_idle_and_when_the_host_ends() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    mcp.tools(ANN).await;
    mcp.tools(BOB).await;
    fake.sees("GET", 2).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(14 * 60)).await;
    assert!(mcp.known(ANN).is_some());
    tokio::time::advance(Duration::from_secs(2 * 60)).await;
    tokio::time::resume();
    fake.sees("DELETE", 1).await;
    assert!(mcp.known(ANN).is_some());
    assert!(mcp.known(BOB).is_none());
    mcp.tools(BOB).await;
    mcp.close().await;
    assert_eq!(fake.count("DELETE"), 3);
}

#[tokio::test]
async fn the_number_of_actors_is_bounded() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.max_actors = 3);
    for actor in 1..=5 {
        mcp.tools(Uuid::from_u128(actor)).await;
    }
    fake.sees("DELETE", 2).await;
    assert_eq!((fake.count("POST initialize"), fake.count("DELETE")), (5, 2));
}

#[test]
fn sessions_outlive_the_runtimes_that_ask() {
    let home = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = home.block_on(Fake::legacy(&["echo"]));
    let mcp = Mcp::builder().runtime(home.handle().clone()).server(Server::new("s", fake.url.clone())).build().unwrap();
    for _ in 0..3 {
        let guest = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        guest.block_on(async {
            assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
            assert_eq!(text(&call(&mcp, ANN, "s", "echo").await), "{}");
        });
    }
    assert_eq!(fake.count("POST initialize"), 1);
    drop(home);
    let guest = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    guest.block_on(async {
        assert!(call(&mcp, ANN, "s", "echo").await.error.is_some());
        in_time("an answer", mcp.tools(BOB)).await;
    });
}
