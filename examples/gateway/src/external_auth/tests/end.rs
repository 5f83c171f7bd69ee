//! The end of the host.

use std::pin::pin;

use futures::poll;

use super::{
    renewal::{expiring, left, renewals},
    *,
};

#[tokio::test]
async fn it_waits_for_what_is_being_bought() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let user = left(&provider, &gateway).await;
    let before = gateway.stored(user).await.access;
    let mut end = pin!(gateway.links.settle());
    assert!(poll!(&mut end).is_pending());
    provider.open();
    soon(end).await;
    assert_ne!(gateway.stored(user).await.access.expose_secret(), before.expose_secret());
}

#[tokio::test]
async fn it_waits_for_what_is_given_back() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = gateway.linked().await;
    provider.shut();
    tokio::select! {
        _ = gateway.links.unlink(user, "app") => panic!("the gate is shut"),
        () = provider.returned(1) => {}
    }
    let mut end = pin!(gateway.links.settle());
    assert!(poll!(&mut end).is_pending());
    provider.open();
    soon(end).await;
}

#[tokio::test]
async fn nothing_new_is_begun() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = expiring(&provider, &gateway).await;
    let used = gateway.stored(user).await.access;
    let again = browser.authorize("app").await;
    let (other, mut late) = gateway.signed_in("bea").await;
    let back = late.authorize("app").await;
    provider.shut();
    tokio::select! {
        _ = late.get(&back) => panic!("the gate is shut"),
        () = provider.asked(2) => {}
    }
    let mut end = pin!(gateway.links.settle());
    assert!(poll!(&mut end).is_pending());
    // Neither while the link in progress is waited for, nor afterwards.
    let asked =
        soon(async { [gateway.links.token(user, "app").await, gateway.links.refresh(user, "app", &used).await] });
    for asked in asked.await {
        assert_eq!(asked.expect_err("no token").to_string(), "the token's renewal was interrupted");
    }
    provider.open();
    soon(end).await;
    assert!(gateway.links.unlink(user, "app").await.is_err());
    assert_eq!(browser.get(&again).await.status, 500);
    assert!(gateway.links.token(user, "app").await.is_err() && gateway.links.running().is_empty());
    assert_eq!((provider.grants().len(), renewals(&provider), provider.revoked().len()), (2, 0, 0));
    assert_eq!(gateway.stored(user).await.access.expose_secret(), used.expose_secret());
    assert!(provider.accepts(gateway.stored(other).await.access.expose_secret()));
}
