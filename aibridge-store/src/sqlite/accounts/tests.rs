use secrecy::ExposeSecret;

use super::*;
use crate::sqlite::tests::{Place, at, id};

fn named(username: &str) -> NewUser {
    NewUser { username: username.into(), email: "a@example.com".into(), ..NewUser::default() }
}

#[tokio::test]
async fn users_are_unique_without_regard_to_case() {
    let place = Place::new();
    let store = place.open();
    let alice = store.create_user(named("Alice")).await.unwrap();
    store.create_user(named("bob")).await.unwrap();
    let error = store.create_user(named("aLICE")).await.unwrap_err();
    assert!(error.to_string().contains("the username aLICE is taken"), "{error}");
    assert!(store.create_user(named("  ")).await.is_err());
    assert_eq!(store.user("ALICE").await.unwrap().as_ref(), Some(&alice));
    assert_eq!(store.user("carol").await.unwrap(), None);
    let names: Vec<_> = store.users().await.unwrap().into_iter().map(|user| user.username).collect();
    assert_eq!(names, ["Alice", "bob"]);
}

#[tokio::test]
async fn a_key_is_found_with_its_user_until_there_is_none() {
    let place = Place::new();
    let store = place.open();
    let alice = store.create_user(named("alice")).await.unwrap();
    let (key, token) = store.create_key(alice.id, "laptop", Some(at(0))).await.unwrap();
    let (id, secret) = token.expose_secret().split_once('-').unwrap();
    assert_eq!(store.key(id).await.unwrap(), Some((key.clone(), alice.clone())));
    assert!(key.verify_secret(secret));
    assert!(!key.verify_secret(&secret[1..]));
    assert_eq!(store.key("nothing").await.unwrap(), None);

    let suspended = store.set_user_status("ALICE", UserStatus::Suspended).await.unwrap().unwrap();
    assert_eq!(suspended, User { status: UserStatus::Suspended, ..alice.clone() });
    let revoked = store.revoke_key(id).await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some());
    assert_eq!(store.revoke_key(id).await.unwrap(), Some(revoked.clone()));
    assert_eq!(store.key(id).await.unwrap(), Some((revoked, suspended)));
    assert_eq!(store.revoke_key("nothing").await.unwrap(), None);
    assert_eq!(store.set_user_status("carol", UserStatus::Active).await.unwrap(), None);
    assert!(store.create_key(Uuid::nil(), "", None).await.is_err());
}

#[tokio::test]
async fn keys_are_listed_by_user() {
    let place = Place::new();
    let store = place.open();
    let (alice, bob) =
        (store.create_user(named("alice")).await.unwrap(), store.create_user(named("bob")).await.unwrap());
    let (first, _) = store.create_key(alice.id, "", None).await.unwrap();
    let (second, _) = store.create_key(bob.id, "", None).await.unwrap();
    assert_eq!(store.keys(Some(alice.id)).await.unwrap(), std::slice::from_ref(&first));
    let mut all = store.keys(None).await.unwrap();
    all.sort_by_key(|key| key.user_id);
    assert_eq!(all, [first, second]);
}

#[tokio::test]
async fn an_identity_from_elsewhere_is_kept_up_to_date() {
    let place = Place::new();
    let store = place.open();
    let carol = User {
        id: id(1),
        username: "carol".into(),
        name: String::new(),
        email: String::new(),
        avatar_url: String::new(),
        status: UserStatus::Active,
        created_at: at(0),
    };
    assert_eq!(store.upsert_user(carol.clone()).await.unwrap(), carol);
    store.set_user_status("carol", UserStatus::Suspended).await.unwrap();
    let renamed = User { username: "Carol".into(), name: "Carol C.".into(), created_at: at(9), ..carol.clone() };
    let kept = User { status: UserStatus::Suspended, created_at: at(0), ..renamed.clone() };
    assert_eq!(store.upsert_user(renamed).await.unwrap(), kept);
    let other = store.upsert_user(User { id: id(2), ..carol }).await.unwrap_err();
    assert!(other.to_string().contains("taken"), "{other}");
}

#[tokio::test]
async fn a_use_is_written_at_most_once_a_minute() {
    let place = Place::new();
    let store = place.open();
    let alice = store.create_user(named("alice")).await.unwrap();
    let (key, _) = store.create_key(alice.id, "", None).await.unwrap();
    let before = Utc::now() - chrono::TimeDelta::milliseconds(1);
    store.touch(&key.id);
    store.flush().await.unwrap();
    let used = store.keys(None).await.unwrap()[0].last_used_at.unwrap();
    assert!(used >= before);
    store.write(|db| db.execute("UPDATE api_keys SET last_used_at = NULL", [])).await.unwrap();
    store.touch(&key.id);
    store.flush().await.unwrap();
    assert_eq!(store.keys(None).await.unwrap()[0].last_used_at, None);
}

#[tokio::test]
async fn accounts_are_managed_beside_a_running_gateway() {
    let place = Place::new();
    let gateway = place.open();
    let beside = Sqlite::open_reader(&place.path()).unwrap();
    let alice = beside.create_user(named("alice")).await.unwrap();
    let (key, _) = beside.create_key(alice.id, "", None).await.unwrap();
    assert_eq!(gateway.key(&key.id).await.unwrap(), Some((key, alice)));
}

#[tokio::test]
async fn accounts_can_be_made_before_the_first_gateway() {
    let place = Place::new();
    let beside = Sqlite::open_reader(&place.path()).unwrap();
    beside.create_user(named("alice")).await.unwrap();
    assert_eq!(place.open().users().await.unwrap().len(), 1);
}
