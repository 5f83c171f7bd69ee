use super::*;

#[tokio::test]
async fn results_become_text_and_images() {
    let fake = Fake::modern(&["many"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    let outcome = call(&mcp, ANN, "s", "many").await;
    let text = |text: &str| Content::Text(text.to_owned());
    let image = |media: &str, base64: &str| Content::Image { media_type: media.to_owned(), base64: base64.to_owned() };
    assert_eq!(
        outcome.content,
        [
            text("here:"),
            image("image/png", "iVBORw0KGgo="),
            text("[audio, audio/wav: cannot be shown]"),
            text("file:///a\nembedded"),
            text("file:///b"),
            image("image/gif", "R0lGODlh"),
            text("file:///c\n[resource, application/zip, 8 bytes of base64: cannot be shown]"),
            text("d: https://example.com/d\nmore"),
        ]
    );
    assert_eq!(outcome.error, None);
    assert_eq!(call(&mcp, ANN, "s", "structured").await.content, [text(r#"{"n":1}"#)]);

    let failed = call(&mcp, ANN, "s", "fail").await;
    assert_eq!((&failed.content[..], failed.error.as_deref()), (&[text("no such issue")][..], Some("no such issue")));
    let unknown = call(&mcp, ANN, "s", "nothing").await;
    assert_eq!(unknown.error.as_deref(), Some("the server answered: unknown tool (error -32602)"));
    assert_eq!(unknown.content, [text("The tool call failed: the server answered: unknown tool (error -32602).")]);
}

#[tokio::test]
async fn a_result_that_is_too_large_is_cut_and_the_model_is_told() {
    let fake = Fake::modern(&["big", "big_image"]).await;
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.max_result = 1001);
    let outcome = call(&mcp, ANN, "s", "big").await;
    assert_eq!(text(&outcome), format!("{}\n[cut: the result is larger than 1001 bytes]", "é".repeat(500)));
    let outcome = call(&mcp, ANN, "s", "big_image").await;
    let note = "[image, image/png: left out, the result is larger than 1001 bytes]";
    assert_eq!(outcome.content, [Content::Text(note.to_owned()), Content::Text("small".to_owned())]);
}

#[tokio::test]
async fn dropping_a_call_cancels_it_at_the_server() {
    for fake in [Fake::legacy(&["hang"]).await, Fake::modern(&["hang"]).await] {
        let mcp = mcp([Server::new("s", fake.url.clone())]);
        mcp.tools(ANN).await;
        let hanging = mcp.call(ANN, &Tool::new("s", "hang"), Map::new());
        tokio::select! {
            _ = hanging => panic!("it hangs"),
            () = fake.happens("hanging") => {}
        }
        fake.happens("cancelled").await;
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_and_the_model_is_told() {
    let fake = Fake::legacy(&["hang"]).await;
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.call = Duration::from_millis(200));
    mcp.tools(ANN).await;
    let outcome = call(&mcp, ANN, "s", "hang").await;
    assert_eq!(outcome.error.as_deref(), Some("the server did not answer in time"));
    assert!(outcome.duration >= Duration::from_millis(200));
    fake.happens("cancelled").await;
    fake.sees("POST notifications/cancelled", 1).await;
}

#[tokio::test]
async fn a_result_that_is_too_large_to_be_read_is_a_failure_and_the_model_is_told_why() {
    let told = "the server's answer is too large to be read";
    for fake in [Fake::legacy(&["huge", "echo"]).await, Fake::modern(&["huge", "echo"]).await] {
        let mcp = mcp([Server::new("s", fake.url.clone())]);
        mcp.tools(ANN).await;
        // As an event, and as JSON.
        for instead in [None, Some(Instead::Large(17_000_000))] {
            if let Some(instead) = instead {
                fake.instead("tools/call", instead);
            }
            let outcome = call(&mcp, ANN, "s", "huge").await;
            assert_eq!(outcome.error.as_deref(), Some(told));
            assert_eq!(outcome.content, [Content::Text(format!("The tool call failed: {told}."))]);
        }
        fake.as_ever();
        assert_eq!(text(&call(&mcp, ANN, "s", "echo").await), "{}");
        assert_eq!(fake.count("POST tools/list"), 1, "it is the same session");
    }
}
