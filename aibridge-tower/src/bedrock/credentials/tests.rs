use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use aibridge_providers::{
    api::Api,
    bedrock::Protocol,
    provider::{BaseUrl, Endpoint, Kind, Secret},
};
use tokio::{
    sync::oneshot,
    time::{Instant, advance, sleep},
};
use tower::ServiceExt;
use tower_layer::Layer;

use super::*;
use crate::{
    ProviderRoute,
    bedrock::{
        BedrockLayer,
        tests::{ASK, EVENTS, asking, frame, framed},
    },
    testing::{Step, bytes, once},
};

const HOUR: Duration = Duration::from_secs(3600);

fn instance(pairs: &[&str], role: Option<&str>) -> Arc<Instance> {
    let settings = Settings {
        protocol: Protocol::InvokeModel,
        region: "us-east-1".to_owned(),
        model: "m".to_owned(),
        small_fast_model: "s".to_owned(),
        credentials: pairs.iter().map(|id| KeyPair { id: Secret::new(*id), secret: Secret::new("secret") }).collect(),
        role_arn: role.map(str::to_owned),
        external_id: None,
    };
    let base = BaseUrl::parse("https://bedrock.example").unwrap();
    Arc::new(Instance::builder(Kind::Bedrock, base).name("bedrock").bedrock(settings).build())
}

/// What is given out next, and after how long. `None` is a failure.
type Next = (Duration, Option<AwsCredentials>);

/// Gives out what it is told to, in order; the last again and again.
#[derive(Clone, Default)]
struct Fake {
    script: Arc<Mutex<VecDeque<Next>>>,
    asked: Arc<AtomicUsize>,
}

impl Fake {
    fn giving(script: impl IntoIterator<Item = Next>) -> Fake {
        Fake { script: Arc::new(Mutex::new(script.into_iter().collect())), asked: Arc::default() }
    }

    fn credentials(&self) -> Credentials {
        self.credentials_on(Handle::current())
    }

    fn credentials_on(&self, runtime: Handle) -> Credentials {
        let fake = self.clone();
        let ask: Ask = Box::new(move |_, _| {
            fake.asked.fetch_add(1, Ordering::Relaxed);
            let mut script = fake.script.lock().unwrap();
            let (wait, given) = if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() };
            Box::pin(async move {
                sleep(wait).await;
                given.ok_or_else(|| CredentialsError::not_loaded("there are none"))
            })
        });
        Credentials::asking(runtime, ask)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Credentials of that name, for so long; the wall clock does not move in these tests.
fn lasting(id: &str, life: Option<Duration>) -> AwsCredentials {
    AwsCredentials::new(id, "secret", Some("token".to_owned()), life.map(|life| SystemTime::now() + life), "test")
}

fn at_once(id: &str, life: Duration) -> Next {
    (Duration::ZERO, Some(lasting(id, Some(life))))
}

const FAILS: Next = (Duration::ZERO, None);

/// What is known now, without waiting.
fn now(credentials: &Credentials, instance: &Arc<Instance>) -> Option<String> {
    match credentials.find(instance, instance.bedrock.as_ref().unwrap(), 0) {
        Found::Known(known) => Some(known.access_key_id().to_owned()),
        _ => None,
    }
}

/// What a request signs with, after waiting if it has to.
async fn signs_with(credentials: &Credentials, instance: &Arc<Instance>) -> Result<String, &'static str> {
    match credentials.find(instance, instance.bedrock.as_ref().unwrap(), 0) {
        Found::Known(known) => Ok(known.access_key_id().to_owned()),
        Found::Pending(pending) => {
            pending.await.map(|known| known.access_key_id().to_owned()).map_err(|_| "waited in vain")
        }
        Found::Failed => Err("failed at once"),
    }
}

/// Lets tasks run until they wait for a time to come.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn static_keys_are_used_as_they_are() {
    let fake = Fake::giving([FAILS]);
    let credentials = fake.credentials();
    let instance = instance(&["AKIA1", "AKIA2"], None);
    let settings = instance.bedrock.as_ref().unwrap();
    for (slot, id) in [(0, "AKIA1"), (1, "AKIA2"), (7, "AKIA1")] {
        let Found::Known(known) = credentials.find(&instance, settings, slot) else { panic!("not known") };
        assert_eq!((known.access_key_id(), known.session_token(), known.expiry()), (id, None, None));
    }
    credentials.expired(&instance, settings, 0);
    settle().await;
    assert_eq!(fake.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_it_is_needed_and_then_once_for_all_who_wait() {
    let fake = Fake::giving([(Duration::from_secs(2), Some(lasting("ASIA1", Some(HOUR))))]);
    let credentials = fake.credentials();
    let instance = instance(&[], None);
    settle().await;
    assert_eq!(fake.asked(), 0);
    let begun = Instant::now();
    let clone = credentials.clone();
    let (one, other) = tokio::join!(signs_with(&credentials, &instance), signs_with(&clone, &instance));
    assert_eq!((one.unwrap(), other.unwrap(), fake.asked()), ("ASIA1".to_owned(), "ASIA1".to_owned(), 1));
    assert_eq!(begun.elapsed().as_secs(), 2);
    sleep(Duration::from_secs(60)).await;
    assert_eq!((now(&credentials, &instance).as_deref(), fake.asked()), (Some("ASIA1"), 1));
}

#[tokio::test(start_paused = true)]
async fn they_are_replaced_before_they_expire_and_the_old_ones_serve_meanwhile() {
    let slowly = (Duration::from_secs(20), Some(lasting("ASIA2", Some(2 * HOUR))));
    let fake = Fake::giving([at_once("ASIA1", HOUR), slowly]);
    let credentials = fake.credentials();
    let instance = instance(&["AKIA"], Some("arn:aws:iam::1:role/r"));
    assert_eq!(signs_with(&credentials, &instance).await.unwrap(), "ASIA1");
    let mut changed = None;
    for second in 0..3600 {
        let known = now(&credentials, &instance).expect("never on the request's path once known");
        if known == "ASIA2" && changed.is_none() {
            changed = Some(second);
        }
        sleep(Duration::from_secs(1)).await;
    }
    let changed = changed.expect("replaced");
    assert!((3315..3330).contains(&changed), "five minutes before, and 20 s for the answer: {changed}");
    assert_eq!(fake.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn short_lived_ones_are_replaced_in_the_last_fifth_of_their_life() {
    let life = Duration::from_secs(100);
    let fake = Fake::giving([at_once("ASIA1", life), at_once("ASIA2", HOUR)]);
    let credentials = fake.credentials();
    let instance = instance(&[], None);
    signs_with(&credentials, &instance).await.unwrap();
    sleep(Duration::from_secs(79)).await;
    assert_eq!(now(&credentials, &instance).unwrap(), "ASIA1");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(now(&credentials, &instance).unwrap(), "ASIA2");
}

#[tokio::test(start_paused = true)]
async fn ones_that_do_not_expire_are_read_again_now_and_then() {
    let forever = |id| (Duration::ZERO, Some(lasting(id, None)));
    let fake = Fake::giving([forever("AKIA1"), forever("AKIA2"), FAILS]);
    let credentials = fake.credentials();
    let instance = instance(&[], None);
    signs_with(&credentials, &instance).await.unwrap();
    sleep(Duration::from_secs(901)).await;
    assert_eq!(now(&credentials, &instance).unwrap(), "AKIA2");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(now(&credentials, &instance).unwrap(), "AKIA2", "that they cannot be read again does not end them");
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_is_tried_again_until_the_old_ones_expire_and_then_told() {
    let fake = Fake::giving([at_once("ASIA1", HOUR), FAILS]);
    let credentials = fake.credentials();
    let instance = instance(&[], None);
    signs_with(&credentials, &instance).await.unwrap();
    sleep(HOUR - Duration::from_secs(10)).await;
    assert_eq!(now(&credentials, &instance).unwrap(), "ASIA1");
    assert!((10..14).contains(&fake.asked()), "every half a minute: {}", fake.asked());
    sleep(Duration::from_secs(40)).await;
    assert!(signs_with(&credentials, &instance).await.is_err());
    let asked = fake.asked();
    sleep(HOUR).await;
    assert!(fake.asked() <= asked + 1, "with nobody who needs them they are not asked for");
}

#[tokio::test(start_paused = true)]
async fn expired_ones_are_not_used_and_requests_wait_for_the_next() {
    let late = (Duration::from_secs(25), Some(lasting("ASIA2", Some(HOUR))));
    let fake = Fake::giving([at_once("ASIA1", Duration::from_secs(50)), FAILS, late]);
    let credentials = fake.credentials();
    let instance = instance(&[], None);
    signs_with(&credentials, &instance).await.unwrap();
    sleep(Duration::from_secs(46)).await;
    assert_eq!(now(&credentials, &instance), None, "in their last seconds they are too old");
    assert_eq!(signs_with(&credentials, &instance).await.unwrap(), "ASIA2");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_requests_are_refused_for_a_moment_and_then_it_is_tried_again() {
    let fake = Fake::giving([FAILS, at_once("ASIA1", HOUR)]);
    let credentials = fake.credentials();
    let instance = instance(&[], None);
    assert_eq!(signs_with(&credentials, &instance).await, Err("waited in vain"));
    assert_eq!(signs_with(&credentials, &instance).await, Err("failed at once"));
    sleep(Duration::from_secs(6)).await;
    assert_eq!((fake.asked(), signs_with(&credentials, &instance).await.unwrap()), (1, "ASIA1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn aws_is_not_waited_for_for_ever() {
    let fake = Fake::giving([(24 * HOUR, None)]);
    let begun = Instant::now();
    let instance = instance(&[], None);
    assert_eq!(signs_with(&fake.credentials(), &instance).await, Err("waited in vain"));
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_when_it_comes_is_a_failure() {
    let fake = Fake::giving([at_once("ASIA1", Duration::ZERO)]);
    let instance = instance(&[], None);
    assert_eq!(signs_with(&fake.credentials(), &instance).await, Err("waited in vain"));
}

#[tokio::test(start_paused = true)]
async fn what_aws_calls_expired_is_asked_for_again_at_once_but_not_all_the_time() {
    let fake = Fake::giving([at_once("ASIA1", HOUR), at_once("ASIA2", HOUR)]);
    let credentials = fake.credentials();
    let instance = instance(&[], None);
    signs_with(&credentials, &instance).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    for _ in 0..20 {
        credentials.expired(&instance, instance.bedrock.as_ref().unwrap(), 0);
        settle().await;
    }
    assert_eq!((now(&credentials, &instance).unwrap(), fake.asked()), ("ASIA2".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn slots_and_instances_are_kept_apart() {
    let fake = Fake::giving([at_once("ASIA1", HOUR), at_once("ASIA2", HOUR), at_once("ASIA3", HOUR)]);
    let credentials = fake.credentials();
    let (one, other) = (instance(&["A", "B"], Some("role")), instance(&["A", "B"], Some("role")));
    let at = async |instance: &Arc<Instance>, slot| match credentials.find(
        instance,
        instance.bedrock.as_ref().unwrap(),
        slot,
    ) {
        Found::Known(known) => known.access_key_id().to_owned(),
        Found::Pending(pending) => pending.await.unwrap().access_key_id().to_owned(),
        Found::Failed => panic!("failed"),
    };
    assert_eq!(
        (at(&one, 0).await, at(&one, 1).await, at(&other, 0).await),
        ("ASIA1".into(), "ASIA2".into(), "ASIA3".into())
    );
    assert_eq!((at(&one, 0).await, at(&one, 1).await, fake.asked()), ("ASIA1".into(), "ASIA2".into(), 3));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_instance() {
    let fake = Fake::giving([at_once("ASIA1", HOUR)]);
    let credentials = fake.credentials();
    let old = instance(&[], None);
    signs_with(&credentials, &old).await.unwrap();
    drop(old);
    sleep(3 * HOUR).await;
    assert_eq!(fake.asked(), 1);
    signs_with(&credentials, &instance(&[], None)).await.unwrap();
    assert_eq!(credentials.inner.sources.lock().unwrap().len(), 1, "what is over is forgotten");
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_clone() {
    let fake = Fake::giving([at_once("ASIA1", HOUR)]);
    let instance = instance(&[], None);
    let credentials = fake.credentials();
    signs_with(&credentials, &instance).await.unwrap();
    drop(credentials);
    settle().await;
    advance(3 * HOUR).await;
    settle().await;
    assert_eq!((fake.asked(), Arc::strong_count(&fake.asked)), (1, 1));
}

#[test]
fn a_worker_that_ends_does_not_take_credentials_with_it() {
    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let (handle, handed) = std::sync::mpsc::channel();
    let main = std::thread::spawn(move || {
        let runtime = runtime();
        handle.send(runtime.handle().clone()).unwrap();
        let _ = runtime.block_on(stopped);
    });
    let fake = Fake::giving([(Duration::from_millis(50), Some(lasting("ASIA1", Some(HOUR))))]);
    let credentials = fake.credentials_on(handed.recv().unwrap());
    let instance = instance(&[], None);
    let worker = runtime();
    // The first worker asks, and is gone before the answer is there.
    assert_eq!(worker.block_on(async { now(&credentials, &instance) }), None);
    drop(worker);
    assert_eq!(runtime().block_on(signs_with(&credentials, &instance)).unwrap(), "ASIA1");
    assert_eq!(fake.asked(), 1);
    stop.send(()).unwrap();
    main.join().unwrap();
    // Nobody can ask any more: what is known serves, and what is not is refused.
    assert!(runtime().block_on(signs_with(&credentials, &super::tests::instance(&[], None))).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_the_credentials_it_was_signed_with() {
    let fake = Fake::giving([at_once("ASIA1", HOUR), FAILS]);
    let layer = BedrockLayer::new(fake.credentials());
    let instance = instance(&[], None);
    let ask = || {
        let route = ProviderRoute::new(instance.clone(), Endpoint::Intercepted(Api::Messages), "/v1/messages");
        asking(route, ASK)
    };
    let [first, second, last] = EVENTS.map(|event| Step::Data(frame(event)));
    let answer = framed([first, Step::Wait(2 * HOUR), second, Step::Wait(HOUR), last]);
    let answer = layer.layer(once(Ok::<_, Infallible>(answer))).oneshot(ask()).await.unwrap();
    let begun = Instant::now();
    let text = String::from_utf8(bytes(answer.into_body()).await.to_vec()).unwrap();
    assert_eq!((begun.elapsed(), text.matches("event: ").count(), text.contains("error")), (3 * HOUR, 3, false));
    // Who comes now is told that there are none, by the instance's name alone.
    let refused = layer.layer(once(Ok::<_, Infallible>(framed([])))).oneshot(ask()).await.unwrap();
    assert_eq!(refused.status(), 502);
    let text = String::from_utf8(bytes(refused.into_body()).await.to_vec()).unwrap();
    assert!(text.contains("bedrock") && !text.contains("ASIA") && !text.contains("there are none"), "{text}");
}
