use super::*;
use crate::{
    sealed::Key,
    sqlite::tests::{Place, at, id},
};

fn keys() -> Keyring {
    Keyring::new([Key::generate().unwrap().0]).unwrap()
}

fn tokens(access: &str) -> Tokens {
    Tokens { access: access.into(), refresh: Some(format!("refresh-{access}").into()), expires_at: Some(at(1)) }
}

fn shown(tokens: &Tokens) -> (&str, Option<&str>) {
    (tokens.access.expose_secret(), tokens.refresh.as_ref().map(ExposeSecret::expose_secret))
}

#[tokio::test]
async fn a_link_is_found_with_its_tokens_until_it_is_deleted() {
    let (place, keys) = (Place::new(), keys());
    let store = place.open();
    let put = store.put_link(&keys, "github", id(1), &tokens("one")).await.unwrap();
    let (link, found) = store.link(&keys, "github", id(1)).await.unwrap().unwrap();
    assert_eq!(link, put);
    assert_eq!((link.expires_at, link.failure.as_deref()), (Some(at(1)), None));
    assert_eq!(shown(&found), ("one", Some("refresh-one")));
    assert!(keys.holds(&link.key_id));
    for (provider, user) in [("github", 2), ("gitlab", 1)] {
        assert!(store.link(&keys, provider, id(user)).await.unwrap().is_none());
        assert!(!store.delete_link(provider, id(user)).await.unwrap());
    }
    assert!(store.delete_link("github", id(1)).await.unwrap());
    assert!(store.link(&keys, "github", id(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn links_are_listed_by_user_without_a_key() {
    let (place, keys) = (Place::new(), keys());
    let store = place.open();
    for (provider, user) in [("gitlab", 1), ("github", 2), ("github", 1)] {
        store.put_link(&keys, provider, id(user), &tokens("t")).await.unwrap();
    }
    let of = async |user: Option<u128>| {
        let links = store.links(user.map(id)).await.unwrap();
        links.into_iter().map(|link| (link.user_id, link.provider_id)).collect::<Vec<_>>()
    };
    let (one, two) = ((id(1), "github".to_owned()), (id(1), "gitlab".to_owned()));
    assert_eq!(of(Some(1)).await, [one.clone(), two.clone()]);
    assert_eq!(of(None).await, [one, two, (id(2), "github".to_owned())]);
    assert_eq!(of(Some(3)).await, []);
}

#[tokio::test]
async fn tokens_are_not_in_any_file() {
    let (place, keys) = (Place::new(), keys());
    let store = place.open();
    store.put_link(&keys, "github", id(1), &tokens("gho_canary")).await.unwrap();
    let (seen, _) = store.link(&keys, "github", id(1)).await.unwrap().unwrap();
    store.replace_link(&keys, &seen, &tokens("gho_canary_too")).await.unwrap().unwrap();
    let clear = |when: &str| {
        for entry in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"canary"), "{when}: {}", path.display());
        }
    };
    clear("while it is open");
    store.close().await.unwrap();
    clear("when it is closed");
    assert!(std::fs::read(place.path()).unwrap().windows(6).any(|window| window == b"github"), "the row is there");
}

#[tokio::test]
async fn a_row_cannot_be_moved_to_another_user_or_application() {
    let (place, keys) = (Place::new(), keys());
    let store = place.open();
    let columns = "provider_id, created_at, updated_at, oauth_access_token, oauth_access_token_key_id, \
                   oauth_refresh_token, oauth_refresh_token_key_id, oauth_expiry, oauth_refresh_failure_reason";
    store.put_link(&keys, "github", id(1), &tokens("one")).await.unwrap();
    let copy = format!(
        "INSERT INTO external_auth_links ({columns}, user_id) SELECT {columns}, '{}' FROM external_auth_links",
        id(2)
    );
    store.write(move |db| db.execute(&copy, [])).await.unwrap();
    let error = store.link(&keys, "github", id(2)).await.unwrap_err().to_string();
    assert!(error.contains("it was changed or moved") && error.contains("github"), "{error}");
    store.write(|db| db.execute("UPDATE external_auth_links SET provider_id = 'gitlab'", [])).await.unwrap();
    assert!(store.link(&keys, "gitlab", id(1)).await.is_err());
    store.write(|db| db.execute("UPDATE external_auth_links SET provider_id = 'github'", [])).await.unwrap();
    assert!(store.link(&keys, "github", id(1)).await.is_ok());
    let swap = "UPDATE external_auth_links SET oauth_access_token = oauth_refresh_token";
    store.write(move |db| db.execute(swap, [])).await.unwrap();
    assert!(store.link(&keys, "github", id(1)).await.is_err(), "a refresh token is no access token");
}

#[tokio::test]
async fn a_missing_key_is_named() {
    let (place, keys) = (Place::new(), keys());
    let store = place.open();
    let link = store.put_link(&keys, "github", id(1), &tokens("one")).await.unwrap();
    let others = Keyring::new([Key::generate().unwrap().0]).unwrap();
    assert!(!others.holds(&link.key_id));
    let error = store.link(&others, "github", id(1)).await.unwrap_err().to_string();
    assert!(error.contains(&format!("the key {}, which is not configured", link.key_id)), "{error}");
    // Linking again is what helps, and needs none of the old.
    store.put_link(&others, "github", id(1), &tokens("two")).await.unwrap();
    assert_eq!(shown(&store.link(&others, "github", id(1)).await.unwrap().unwrap().1).0, "two");
}

#[tokio::test]
async fn what_was_written_meanwhile_is_not_overwritten() {
    let (place, keys) = (Place::new(), keys());
    let store = place.open();
    let seen = store.put_link(&keys, "github", id(1), &tokens("one")).await.unwrap();
    let second = store.replace_link(&keys, &seen, &tokens("two")).await.unwrap().unwrap();
    assert!(second.updated_at > seen.updated_at && second.created_at == seen.created_at);
    assert_eq!(store.replace_link(&keys, &seen, &tokens("late")).await.unwrap(), None);
    assert_eq!(store.fail_link(&seen, "late").await.unwrap(), None);
    assert_eq!(shown(&store.link(&keys, "github", id(1)).await.unwrap().unwrap().1).0, "two");
    store.delete_link("github", id(1)).await.unwrap();
    assert_eq!(store.replace_link(&keys, &second, &tokens("late")).await.unwrap(), None);
    assert_eq!(store.fail_link(&second, "late").await.unwrap(), None);
    assert_eq!(store.links(None).await.unwrap(), []);
}

#[tokio::test]
async fn a_failed_link_says_why_and_has_no_refresh_token_until_it_is_linked_again() {
    let (place, keys) = (Place::new(), keys());
    let store = place.open();
    let seen = store.put_link(&keys, "github", id(1), &tokens("one")).await.unwrap();
    let failed = store.fail_link(&seen, "invalid_grant").await.unwrap().unwrap();
    let (link, left) = store.link(&keys, "github", id(1)).await.unwrap().unwrap();
    assert_eq!((&link, link.failure.as_deref()), (&failed, Some("invalid_grant")));
    assert_eq!(shown(&left), ("one", None));
    store.put_link(&keys, "github", id(1), &Tokens { refresh: None, expires_at: None, ..tokens("two") }).await.unwrap();
    let (link, left) = store.link(&keys, "github", id(1)).await.unwrap().unwrap();
    assert_eq!((link.failure, link.expires_at, shown(&left)), (None, None, ("two", None)));
}
