use super::*;

#[tokio::test]
async fn actors_have_sessions_and_tokens_of_their_own() {
    let fake = Fake::legacy(&["whoami"]).await;
    fake.accept_only(&["a", "b"]);
    let mcp = mcp([linked("s", &fake, &Tokens::of(&[(ANN, "a"), (BOB, "b")]))]);
    let calls = (0..40).map(|n| {
        let (actor, token) = if n % 2 == 0 { (ANN, "a") } else { (BOB, "b") };
        let mcp = mcp.clone();
        async move {
            mcp.tools(actor).await;
            assert_eq!(text(&call(&mcp, actor, "s", "whoami").await), token);
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!(fake.count("POST initialize"), 2);
    let mut owners: HashMap<String, String> = HashMap::new();
    for seen in fake.seen() {
        if let (Some(session), Some(token)) = (seen.session, seen.token) {
            assert_eq!(*owners.entry(session).or_insert(token.clone()), token);
        }
    }
    assert_eq!(owners.len(), 2);
}

#[tokio::test]
async fn who_has_linked_no_account_gets_no_tools_and_no_connection_is_tried() {
    let fake = Fake::legacy(&["echo"]).await;
    let tokens = Tokens::default();
    let mcp = limited([linked("s", &fake, &tokens)], |limits| limits.credentials = Duration::from_secs(1000));
    assert!(mcp.tools(ANN).await.listed.is_empty());
    assert!(mcp.known(ANN).is_some());
    let outcome = call(&mcp, ANN, "s", "echo").await;
    assert_eq!(outcome.error.as_deref(), Some("the user has not linked an account for the server"));
    assert_eq!(fake.seen(), []);

    tokens.set(ANN, "a");
    mcp.refresh(ANN);
    assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
}

#[tokio::test]
async fn a_new_token_is_a_new_session_and_no_token_is_none() {
    let fake = Fake::legacy(&["whoami"]).await;
    let tokens = Tokens::of(&[(ANN, "one")]);
    let mcp = limited([linked("s", &fake, &tokens)], |limits| limits.credentials = Duration::ZERO);
    mcp.tools(ANN).await;
    assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "one");
    tokens.set(ANN, "two");
    assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "two");
    fake.sees("DELETE", 1).await;
    tokens.unlink(ANN);
    assert!(call(&mcp, ANN, "s", "whoami").await.error.is_some());
    fake.sees("DELETE", 2).await;
    assert!(mcp.tools(ANN).await.listed.is_empty());
    let deleted: Vec<_> = fake.seen().into_iter().filter(|seen| seen.what == "DELETE").collect();
    assert_eq!(deleted.iter().map(|seen| seen.token.as_deref().unwrap()).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn a_401_is_answered_with_a_refresh_and_the_call_is_repeated_unseen() {
    for challenge in [true, false] {
        let fake = Fake::legacy(&["whoami"]).await;
        *fake.inner.challenge.lock().unwrap() = challenge;
        let tokens = Tokens::of(&[(ANN, "old")]);
        let mcp = mcp([linked("s", &fake, &tokens)]);
        mcp.tools(ANN).await;
        fake.accept_only(&["new"]);
        tokens.fresh.lock().unwrap().push("new".to_owned());
        let calls = futures::future::join_all((0..4).map(|_| call(&mcp, ANN, "s", "whoami"))).await;
        assert_eq!(calls.iter().map(text).collect::<Vec<_>>(), ["new"; 4]);
        assert_eq!(tokens.refreshed(), ["old"]);
    }
}

#[tokio::test]
async fn after_a_second_401_the_tools_stay_away_until_the_credential_changes() {
    for (tools_first, fresh) in [(true, Some("bad")), (false, Some("bad")), (true, None)] {
        let fake = Fake::modern(&["whoami"]).await;
        let tokens = Tokens::of(&[(ANN, "old")]);
        let mcp = limited([linked("s", &fake, &tokens)], |limits| limits.credentials = Duration::ZERO);
        if tools_first {
            assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
        }
        fake.accept_only(&["good"]);
        tokens.fresh.lock().unwrap().extend(fresh.map(str::to_owned));
        let outcome = call(&mcp, ANN, "s", "whoami").await;
        assert_eq!(outcome.error.as_deref(), Some("the server did not accept the credentials"));
        assert_eq!(tokens.refreshed(), ["old"]);

        let tried = fake.seen().len();
        assert!(mcp.tools(ANN).await.listed.is_empty());
        assert!(call(&mcp, ANN, "s", "whoami").await.error.is_some());
        assert_eq!((tokens.refreshed().len(), fake.seen().len()), (1, tried));

        tokens.set(ANN, "good");
        assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
        assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "good");
    }
}

#[tokio::test]
async fn a_server_that_refuses_only_calls_is_given_one_fresh_token_and_then_left_alone() {
    let fake = Fake::legacy(&["whoami"]).await;
    let tokens = Tokens::of(&[(ANN, "old")]);
    tokens.fresh.lock().unwrap().extend(["4", "3", "2", "1"].map(str::to_owned));
    let mcp = limited([linked("s", &fake, &tokens)], |limits| limits.credentials = Duration::ZERO);
    mcp.tools(ANN).await;
    fake.instead("tools/call", Instead::Status(401));
    for _ in 0..3 {
        let outcome = call(&mcp, ANN, "s", "whoami").await;
        assert_eq!(outcome.error.as_deref(), Some("the server did not accept the credentials"));
        assert!(mcp.tools(ANN).await.listed.is_empty());
    }
    assert_eq!(tokens.refreshed(), ["old"]);
    assert_eq!((fake.count("POST initialize"), fake.count("POST tools/call")), (2, 2));

    fake.as_ever();
    tokens.set(ANN, "linked again");
    assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "linked again");

    // One that comes to be refused later is one more to refresh.
    fake.accept_only(&["4", "3", "2"]);
    assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "2");
    fake.accept_only(&["4", "3"]);
    assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "3");
    assert_eq!(tokens.refreshed(), ["old", "linked again", "2"]);
}
