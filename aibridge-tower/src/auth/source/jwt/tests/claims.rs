use chrono::DateTime;
use uuid::Uuid;

use super::*;
use crate::auth::source::SourceError;

fn source() -> Jwt {
    builder().secret(secret(32)).build().unwrap()
}

fn signed(claims: Value) -> String {
    hmac(Algorithm::HS256, secret(32).expose().as_bytes(), claims)
}

#[tokio::test]
async fn good_claims_name_an_actor() {
    let exp = now() + 3600;
    let more = json!({ "exp": exp, "email": "ada@example.com", "groups": ["a", "b"], "roles": null, "name": "" });
    let actor = source().ask(&signed(with(claims(), more))).await.unwrap();
    assert_eq!(&*actor.username, "ada@example.com");
    assert_eq!(json!(*actor.metadata), json!({ "email": "ada@example.com", "groups": ["a", "b"] }));
    assert_eq!(actor.api_key_id, None);
    assert_eq!(actor.expires_at, DateTime::from_timestamp(exp.try_into().unwrap(), 0));
}

#[tokio::test]
async fn the_id_is_the_subject_or_made_of_it_and_never_changes() {
    let id = |claims: Value| async { source().ask(&signed(claims)).await.unwrap().id };
    let uuid = "497f6eca-6276-4993-bfeb-53cbbbba6f08";
    assert_eq!(id(with(claims(), json!({ "sub": uuid }))).await, Uuid::parse_str(uuid).unwrap());
    // As Python has it: uuid.uuid5(uuid.NAMESPACE_URL, "https://id.example.com\0ada")
    assert_eq!(id(claims()).await, Uuid::parse_str("215d15b7-3c10-56d0-b35a-83dca98154e0").unwrap());
}

#[tokio::test]
async fn the_username_is_the_first_claim_that_has_one() {
    let all = json!({ "preferred_username": "p", "email": "e", "name": "n", "nick": "k" });
    let name = |source: Jwt, claims: Value| async move { source.ask(&signed(claims)).await.unwrap().username };
    assert_eq!(&*name(source(), with(claims(), all.clone())).await, "p");
    assert_eq!(
        &*name(source(), with(claims(), json!({ "preferred_username": "", "email": 7, "name": "n" }))).await,
        "n"
    );
    assert_eq!(&*name(source(), claims()).await, "ada");
    let nick = || builder().secret(secret(32)).username_claim("nick").build().unwrap();
    assert_eq!(&*name(nick(), with(claims(), all)).await, "k");
    assert_eq!(&*name(nick(), with(claims(), json!({ "email": "e" }))).await, "e");
}

#[tokio::test]
async fn the_address_is_in_the_claim_that_is_named_for_it() {
    let source = builder().secret(secret(32)).email_claim("mail").build().unwrap();
    let both = with(claims(), json!({ "mail": "ada@example.com", "email": "another@example.com" }));
    let actor = source.ask(&signed(both)).await.unwrap();
    assert_eq!(json!(*actor.metadata), json!({ "email": "ada@example.com" }));
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    for claims in [
        with(claims(), json!({ "iss": "https://id.example.com/" })),
        with(claims(), json!({ "iss": [ISSUER] })),
        with(claims(), json!({ "aud": "another" })),
        with(claims(), json!({ "aud": [] })),
        with(claims(), json!({ "aud": 7 })),
        with(claims(), json!({ "sub": "" })),
        with(claims(), json!({ "sub": 7 })),
        with(claims(), json!({ "exp": "tomorrow" })),
        with(claims(), json!({ "exp": -1 })),
        with(claims(), json!({ "nbf": now() + 120 })),
        with(claims(), json!({ "nbf": "tomorrow" })),
        without("iss"),
        without("aud"),
        without("sub"),
        without("exp"),
        json!([]),
    ] {
        assert_eq!(source().ask(&signed(claims.clone())).await, Err(AuthError::Unknown), "{claims}");
    }
    let expired = with(claims(), json!({ "exp": now() - 120 }));
    assert_eq!(source().ask(&signed(expired)).await, Err(AuthError::Expired));
}

#[tokio::test]
async fn unusual_claims_that_hold_are_accepted() {
    for claims in [
        with(claims(), json!({ "aud": ["another", "aibridge"] })),
        with(claims(), json!({ "exp": now() as f64 + 60.5, "nbf": now() - 1, "active": false })),
        with(claims(), json!({ "exp": u64::MAX })),
        with(claims(), json!({ "exp": now() - 50, "nbf": now() + 50 })),
    ] {
        source().ask(&signed(claims.clone())).await.unwrap_or_else(|error| panic!("{claims}: {error}"));
    }
}

#[tokio::test]
async fn the_leeway_is_configurable() {
    let exact = builder().secret(secret(32)).leeway(Duration::ZERO).build().unwrap();
    assert_eq!(exact.ask(&signed(with(claims(), json!({ "exp": now() - 50 })))).await, Err(AuthError::Expired));
    let endless = builder().secret(secret(32)).leeway(Duration::MAX).build().unwrap();
    endless.ask(&signed(with(claims(), json!({ "exp": now() - 3000 })))).await.unwrap();
    assert_eq!(endless.ask(&signed(with(claims(), json!({ "exp": now() - 4000 })))).await, Err(AuthError::Expired));
}

#[tokio::test]
async fn one_of_several_audiences_is_enough_and_any_must_be_asked_for() {
    let two = builder().audience("second").secret(secret(32)).build().unwrap();
    two.ask(&signed(claims())).await.unwrap();
    two.ask(&signed(with(claims(), json!({ "aud": "second" })))).await.unwrap();
    let any = Jwt::builder().issuer(ISSUER).any_audience().secret(secret(32)).build().unwrap();
    any.ask(&signed(without("aud"))).await.unwrap();
    any.ask(&signed(with(claims(), json!({ "aud": "another" })))).await.unwrap();
    let unsaid = Jwt::builder().issuer(ISSUER).secret(secret(32)).build();
    assert!(matches!(unsaid, Err(SourceError::Missing("the token audience"))));
}

#[tokio::test]
async fn what_is_not_three_parts_of_base64url_is_malformed() {
    let good = signed(claims());
    for token in [
        "",
        "..",
        "e30",
        "e30.e30",
        "e30..e30",
        ".e30.e30",
        "abcdefghij-ABCDEFGHIJKLMNOPQRSTUV",
        &format!("{good}."),
        &format!("{good}="),
        &format!(" {good}"),
        &good.replacen('.', "/.", 1),
    ] {
        assert_eq!(source().ask(token).await, Err(AuthError::Malformed), "{token}");
    }
    for token in ["e30.e30.e30", "e30.e30.", "a.a.a", "____.____.____"] {
        assert_eq!(source().ask(token).await, Err(AuthError::Unknown), "{token}");
    }
}

#[test]
fn what_is_needed_must_be_configured() {
    let missing = |builder: JwtBuilder| match builder.build() {
        Err(SourceError::Missing(what)) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(Jwt::builder().audience("a").secret(secret(32))), "the token issuer");
    assert_eq!(missing(Jwt::builder().issuer("").audience("a").secret(secret(32))), "the token issuer");
    assert_eq!(missing(builder()), "the source of token keys");
    assert!(matches!(Jwt::builder().issuer("me").audience("a").discover().build(), Err(SourceError::Url(_))));
    assert!(matches!(builder().jwks_url("file:///etc/keys".parse().unwrap()).build(), Err(SourceError::Url(_))));
}

#[test]
fn debug_shows_no_secret() {
    let builder = builder().secret(secret(32));
    assert!(!format!("{builder:?}").contains("sss"));
    assert!(!format!("{:?}", builder.build().unwrap()).contains("sss"));
}
