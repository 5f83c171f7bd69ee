use super::*;

fn old(fake: &SseFake) -> Server {
    let tokens = Tokens::of(&[(ANN, "sesame"), (BOB, "wrong")]);
    Server::new("old", fake.url.clone()).transport(Transport::Sse).credentials(Arc::new(tokens))
}

#[tokio::test]
async fn servers_of_2024_are_spoken_to_over_sse() {
    let fake = SseFake::start().await;
    let mcp = mcp([old(&fake)]);
    assert_eq!(names(&*mcp.tools(ANN).await), ["bmcp_old_echo"]);
    assert_eq!(text(&call_with(&mcp, ANN, "old", "echo", json!({"text": "é"})).await), r#"{"text":"é"}"#);
    assert!(mcp.tools(BOB).await.listed.is_empty());

    let hanging = mcp.call(ANN, &Tool::new("old", "hang"), Map::new());
    tokio::select! {
        _ = hanging => panic!("it hangs"),
        () = fake.happens("hanging") => {}
    }
    fake.happens("notifications/cancelled").await;
    mcp.close().await;
    fake.happens("stream closed").await;
}

#[tokio::test]
async fn sse_sessions_that_are_lost_or_forgotten_are_opened_again_unseen() {
    let fake = SseFake::start().await;
    let mcp = mcp([old(&fake)]);
    mcp.tools(ANN).await;
    fake.forget_sessions();
    assert_eq!(text(&call(&mcp, ANN, "old", "echo").await), "{}");
    assert_eq!(fake.opened(), 2);
    fake.restart();
    fake.happens("stream closed").await;
    assert_eq!(mcp.known(ANN).unwrap().listed.len(), 1);
    let again = async {
        loop {
            let outcome = call(&mcp, ANN, "old", "echo").await;
            // It may not have been noticed yet, in which case the call may have been made.
            if outcome.error.is_none() {
                break outcome;
            }
        }
    };
    assert_eq!(text(&in_time("a call that works", again).await), "{}");
    assert!(fake.opened() >= 3);
}

#[tokio::test]
async fn an_sse_endpoint_of_another_origin_is_not_posted_to() {
    let (fake, other) = (SseFake::start().await, Fake::legacy(&[]).await);
    fake.say_endpoint(other.url.as_str());
    let mcp = mcp([old(&fake)]);
    assert!(mcp.tools(ANN).await.listed.is_empty());
    assert_eq!(other.seen(), []);
}
