use super::*;

#[tokio::test]
async fn tools_of_old_and_new_servers_are_listed_and_called() {
    for fake in [Fake::legacy(&["whoami", "echo"]).await, Fake::modern(&["whoami", "echo"]).await] {
        let header = HeaderValue::from_static("Bearer fixed");
        fake.accept_only(&["fixed"]);
        let mcp = mcp([Server::new("s", fake.url.clone()).header(AUTHORIZATION, header)]);
        let toolbox = mcp.tools(ANN).await;
        assert_eq!(names(&toolbox), ["bmcp_s_echo", "bmcp_s_whoami"]);
        assert_eq!(toolbox.listed[0].description.as_deref(), Some("does echo"));
        assert_eq!(toolbox.listed[0].server_url, fake.url.as_str());
        assert_eq!(toolbox.listed[0].input_schema["properties"]["text"], json!({"type": "string"}));

        assert!(Arc::ptr_eq(&toolbox, &mcp.known(ANN).unwrap()));
        assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "fixed");
        let echoed = call_with(&mcp, ANN, "s", "echo", json!({"text": "é", "n": 1})).await;
        assert_eq!(text(&echoed), r#"{"text":"é","n":1}"#);
        assert_eq!(fake.count("POST tools/list"), 1);
    }
}

#[tokio::test]
async fn requests_that_come_together_connect_once() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    assert!(mcp.known(ANN).is_none());
    let all = futures::future::join_all((0..10).map(|_| mcp.tools(ANN))).await;
    assert!(all.iter().all(|toolbox| toolbox.listed.len() == 1));
    call(&mcp, ANN, "s", "echo").await;
    assert_eq!(fake.count("POST initialize"), 1);
}

#[tokio::test]
async fn tools_change_when_the_server_says_so_and_not_before() {
    for fake in [Fake::legacy(&["one"]).await, Fake::modern(&["one"]).await] {
        let mcp = mcp([Server::new("s", fake.url.clone())]);
        let before = mcp.tools(ANN).await;
        if fake.count("POST initialize") == 0 {
            fake.happens("subscribed").await;
        } else {
            fake.sees("GET", 1).await;
        }
        fake.set_tools(&["two"]);
        assert!(Arc::ptr_eq(&before, &mcp.tools(ANN).await));
        fake.say_tools_changed().await;
        fake.sees("POST tools/list", 2).await;
        let after = until("the other tool", || mcp.known(ANN).filter(|after| names(after) == ["bmcp_s_two"])).await;
        assert_ne!(before.fingerprint, after.fingerprint);
    }
}

#[tokio::test]
async fn all_pages_are_read_and_the_rules_hold_for_lists_and_calls() {
    let fake = Fake::modern(&["a", "b", "c", "secret", "echo"]).await;
    *fake.inner.page.lock().unwrap() = 2;
    let rules = ToolRules::new().deny("secret|echo".parse().unwrap());
    let mcp = mcp([Server::new("s", fake.url.clone()).rules(rules)]);
    assert_eq!(names(&*mcp.tools(ANN).await), ["bmcp_s_a", "bmcp_s_b", "bmcp_s_c"]);
    assert_eq!(fake.count("POST tools/list"), 3);
    for (server, tool) in [("s", "echo"), ("t", "a")] {
        assert_eq!(call(&mcp, ANN, server, tool).await.error.as_deref(), Some("there is no such tool"));
    }
    assert_eq!(fake.count("POST tools/call"), 0);
}

#[tokio::test]
async fn a_server_that_lists_forever_gives_what_fits() {
    let fake = Fake::modern(&[]).await;
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.max_pages = 7);
    assert_eq!(mcp.tools(ANN).await.listed.len(), 7);
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.max_tools = 5);
    assert_eq!(mcp.tools(ANN).await.listed.len(), 5);

    // One page for ever, and nothing on it.
    let fake = Fake::modern(&["a"]).await;
    *fake.inner.page.lock().unwrap() = 0;
    let mcp = limited([Server::new("s", fake.url.clone())], |_| {});
    assert_eq!(mcp.tools(ANN).await.listed.len(), 0);
    assert_eq!(fake.count("POST tools/list"), 2);
}

#[tokio::test]
async fn definitions_that_no_provider_would_take_are_left_out_by_their_size() {
    // A description is the tool's name and a little more, and the name counts, too.
    let large: Vec<String> = (0..7).map(|n| n.to_string() + &"x".repeat(1 << 20)).collect();
    let fake = Fake::modern(&large.iter().map(String::as_str).collect::<Vec<_>>()).await;
    *fake.inner.page.lock().unwrap() = 1;
    assert_eq!(mcp([Server::new("s", fake.url.clone())]).tools(ANN).await.listed.len(), 2, "of 4 MiB");
}

#[tokio::test]
async fn the_limit_is_on_the_tools_that_the_rules_permit_and_what_exceeds_it_is_warned_of() {
    let many: Vec<String> = (0..1500).map(|n| format!("tool{n:04}")).collect();
    let fake = Fake::modern(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for page in [usize::MAX, 400] {
        *fake.inner.page.lock().unwrap() = page;
        for (allow, from, listed, warned) in [
            ("120.", 1200, 10, false),
            ("", 0, 1000, true),
            ("^tool0", 0, 1000, false),
            ("tool1|0999", 999, 501, false),
        ] {
            // Each line of the log is of one server.
            let id = format!("many {page} {allow}");
            let rules = ToolRules::new().allow(allow.parse().unwrap());
            let mcp = mcp([Server::new(&*id, fake.url.clone()).rules(rules)]);
            let toolbox = mcp.tools(ANN).await;
            assert_eq!((toolbox.listed.len(), &toolbox.listed[0].tool.name), (listed, &many[from]), "{id}");
            assert_eq!(log::of(&id).iter().any(|line| line.contains("left out")), warned, "{id}: {:?}", log::of(&id));
        }
    }
    // One page of something else after what fits is no reason to warn, one more tool is.
    fake.set_tools(&["a", "b", "c", "other"]);
    *fake.inner.page.lock().unwrap() = 1;
    for (max, warned) in [(3, false), (2, true)] {
        let id = format!("few {max}");
        let server = Server::new(&*id, fake.url.clone()).rules(ToolRules::new().deny("other".parse().unwrap()));
        let mcp = limited([server], |limits| limits.max_tools = max);
        assert_eq!(mcp.tools(ANN).await.listed.len(), max);
        assert_eq!(log::of(&id).iter().any(|line| line.contains("left out")), warned, "{id}");
    }
}

#[tokio::test]
async fn servers_that_do_not_know_how_to_refuse_a_new_protocol_are_spoken_to_in_the_old() {
    for instead in [Instead::Status(500), Instead::Status(404), Instead::Hang] {
        let fake = Fake::legacy(&["echo"]).await;
        fake.instead("server/discover", instead);
        let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.cold_start = Duration::from_secs(4));
        assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
        // The next actor's session knows.
        mcp.tools(BOB).await;
        assert_eq!((fake.count("POST server/discover"), fake.count("POST initialize")), (1, 2));
    }
}

#[tokio::test]
async fn redirects_are_followed_within_the_origin_only() {
    let (fake, other) = (Fake::legacy(&["echo"]).await, Fake::legacy(&["stolen"]).await);
    fake.instead("initialize", Instead::Redirect(307, other.url.to_string()));
    let header = HeaderValue::from_static("Bearer secret");
    let mcp = mcp([Server::new("s", fake.url.clone()).header(AUTHORIZATION, header)]);
    assert!(mcp.tools(ANN).await.listed.is_empty());
    assert_eq!(other.seen(), []);

    fake.instead("initialize", Instead::Redirect(307, "/elsewhere".to_owned()));
    mcp.refresh(ANN);
    assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
}

#[tokio::test]
async fn nothing_that_is_shown_has_secrets() {
    let mut url = dead().await;
    url.set_query(Some("key=hush"));
    let mut listed = Fake::modern(&["echo"]).await.url;
    listed.set_query(Some("key=hush"));
    let header = HeaderValue::from_static("hush");
    let mcp = mcp([Server::new("dead", url).header(AUTHORIZATION, header), Server::new("s", listed)]);
    let toolbox = mcp.tools(ANN).await;
    assert_eq!(names(&toolbox), ["bmcp_s_echo"]);
    let outcome = call(&mcp, ANN, "dead", "echo").await;
    assert!(outcome.error.is_some());
    for shown in [format!("{mcp:?}"), format!("{toolbox:?}"), format!("{outcome:?}")] {
        assert!(!shown.contains("hush"), "{shown}");
    }
}

#[tokio::test]
async fn wrong_configuration_is_refused() {
    let url = |url: &str| url.parse::<url::Url>().unwrap();
    let server = |id: &str| Server::new(id, url("https://example.com/mcp"));
    let error = |servers: Vec<Server>| {
        let builder = servers.into_iter().fold(Mcp::builder(), |mcp, server| mcp.server(server));
        builder.build().map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(error(vec![server("a"), server("a")]), "two MCP servers have the id a");
    for wrong in ["file:///mcp", "https://user:secret@example.com/mcp"] {
        let error = error(vec![Server::new("a", url(wrong))]);
        assert_eq!(error, "the URL of MCP server a is not an http or https URL without a user");
    }
    let fixed = server("a").header(http::HeaderName::from_static("mcp-session-id"), HeaderValue::from_static("1"));
    assert_eq!(error(vec![fixed]), "MCP server a must not have the fixed header mcp-session-id");
    let both =
        server("a").header(AUTHORIZATION, HeaderValue::from_static("1")).credentials(Arc::new(Tokens::default()));
    assert_eq!(error(vec![both]), "MCP server a must not have the fixed header authorization");
}
