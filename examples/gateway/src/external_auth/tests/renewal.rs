use futures::future::join_all;
use secrecy::SecretString;

use super::*;

/// A linked user whose token is about to expire.
pub(super) async fn expiring(provider: &Provider, gateway: &Gateway) -> (Uuid, Browser) {
    provider.issue(Some(30), true);
    let linked = gateway.linked().await;
    provider.issue(Some(3600), true);
    linked
}

/// The same, with a renewal that waits at the provider's gate, and whose caller has left.
pub(super) async fn left(provider: &Provider, gateway: &Gateway) -> Uuid {
    let (user, _) = expiring(provider, gateway).await;
    provider.shut();
    tokio::select! {
        _ = gateway.token(user) => panic!("the gate is shut"),
        () = provider.asked(2) => {}
    }
    user
}

pub(super) fn renewals(provider: &Provider) -> usize {
    provider.grants().iter().filter(|grant| *grant == "refresh_token").count()
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_the_new_refresh_token_kept() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = expiring(&provider, &gateway).await;
    let first = gateway.stored(user).await;
    provider.issue(Some(45), true);
    let second = gateway.token(user).await.expect("renewed");
    assert!(second != first.access.expose_secret() && provider.accepts(&second));
    assert_eq!(gateway.stored(user).await.access.expose_secret(), second);
    provider.issue(Some(3600), true);
    let third = gateway.token(user).await.expect("renewed with the second refresh token");
    assert_ne!(third, second);
    assert_eq!(gateway.token(user).await, Some(third));
    assert_eq!(renewals(&provider), 2);
}

#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_stays() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = expiring(&provider, &gateway).await;
    let before = gateway.stored(user).await;
    provider.issue(Some(3600), false);
    gateway.token(user).await.expect("renewed");
    let after = gateway.stored(user).await;
    let refresh = |tokens: &Tokens| tokens.refresh.as_ref().map(|token| token.expose_secret().to_owned());
    assert_eq!(refresh(&after), refresh(&before));
    assert_ne!(after.access.expose_secret(), before.access.expose_secret());
}

#[tokio::test]
async fn callers_that_come_together_wait_for_one_renewal() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = expiring(&provider, &gateway).await;
    let used = gateway.stored(user).await.access;
    provider.shut();
    let tokens = join_all((0..10).map(|_| gateway.token(user)));
    let refreshed = join_all((0..10).map(|_| gateway.links.refresh(user, "app", &used)));
    let open = async {
        provider.asked(2).await;
        provider.open();
    };
    let (tokens, refreshed, ()) = futures::join!(tokens, refreshed, open);
    let refreshed =
        refreshed.into_iter().map(|token| token.expect("renewed").map(|token| token.expose_secret().to_owned()));
    let all: Vec<Option<String>> = tokens.into_iter().chain(refreshed).collect();
    assert!(all[0].is_some() && all.iter().all(|token| *token == all[0]), "{all:?}");
    assert_eq!(renewals(&provider), 1);
    assert!(gateway.links.running().is_empty(), "nothing is left behind");
}

#[tokio::test]
async fn failing_together_is_failing_once() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = gateway.linked().await;
    let used = gateway.stored(user).await.access;
    provider.behave(Behaviour::Down);
    provider.shut();
    let refreshed = join_all((0..5).map(|_| gateway.links.refresh(user, "app", &used)));
    let open = async {
        provider.asked(2).await;
        provider.open();
    };
    let (refreshed, ()) = futures::join!(refreshed, open);
    assert!(refreshed.iter().all(Result::is_err) && renewals(&provider) == 1, "{refreshed:?}");
    let error = refreshed[0].as_ref().expect_err("failed").to_string();
    assert!(error.contains("could not be asked") && !error.contains("canary"), "{error}");
    // It is no reason to link again.
    assert_eq!(gateway.failure(user).await, None);
    provider.behave(Behaviour::Good);
    assert!(gateway.links.refresh(user, "app", &used).await.expect("renewed").is_some());
}

#[tokio::test]
async fn a_caller_that_leaves_takes_no_refresh_token_along() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let user = left(&provider, &gateway).await;
    provider.open();
    let token = gateway.token(user).await.expect("renewed");
    assert!(provider.accepts(&token));
    assert_eq!((renewals(&provider), gateway.stored(user).await.access.expose_secret()), (1, token.as_str()));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = gateway.linked().await;
    let used = gateway.stored(user).await.access;
    provider.forget_access();
    let new = gateway.links.refresh(user, "app", &used).await.expect("renewed").expect("renewed");
    assert!(provider.accepts(new.expose_secret()));
    // Who learns of it late gets the same.
    let late = gateway.links.refresh(user, "app", &used).await.expect("an answer").expect("there");
    assert_eq!(late.expose_secret(), new.expose_secret());
    assert_eq!(renewals(&provider), 1);
}

#[tokio::test]
async fn a_refused_refresh_token_has_the_user_link_again() {
    for behaviour in [Behaviour::Refusing("invalid_grant"), Behaviour::RefusingAs200("bad_refresh_token")] {
        let provider = Provider::start().await;
        let gateway = Gateway::new(&provider).await;
        let (user, mut browser) = expiring(&provider, &gateway).await;
        provider.behave(behaviour);
        assert_eq!(gateway.token(user).await, None, "{behaviour:?}");
        let (Behaviour::Refusing(code) | Behaviour::RefusingAs200(code)) = behaviour else { unreachable!() };
        let page = browser.get("/external-auth").await;
        assert!(page.text.contains("has to be linked again") && page.text.contains(code), "{}", page.text);
        assert!(page.text.contains("Link again") && page.text.contains("Unlink") && !page.text.contains("canary"));
        for _ in 0..2 {
            let used = SecretString::from("access");
            assert_eq!(gateway.token(user).await, None);
            assert!(gateway.links.refresh(user, "app", &used).await.expect("an answer").is_none());
        }
        assert_eq!(renewals(&provider), 1, "it is not tried again");
        provider.behave(Behaviour::Good);
        assert_eq!(browser.link("app").await.status, 303);
        assert!(gateway.token(user).await.is_some());
    }
}

#[tokio::test]
async fn a_token_that_is_still_valid_is_used_while_it_cannot_be_renewed() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = expiring(&provider, &gateway).await;
    let old = gateway.stored(user).await.access;
    provider.behave(Behaviour::Down);
    assert_eq!(gateway.token(user).await.as_deref(), Some(old.expose_secret()));
    let tokens = Tokens { expires_at: Some(chrono::Utc::now()), ..gateway.stored(user).await };
    gateway.links.put(user, "app", &tokens).await.expect("written");
    assert!(gateway.links.token(user, "app").await.is_err());
    provider.behave(Behaviour::Good);
    assert_ne!(gateway.token(user).await.as_deref(), Some(old.expose_secret()));
}

#[tokio::test]
async fn without_a_refresh_token_the_user_links_again() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    provider.issue(None, false);
    let (user, _) = gateway.linked().await;
    let token = gateway.token(user).await.expect("it does not expire");
    // A server that refuses what the issuer accepts is the one that is wrong.
    let used = SecretString::from(token);
    assert!(gateway.links.refresh(user, "app", &used).await.expect("an answer").is_none());
    assert_eq!(gateway.failure(user).await, None);
    provider.forget_access();
    assert!(gateway.links.refresh(user, "app", &used).await.expect("an answer").is_none());
    assert_eq!(gateway.failure(user).await.as_deref(), Some("the token has expired or was revoked"));
    assert!(gateway.token(user).await.is_none() && renewals(&provider) == 0);
}

#[tokio::test]
async fn unlinking_waits_for_a_renewal_and_gives_back_what_it_brought() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = expiring(&provider, &gateway).await;
    provider.shut();
    let open = async {
        provider.asked(2).await;
        // Unlinking has come as far as it can.
        tokio::task::yield_now().await;
        provider.open();
    };
    let unlink = async {
        provider.asked(2).await;
        gateway.links.unlink(user, "app").await
    };
    let (_, unlinked, ()) = futures::join!(gateway.links.token(user, "app"), unlink, open);
    assert_eq!(unlinked.expect("an answer"), (true, Ok(true)));
    assert_eq!(provider.revoked(), [("refresh-3".to_owned(), "refresh_token".to_owned())]);
    assert_eq!(gateway.token(user).await, None);
}

#[tokio::test]
async fn a_token_is_not_condemned_while_its_issuer_cannot_be_asked() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    provider.issue(None, false);
    let (user, _) = gateway.linked().await;
    let used = gateway.stored(user).await.access;
    provider.forget_access();
    provider.behave(Behaviour::Down);
    assert!(gateway.links.refresh(user, "app", &used).await.is_err());
    assert_eq!(gateway.failure(user).await, None);
    provider.behave(Behaviour::Good);
    assert!(gateway.links.refresh(user, "app", &used).await.expect("an answer").is_none());
    assert!(gateway.failure(user).await.is_some());
}

#[tokio::test]
async fn an_issuer_that_says_nothing_of_the_token_does_not_condemn_it() {
    for (status, condemned) in
        [(302, false), (307, false), (408, false), (425, false), (429, false), (503, false), (401, true), (404, true)]
    {
        let provider = Provider::start().await;
        let validate_url = Some(provider.url(&format!("/validate/{status}")));
        let odd = config::Application { validate_url, ..application(&provider) };
        let gateway = Gateway::at("http://gateway.test:3000/", odd).await;
        let (user, _) = gateway.signed_in("ali").await;
        let tokens = Tokens { access: "a".into(), refresh: None, expires_at: None };
        gateway.links.put(user, "app", &tokens).await.expect("written");
        let refreshed = gateway.links.refresh(user, "app", &tokens.access).await;
        assert_eq!(refreshed.is_err(), !condemned, "{status}");
        assert_eq!(gateway.failure(user).await.is_some(), condemned, "{status}");
    }
}

#[tokio::test]
async fn what_is_bought_for_a_link_that_is_gone_is_given_back() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = expiring(&provider, &gateway).await;
    provider.shut();
    // By another process on the same database.
    let unlink = async {
        provider.asked(2).await;
        assert!(gateway.store.delete_link("app", user).await.expect("written"));
        provider.open();
    };
    let (token, ()) = futures::join!(gateway.token(user), unlink);
    assert_eq!(token, None);
    assert_eq!(provider.revoked(), [("refresh-3".to_owned(), "refresh_token".to_owned())]);
}

#[tokio::test]
async fn who_leaves_while_unlinking_has_unlinked() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let user = left(&provider, &gateway).await;
    tokio::select! {
        biased;
        _ = gateway.links.unlink(user, "app") => panic!("the gate is shut"),
        () = tokio::task::yield_now() => {}
    }
    provider.open();
    // It goes on without the caller.
    soon(provider.returned(1)).await;
    assert_eq!(gateway.token(user).await, None);
}

#[tokio::test]
async fn servers_that_are_no_applications_have_no_token() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = gateway.linked().await;
    assert!(gateway.links.token(user, "coder").await.expect("an answer").is_none());
    let used = SecretString::from("t");
    assert!(gateway.links.refresh(user, "coder", &used).await.expect("an answer").is_none());
}

#[tokio::test]
async fn of_two_gateways_with_one_refresh_token_the_first_one_counts() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = expiring(&provider, &gateway).await;
    // The second one is told that the token is spent, and says so before the first has written what it bought.
    provider.shut();
    let second = async {
        provider.asked(2).await;
        let seen = gateway.store.links(Some(user)).await.expect("an answer").pop().expect("linked");
        gateway.store.fail_link(&seen, "invalid_grant").await.expect("written").expect("written");
        provider.open();
    };
    let (token, ()) = futures::join!(gateway.token(user), second);
    let token = token.expect("renewed");
    assert!(provider.accepts(&token));
    assert_eq!((gateway.failure(user).await, gateway.token(user).await), (None, Some(token)));
}
