use std::pin::pin;

use futures::poll;

use super::*;

#[tokio::test]
async fn a_user_links_and_unlinks() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.signed_in("ali").await;
    let page = browser.get("/external-auth").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("The &lt;App&gt;") && page.text.contains("not linked"), "{}", page.text);
    assert!(page.text.contains("Signed in as <strong>ali</strong>"), "{}", page.text);
    assert_eq!(gateway.token(user).await, None);

    let page = browser.link("app").await;
    assert_eq!((page.status, page.location()), (303, "/external-auth"));
    let redirect = "redirect_uri=http%3A%2F%2Fgateway.test%3A3000%2Fexternal-auth%2Fapp%2Fcallback";
    assert!(provider.authorizations()[0].contains(redirect), "{:?}", provider.authorizations());
    let page = browser.get("/external-auth").await;
    assert!(page.text.contains("The &lt;App&gt; is linked.") && page.text.contains("linked since 20"), "{}", page.text);
    assert!(!browser.get("/external-auth").await.text.contains("is linked."), "it is said once");
    let token = gateway.token(user).await.expect("linked");
    assert!(provider.accepts(&token));
    let (other, _) = gateway.user("bea").await;
    assert_eq!(gateway.token(other).await, None, "it is nobody else's");

    let page = browser.post("/external-auth/app/unlink", &[]).await;
    assert_eq!((page.status, page.location()), (303, "/external-auth"));
    assert_eq!(gateway.token(user).await, None);
    assert_eq!(provider.revoked(), [("refresh-2".to_owned(), "refresh_token".to_owned())]);
    let page = browser.get("/external-auth").await;
    assert!(page.text.contains("unlinked, and its token revoked") && page.text.contains("not linked"), "{}", page.text);
    browser.post("/external-auth/app/unlink", &[]).await;
    assert!(browser.get("/external-auth").await.text.contains("was not linked"));
    assert_eq!(provider.revoked().len(), 1);
}

#[tokio::test]
async fn signing_in_takes_a_gateway_token() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (_, token) = gateway.user("ali").await;
    let mut browser = gateway.browser();
    for wrong in ["", "nothing", &token[..token.len() - 1]] {
        let page = browser.post("/external-auth/sign-in", &[("token", wrong)]).await;
        assert_eq!(page.status, 401, "{wrong}");
        assert!(!page.headers.contains_key("set-cookie") && page.text.contains("not accepted"), "{}", page.text);
        assert!(wrong.is_empty() || !page.text.contains(wrong));
    }
    let page = browser.get("/external-auth").await;
    assert!(page.status == 200 && page.text.contains("type=\"password\""), "{}", page.text);
    let page = browser.post("/external-auth/sign-in", &[("token", &format!(" {token}\n"))]).await;
    let cookie = page.headers["set-cookie"].to_str().expect("ASCII");
    assert!(cookie.starts_with("aibridge_session=") && !cookie.contains(&token[..10]), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(browser.get("/external-auth").await.text.contains("Sign out"));
    let page = browser.post("/external-auth/sign-out", &[]).await;
    assert_eq!(page.status, 303);
    assert!(!browser.get("/external-auth").await.text.contains("Sign out"));
}

#[tokio::test]
async fn signing_out_or_in_again_ends_the_session() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (_, token) = gateway.user("ali").await;
    let mut browser = gateway.browser();
    let mut stolen = Vec::new();
    for _ in 0..2 {
        browser.sign_in(&token).await;
        stolen.push(browser.clone());
    }
    browser.post("/external-auth/sign-out", &[]).await;
    for mut thief in stolen {
        assert!(!thief.get("/external-auth").await.text.contains("Sign out"));
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_asked_to_and_then_sent_on() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (_, token) = gateway.user("ali").await;
    let mut browser = gateway.browser();
    let page = browser.get("/external-auth/app/login").await;
    assert!(page.text.contains("name=\"then\" value=\"app\""), "{}", page.text);
    let page = browser.post("/external-auth/sign-in", &[("token", &token), ("then", "app")]).await;
    // Not by a redirect: browsers hold those that follow a form to the page's `form-action`, up to the provider's page.
    assert_eq!(
        (page.status, &page.headers["refresh"]),
        (200, &"0; url=/external-auth/app/login".parse().expect("one"))
    );
    assert!(page.text.contains("href=\"/external-auth/app/login\">Go on to The &lt;App&gt;<"), "{}", page.text);
    assert_eq!(browser.get("/external-auth/app/login").await.status, 303);
    // Nowhere else.
    for then in ["//evil.example", "nothing"] {
        let page = browser.post("/external-auth/sign-in", &[("token", &token), ("then", then)]).await;
        assert_eq!(page.location(), "/external-auth");
    }
    let mut nobody = gateway.browser();
    assert!(!nobody.post("/external-auth/app/unlink", &[]).await.text.contains("linked applications"));
    assert!(nobody.get("/external-auth/app/callback?code=c&state=s").await.text.contains("type=\"password\""));
    assert!(provider.grants().is_empty());
}

#[tokio::test]
async fn a_state_is_good_once_and_in_one_browser() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.signed_in("ali").await;
    let (other, mut thief) = gateway.signed_in("bea").await;
    let back = browser.authorize("app").await;
    // Somebody else's return, in either direction, with and without a departure of one's own.
    for _ in 0..2 {
        let page = thief.get(&back).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains("did not ask for it"), "{}", page.text);
        thief.authorize("app").await;
    }
    assert_eq!(gateway.token(other).await, None);
    assert!(provider.grants().is_empty(), "no code was tried");
    assert_eq!(browser.get(&back).await.status, 303);
    let token = gateway.token(user).await;
    assert!(token.is_some());
    assert_eq!(browser.get(&back).await.status, 400, "replayed");
    assert_eq!(provider.grants().len(), 1);
    assert_eq!(gateway.token(user).await, token);
}

#[tokio::test]
async fn who_leaves_while_linking_has_linked() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.signed_in("ali").await;
    let back = browser.authorize("app").await;
    provider.shut();
    tokio::select! {
        _ = browser.get(&back) => panic!("the gate is shut"),
        () = provider.asked(1) => {}
    }
    // The page is loaded again, and the code is spent.
    assert_eq!(browser.get(&back).await.status, 400);
    // It goes on without the browser, and the host's end waits for it.
    let mut end = pin!(gateway.links.settle());
    assert!(poll!(&mut end).is_pending());
    provider.open();
    soon(end).await;
    assert!(gateway.token(user).await.is_some());
}

#[tokio::test]
async fn what_the_provider_says_is_shown_plainly() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.signed_in("ali").await;
    let state = async |browser: &mut Browser| {
        let back = browser.authorize("app").await;
        back.split_once("state=").expect("a state").1.to_owned()
    };
    let given = state(&mut browser).await;
    let path = "/external-auth/app/callback";
    let error = "error=access_denied&error_description=The+user+said+%3Cb%3Eno%3C/b%3E%0A";
    let page = browser.get(&format!("{path}?{error}&state={given}")).await;
    assert_eq!(page.status, 400);
    let said = "The &lt;App&gt; answered access_denied: The user said &lt;b&gt;no&lt;/b&gt;</p>";
    assert!(page.text.contains(said), "{}", page.text);
    // Only to who asked.
    let page = browser.get(&format!("{path}?{error}&state={given}")).await;
    assert!(!page.text.contains("access_denied"), "{}", page.text);
    let given = state(&mut browser).await;
    assert!(browser.get(&format!("{path}?state={given}")).await.text.contains("sent no code"));
    let given = state(&mut browser).await;
    let page = browser.get(&format!("{path}?code=guessed&state={given}")).await;
    assert_eq!(page.status, 502);
    assert!(page.text.contains("invalid_grant") && !page.text.contains("canary"), "{}", page.text);
    provider.behave(Behaviour::Down);
    let page = browser.link("app").await;
    assert!(page.status == 502 && page.text.contains("could not be asked"), "{}", page.text);
    provider.behave(Behaviour::RefusingAs200("bad_verification_code"));
    let page = browser.link("app").await;
    assert!(page.status == 502 && page.text.contains("answered bad_verification_code"), "{}", page.text);
    assert_eq!(gateway.token(user).await, None);
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.linked().await;
    let (_, token) = gateway.user("bea").await;
    for headers in [
        &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..],
        &[("origin", "http://other.gateway.test:3000"), ("sec-fetch-site", "same-site")],
        &[("origin", "http://gateway.test:3001")],
        &[("origin", "null")],
    ] {
        for path in ["/external-auth/app/unlink", "/external-auth/sign-in", "/external-auth/sign-out"] {
            let page = browser.post_from(path, &[("token", &token)], headers).await;
            assert_eq!(page.status, 403, "{path} {headers:?}");
            assert!(!page.headers.contains_key("set-cookie") && page.text.contains("another site"), "{}", page.text);
        }
    }
    assert!(browser.get("/external-auth").await.text.contains("Signed in as <strong>ali"));
    assert!(gateway.token(user).await.is_some() && provider.revoked().is_empty());
    // An old browser, which sends no more than where the form is from.
    let page = browser.post_from("/external-auth/app/unlink", &[], &[("origin", "http://gateway.test:3000")]).await;
    assert_eq!(page.status, 303);
    // No page is changed by being looked at.
    assert_eq!(browser.get("/external-auth/app/unlink").await.status, 405);
}

#[tokio::test]
async fn pages_may_load_and_be_framed_by_nothing() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (_, mut browser) = gateway.signed_in("ali").await;
    for (path, status) in [
        ("/external-auth", 200),
        ("/external-auth/", 200),
        ("/external-auth/nothing/login", 404),
        ("/external-auth/nothing/callback?code=c", 404),
        ("/external-auth/app/callback?code=c&state=s", 400),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}");
        let policy = page.headers["content-security-policy"].to_str().expect("ASCII");
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !page.text.contains("<script") && !page.text.contains("style="));
        assert!(page.headers["cache-control"] == "no-store" && page.headers["referrer-policy"] == "same-origin");
    }
    let style = browser.get("/external-auth/style.css").await;
    assert!(style.status == 200 && style.headers["content-type"] == "text/css");
}

#[tokio::test]
async fn behind_a_proxy_everything_is_below_the_access_url() {
    let provider = Provider::start().await;
    let gateway = Gateway::at("https://example.com/gateway/", application(&provider)).await;
    let (_, token) = gateway.user("ali").await;
    let mut browser = gateway.browser();
    browser.origin = "https://example.com".to_owned();
    let headers = [("origin", "https://example.com")];
    let page = browser.post_from("/external-auth/sign-in", &[("token", &token), ("then", "app")], &headers).await;
    assert_eq!(page.headers["refresh"], "0; url=/gateway/external-auth/app/login");
    let cookie = page.headers["set-cookie"].to_str().expect("ASCII");
    assert!(cookie.starts_with("__Host-aibridge_session=") && cookie.ends_with("; Secure"), "{cookie}");
    let page = browser.get("/external-auth/app/login").await;
    let redirect = "redirect_uri=https%3A%2F%2Fexample.com%2Fgateway%2Fexternal-auth%2Fapp%2Fcallback&";
    assert!(page.location().contains(redirect), "{}", page.location());
    assert!(browser.get("/external-auth").await.text.contains("href=\"/gateway/external-auth/app/login\""));
}

#[tokio::test]
async fn a_secret_that_is_wanted_in_the_body_is_sent_there() {
    let provider = Provider::start().await;
    provider.only_body();
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.linked().await;
    assert!(gateway.token(user).await.is_some());
    assert_eq!(browser.link("app").await.status, 303);
    assert_eq!(provider.grants().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_a_form_is_read_too() {
    let provider = Provider::start().await;
    provider.behave(Behaviour::Forms);
    provider.issue(Some(30), true);
    let gateway = Gateway::new(&provider).await;
    let (user, _) = gateway.linked().await;
    let first = gateway.stored(user).await;
    assert!(first.expires_at.is_some() && provider.accepts(first.access.expose_secret()));
    let second = gateway.token(user).await.expect("renewed");
    assert!(second != first.access.expose_secret() && provider.accepts(&second));
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_condemns_no_link() {
    let provider = Provider::start().await;
    let wrong = config::Application { client_secret: Some(Secret::new("wrong")), ..application(&provider) };
    let gateway = Gateway::at("http://gateway.test:3000/", wrong).await;
    let (user, mut browser) = gateway.signed_in("ali").await;
    let page = browser.link("app").await;
    assert!(page.status == 502 && page.text.contains("invalid_client"), "{}", page.text);
    let tokens = Tokens { access: "a".into(), refresh: Some("r".into()), expires_at: Some(chrono::Utc::now()) };
    gateway.links.put(user, "app", &tokens).await.expect("written");
    let error = gateway.links.token(user, "app").await.expect_err("not renewed").to_string();
    assert_eq!(error, "the provider answered invalid_client");
    assert_eq!(gateway.failure(user).await, None);
}

#[tokio::test]
async fn a_token_that_its_issuer_does_not_accept_is_not_kept() {
    let provider = Provider::start().await;
    let elsewhere = Provider::start().await;
    let odd = config::Application { validate_url: Some(elsewhere.url("/validate")), ..application(&provider) };
    let gateway = Gateway::at("http://gateway.test:3000/", odd).await;
    let (user, mut browser) = gateway.signed_in("ali").await;
    let page = browser.link("app").await;
    assert!(page.status == 502 && page.text.contains("does not accept it"), "{}", page.text);
    assert_eq!(gateway.token(user).await, None);
    // One that has no say is not waited for.
    let silent = config::Application { validate_url: Some(provider.url("/nothing")), ..application(&provider) };
    let gateway = Gateway::at("http://gateway.test:3000/", silent).await;
    gateway.linked().await;
}

#[tokio::test]
async fn what_cannot_be_revoked_is_unlinked_all_the_same() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.linked().await;
    provider.behave(Behaviour::Down);
    browser.post("/external-auth/app/unlink", &[]).await;
    assert!(browser.get("/external-auth").await.text.contains("could not be told"));
    assert_eq!((gateway.token(user).await, provider.revoked().len()), (None, 1));
    // Slack says so with 200.
    provider.behave(Behaviour::Good);
    browser.link("app").await;
    provider.behave(Behaviour::RefusingAs200("invalid_auth"));
    browser.post("/external-auth/app/unlink", &[]).await;
    assert!(browser.get("/external-auth").await.text.contains("could not be told"));
    assert_eq!((gateway.token(user).await, provider.revoked().len()), (None, 2));
    provider.behave(Behaviour::Good);
    let without = config::Application { revoke_url: None, ..application(&provider) };
    let gateway = Gateway::at("http://gateway.test:3000/", without).await;
    let (user, mut browser) = gateway.linked().await;
    browser.post("/external-auth/app/unlink", &[]).await;
    assert!(browser.get("/external-auth").await.text.contains("is unlinked. Its settings"));
    assert_eq!((gateway.token(user).await, provider.revoked().len()), (None, 2));
}

#[tokio::test]
async fn what_is_void_already_is_revoked() {
    for code in ["token_revoked", "token_expired", "account_inactive"] {
        let provider = Provider::start().await;
        let gateway = Gateway::new(&provider).await;
        let (_, mut browser) = gateway.linked().await;
        provider.behave(Behaviour::RefusingAs200(code));
        browser.post("/external-auth/app/unlink", &[]).await;
        assert!(browser.get("/external-auth").await.text.contains("and its token revoked"), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_token() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (_, token) = gateway.user("ali").await;
    let mut browser = gateway.browser();
    browser.sign_in(&token).await;
    gateway.store.revoke_key(&token[..10]).await.expect("written").expect("there");
    // What was found out of a token is believed for a minute.
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    let page = browser.get("/external-auth").await;
    assert!(page.status == 401 && page.text.contains("The token is not accepted."), "{}", page.text);
    let page = browser.get("/external-auth").await;
    assert!(page.status == 200 && page.text.contains("type=\"password\""), "it is forgotten: {}", page.text);
}
