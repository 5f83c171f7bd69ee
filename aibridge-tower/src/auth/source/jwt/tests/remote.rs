use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body, extract::State, response::Response, routing::get};
use futures::future::join_all;
use url::Url;

use super::{
    super::{Keys, jwks::Jwks},
    *,
};
use crate::auth::source::testing::{nobody, serve};

/// What an issuer answers when asked for its keys.
#[derive(Clone)]
enum Answer {
    Keys(Vec<Value>),
    Text(String),
    Status(u16),
    Redirect(Url),
    Silence,
}

/// An issuer's web server.
struct Issuer {
    url: Url,
    answer: Mutex<Answer>,
    fetches: AtomicUsize,
}

impl Issuer {
    async fn new(answer: Answer) -> Arc<Issuer> {
        async fn keys(State(issuer): State<Arc<OnceLock<Arc<Issuer>>>>) -> Response {
            let issuer = issuer.get().unwrap();
            issuer.fetches.fetch_add(1, Ordering::Relaxed);
            let answer = issuer.answer.lock().unwrap().clone();
            // Tests jump in time, which idle connections do not survive.
            let response = Response::builder().header("connection", "close");
            match answer {
                Answer::Keys(keys) => response.body(Body::from(json!({ "keys": keys }).to_string())).unwrap(),
                Answer::Text(text) => response.body(Body::from(text)).unwrap(),
                Answer::Status(status) => response.status(status).body(Body::empty()).unwrap(),
                Answer::Redirect(to) => {
                    response.status(302).header("location", to.as_str()).body(Body::empty()).unwrap()
                }
                Answer::Silence => std::future::pending().await,
            }
        }
        async fn discovery(State(issuer): State<Arc<OnceLock<Arc<Issuer>>>>) -> String {
            let url = &issuer.get().unwrap().url;
            json!({ "issuer": url.as_str(), "jwks_uri": url.join("keys").unwrap().as_str() }).to_string()
        }
        let this = Arc::new(OnceLock::new());
        let app = Router::new()
            .route("/keys", get(keys))
            .route("/.well-known/openid-configuration", get(discovery))
            .with_state(Arc::clone(&this));
        let url = serve(app).await;
        let issuer = Arc::new(Issuer { url, answer: Mutex::new(answer), fetches: AtomicUsize::new(0) });
        this.set(Arc::clone(&issuer)).ok().unwrap();
        issuer
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn source(&self) -> Jwt {
        builder().jwks_url(self.url.join("keys").unwrap()).build().unwrap()
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }
}

impl Jwt {
    fn jwks(&self) -> &Jwks {
        match &self.0.keys {
            Keys::Remote(jwks) => jwks,
            Keys::Fixed(_) => panic!("not remote"),
        }
    }

    /// Waits for the end of a fetch in the background, if there is one.
    async fn settled(&self) {
        // Lets its task start, if it has not.
        tokio::task::yield_now().await;
        drop(self.jwks().fetching.lock().await);
    }
}

/// Jumps in time. Between jumps it runs, or it would be over with every request to the issuer at once.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn is_unavailable(outcome: &Result<Actor, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::Unavailable(_)))
}

fn key(signer: &Signer, kid: &str) -> Value {
    signer.jwk(json!({ "kid": kid, "use": "sig" }))
}

#[tokio::test]
async fn keys_are_fetched_when_first_needed_and_once() {
    let (es, rs) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::RS256));
    let issuer = Issuer::new(Answer::Keys(vec![key(&es, "es"), key(&rs, "rs")])).await;
    let source = issuer.source();
    assert_eq!(issuer.fetches(), 0);
    let tokens = [es.sign(Some("es"), claims()), rs.sign(Some("rs"), claims()), es.sign(None, claims())];
    for outcome in join_all((0..99).map(|n| source.ask(&tokens[n % 3]))).await {
        outcome.unwrap();
    }
    later(minutes(14)).await;
    source.ask(&tokens[0]).await.unwrap();
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn the_fetch_goes_on_when_who_waited_for_it_goes() {
    let es = Signer::new(Algorithm::ES256);
    let issuer = Issuer::new(Answer::Keys(vec![key(&es, "1")])).await;
    let source = issuer.source();
    let token = es.sign(Some("1"), claims());
    let mut first = tokio_test::task::spawn(source.ask(&token));
    tokio_test::assert_pending!(first.poll());
    drop(first);
    source.settled().await;
    assert_eq!(issuer.fetches(), 1);
    source.ask(&token).await.unwrap();
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_but_not_more_often_than_every_half_minute() {
    let (old, new) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let issuer = Issuer::new(Answer::Keys(vec![key(&old, "old")])).await;
    let source = issuer.source();
    source.ask(&old.sign(Some("old"), claims())).await.unwrap();
    issuer.answers(Answer::Keys(vec![key(&new, "new")]));
    let token = new.sign(Some("new"), claims());
    later(Duration::from_secs(29)).await;
    assert_eq!(source.ask(&token).await, Err(AuthError::Unknown));
    assert_eq!(issuer.fetches(), 1);
    later(Duration::from_secs(1)).await;
    for outcome in join_all((0..100).map(|_| source.ask(&token))).await {
        outcome.unwrap();
    }
    assert_eq!(issuer.fetches(), 2);
    // The old key is gone; and however many invented ones are named, nobody is bothered.
    assert_eq!(source.ask(&old.sign(Some("old"), claims())).await, Err(AuthError::Unknown));
    for n in 0..20 {
        assert_eq!(source.ask(&new.sign(Some(&format!("{n}")), claims())).await, Err(AuthError::Unknown));
    }
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn a_new_key_without_id_is_found_too() {
    let (old, new) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let issuer = Issuer::new(Answer::Keys(vec![old.jwk(json!({}))])).await;
    let source = issuer.source();
    source.ask(&old.sign(None, claims())).await.unwrap();
    issuer.answers(Answer::Keys(vec![new.jwk(json!({}))]));
    later(minutes(1)).await;
    source.ask(&new.sign(None, claims())).await.unwrap();
}

#[tokio::test]
async fn a_bad_signature_by_a_known_key_fetches_nothing() {
    let (signer, attacker) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let issuer = Issuer::new(Answer::Keys(vec![key(&signer, "1")])).await;
    let source = issuer.source();
    source.ask(&signer.sign(Some("1"), claims())).await.unwrap();
    later(minutes(1)).await;
    assert_eq!(source.ask(&attacker.sign(Some("1"), claims())).await, Err(AuthError::Unknown));
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_token_of_another_issuer_fetches_nothing() {
    let signer = Signer::new(Algorithm::ES256);
    let issuer = Issuer::new(Answer::Status(500)).await;
    let source = issuer.source();
    let foreign = signer.sign(Some("1"), with(claims(), json!({ "iss": "https://elsewhere.example.com" })));
    assert_eq!(source.ask(&foreign).await, Err(AuthError::Unknown));
    assert_eq!(source.ask("no token").await, Err(AuthError::Malformed));
    assert_eq!(issuer.fetches(), 0);
}

#[tokio::test]
async fn old_keys_are_renewed_behind_the_back_of_requests() {
    let (old, new) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let issuer = Issuer::new(Answer::Keys(vec![key(&old, "1")])).await;
    let source = issuer.source();
    let token = old.sign(Some("1"), claims());
    source.ask(&token).await.unwrap();
    issuer.answers(Answer::Keys(vec![key(&new, "1")]));
    later(minutes(15)).await;
    // The keys at hand decide: had it waited for the new ones, this would be refused.
    tokio_test::assert_ready!(tokio_test::task::spawn(source.ask(&token)).poll()).unwrap();
    source.settled().await;
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(source.ask(&token).await, Err(AuthError::Unknown));
    source.ask(&new.sign(Some("1"), claims())).await.unwrap();
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn keys_serve_for_a_day_while_their_url_is_down() {
    let signer = Signer::new(Algorithm::ES256);
    let issuer = Issuer::new(Answer::Keys(vec![key(&signer, "1")])).await;
    let source = issuer.source();
    let token = signer.sign(Some("1"), claims());
    source.ask(&token).await.unwrap();
    issuer.answers(Answer::Status(500));
    later(minutes(15)).await;
    source.ask(&token).await.unwrap();
    source.settled().await;
    assert_eq!(issuer.fetches(), 2);
    later(Duration::from_secs(29)).await;
    source.ask(&token).await.unwrap();
    source.settled().await;
    assert_eq!(issuer.fetches(), 2);
    later(minutes(23 * 60 + 44)).await;
    source.ask(&token).await.unwrap();
    source.settled().await;
    assert_eq!(issuer.fetches(), 3);
    later(minutes(1)).await;
    assert!(is_unavailable(&source.ask(&token).await));
    issuer.answers(Answer::Keys(vec![key(&signer, "1")]));
    later(Duration::from_secs(1)).await;
    source.ask(&token).await.unwrap();
}

#[tokio::test]
async fn while_its_url_is_down_nobody_says_that_a_key_does_not_exist() {
    let (old, new) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let issuer = Issuer::new(Answer::Keys(vec![key(&old, "old")])).await;
    let source = issuer.source();
    source.ask(&old.sign(Some("old"), claims())).await.unwrap();
    issuer.answers(Answer::Status(503));
    later(minutes(1)).await;
    let token = new.sign(Some("new"), claims());
    assert!(is_unavailable(&source.ask(&token).await));
    assert!(is_unavailable(&source.ask(&token).await));
    source.ask(&old.sign(Some("old"), claims())).await.unwrap();
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn no_keys_is_unavailable_and_asks_at_most_once_a_second() {
    let signer = Signer::new(Algorithm::ES256);
    let elsewhere = Issuer::new(Answer::Keys(vec![key(&signer, "1")])).await;
    let token = signer.sign(Some("1"), claims());
    for answer in [
        Answer::Status(404),
        Answer::Status(500),
        Answer::Text("<html>".into()),
        Answer::Text("{}".into()),
        Answer::Text(format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1024 * 1024))),
        Answer::Keys(vec![]),
        Answer::Redirect(elsewhere.url.join("keys").unwrap()),
    ] {
        let issuer = Issuer::new(answer).await;
        let source = issuer.source();
        for outcome in join_all((0..10).map(|_| source.ask(&token))).await {
            assert!(is_unavailable(&outcome), "{outcome:?}");
        }
        assert!(is_unavailable(&source.ask(&token).await));
        assert_eq!(issuer.fetches(), 1);
        issuer.answers(Answer::Keys(vec![key(&signer, "1")]));
        later(Duration::from_secs(1)).await;
        source.ask(&token).await.unwrap();
    }
    assert_eq!(elsewhere.fetches(), 0);
}

#[tokio::test]
async fn too_large_a_key_set_is_not_read() {
    let issuer = Issuer::new(Answer::Text(" ".repeat(1024 * 1024 + 1))).await;
    let Err(AuthError::Unavailable(why)) = issuer.source().ask(&hmac(Algorithm::HS256, b"s", claims())).await else {
        panic!("available")
    };
    assert_eq!(why, "the token keys of 127.0.0.1: the answer is longer than 1048576 bytes");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_ten_seconds() {
    let issuer = Issuer::new(Answer::Silence).await;
    let asked = tokio::time::Instant::now();
    assert!(is_unavailable(&issuer.source().ask(&hmac(Algorithm::HS256, b"s", claims())).await));
    assert!(asked.elapsed() < Duration::from_secs(11));
}

#[tokio::test]
async fn errors_name_the_host_and_no_more() {
    let mut url = nobody().await.join("keys?token=hunter2").unwrap();
    url.set_password(Some("hunter2")).unwrap();
    let source = builder().jwks_url(url).build().unwrap();
    let Err(AuthError::Unavailable(why)) = source.ask(&hmac(Algorithm::HS256, b"s", claims())).await else { panic!() };
    assert!(why.starts_with("the token keys of 127.0.0.1: ") && why.contains("refused"), "{why}");
    assert!(!why.contains("hunter2") && !format!("{source:?}").contains("hunter2"), "{why}");
}

#[tokio::test]
async fn what_a_key_is_for_is_honoured() {
    let signer = Signer::new(Algorithm::RS256);
    let token = signer.sign(Some("1"), claims());
    // A second key, so that the set is never without a usable one.
    let other = key(&Signer::new(Algorithm::ES256), "2");
    for (jwk, accepted) in [
        (json!({ "kid": "1" }), true),
        (json!({}), true),
        (json!({ "kid": "1", "alg": "RS256", "use": "sig", "key_ops": ["verify"] }), true),
        (json!({ "kid": "1", "use": "enc" }), false),
        (json!({ "kid": "1", "key_ops": ["encrypt"] }), false),
        (json!({ "kid": "1", "alg": "RS512" }), false),
        (json!({ "kid": "1", "alg": "PS256" }), false),
        (json!({ "kid": "1", "alg": "ES256" }), false),
        (json!({ "kid": "1", "alg": "HS256" }), false),
        (json!({ "kid": "1", "alg": "RSA-OAEP" }), false),
        (json!({ "kid": "1", "alg": "of tomorrow" }), false),
        (json!({ "kid": "3" }), false),
    ] {
        let issuer = Issuer::new(Answer::Keys(vec![signer.jwk(jwk.clone()), other.clone()])).await;
        let outcome = issuer.source().ask(&token).await;
        assert_eq!(outcome.map(|_| ()), if accepted { Ok(()) } else { Err(AuthError::Unknown) }, "{jwk}");
    }
}

#[tokio::test]
async fn keys_of_other_kinds_are_passed_over() {
    let signer = Signer::new(Algorithm::ES256);
    let issuer = Issuer::new(Answer::Keys(vec![
        json!(null),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "1" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "1" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "1" }),
        json!({ "kty": "RSA", "n": "***", "e": "AQAB", "kid": "1" }),
        key(&signer, "1"),
    ]))
    .await;
    issuer.source().ask(&signer.sign(Some("1"), claims())).await.unwrap();
}

#[tokio::test]
async fn a_published_secret_is_no_secret() {
    let rsa = Signer::new(Algorithm::RS256);
    // 43 characters of base64url: 32 bytes of `s`.
    let oct = json!({ "kty": "oct", "k": "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M", "kid": "1", "alg": "HS256" });
    let jwk = key(&rsa, "1");
    let issuer = Issuer::new(Answer::Keys(vec![oct, jwk.clone()])).await;
    let source = issuer.source();
    source.ask(&rsa.sign(Some("1"), claims())).await.unwrap();
    for known in ["s".repeat(32), jwk["n"].as_str().unwrap().into(), rsa.public_pem] {
        let token = hmac(Algorithm::HS256, known.as_bytes(), claims());
        assert_eq!(source.ask(&token).await, Err(AuthError::Unknown));
    }
}

#[tokio::test]
async fn keys_are_found_through_the_issuer() {
    let signer = Signer::new(Algorithm::ES256);
    let issuer = Issuer::new(Answer::Keys(vec![key(&signer, "1")])).await;
    let source = |name: &str| Jwt::builder().issuer(name).audience("aibridge").discover().build().unwrap();
    let token = |name: &str| signer.sign(Some("1"), with(claims(), json!({ "iss": name })));
    let name = issuer.url.as_str();
    source(name).ask(&token(name)).await.unwrap();
    assert_eq!(issuer.fetches(), 1);

    // The document must be of exactly this issuer.
    let bare = name.trim_end_matches('/');
    let Err(AuthError::Unavailable(why)) = source(bare).ask(&token(bare)).await else { panic!() };
    assert!(why.contains("the discovery document is of the issuer"), "{why}");
    assert_eq!(issuer.fetches(), 1);
}
