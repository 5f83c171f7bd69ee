use std::{sync::Barrier, thread};

use super::*;
use crate::{
    bedrock::{Protocol, Settings},
    provider::{BaseUrl, Registry},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn of(name: &str, base: &str, keys: &[&str]) -> Instance {
    let base = BaseUrl::parse(base).unwrap();
    keys.iter().fold(Instance::builder(Kind::OpenAi, base).name(name), |it, key| it.key(Secret::new(*key))).build()
}

fn three() -> Instance {
    of("openai", "https://api.openai.com/v1/", &["one", "two", "three"])
}

fn on_bedrock(pairs: &[(&str, &str)]) -> Instance {
    let pair = |(id, secret): &(&str, &str)| KeyPair { id: Secret::new(*id), secret: Secret::new(*secret) };
    let settings = Settings {
        protocol: Protocol::InvokeModel,
        region: "eu-central-1".to_owned(),
        model: String::new(),
        small_fast_model: String::new(),
        credentials: pairs.iter().map(pair).collect(),
        role_arn: None,
        external_id: None,
    };
    let base = BaseUrl::parse("https://bedrock-runtime.eu-central-1.amazonaws.com").unwrap();
    Instance::builder(Kind::Bedrock, base).bedrock(settings).build()
}

#[test]
fn the_first_usable_key_is_taken_in_their_order() {
    let (instance, now) = (three(), Instant::now());
    let pool = instance.pool();
    assert_eq!(pool.pick(None, &[], now), Ok(0));
    assert!(pool.mark(0, Verdict::RateLimited(seconds(10)), now));
    assert_eq!(pool.pick(None, &[], now), Ok(1));
    assert!(pool.mark(1, Verdict::Refused, now));
    assert_eq!(pool.pick(None, &[], now), Ok(2));
    assert_eq!(pool.pick(None, &[], now + seconds(10)), Ok(0), "it has cooled down");
    assert!(pool.mark(0, Verdict::RateLimited(seconds(3600)), now + seconds(10)));
    assert_eq!(pool.pick(None, &[], now + seconds(59)), Ok(2));
    assert_eq!(pool.pick(None, &[], now + seconds(60)), Ok(1), "a refused key is asked again after a minute");
}

#[test]
fn a_key_is_tried_once_in_a_request_even_if_it_can_be_used_again_at_once() {
    let (instance, now) = (three(), Instant::now());
    let pool = instance.pool();
    pool.mark(0, Verdict::RateLimited(Duration::ZERO), now);
    assert_eq!(pool.pick(None, &[], now), Ok(0));
    assert_eq!(pool.pick(None, &[0], now), Ok(1));
    assert_eq!(pool.pick(None, &[0, 1], now), Ok(2));
    assert_eq!(pool.pick(None, &[0, 1, 2], now), Err(Exhausted::RateLimited(Duration::ZERO)));
}

#[test]
fn a_preferred_key_comes_first_as_long_as_it_is_usable() {
    let (instance, now) = (three(), Instant::now());
    let pool = instance.pool();
    assert_eq!(pool.pick(Some(2), &[], now), Ok(2));
    assert_eq!(pool.pick(Some(2), &[2], now), Ok(0));
    assert_eq!(pool.pick(Some(7), &[], now), Ok(0), "it is gone");
    pool.mark(2, Verdict::Refused, now);
    assert_eq!(pool.pick(Some(2), &[], now), Ok(0));
}

#[test]
fn exhausted_is_rate_limited_if_any_key_is_and_says_how_long() {
    let (instance, now) = (three(), Instant::now());
    let pool = instance.pool();
    for slot in 0..3 {
        pool.mark(slot, Verdict::Refused, now);
    }
    assert_eq!(pool.pick(None, &[], now), Err(Exhausted::Refused));
    for (slot, wait) in [(1, 90), (2, 75)] {
        pool.mark(slot, Verdict::RateLimited(seconds(wait)), now);
    }
    assert_eq!(pool.pick(None, &[], now), Err(Exhausted::RateLimited(seconds(75))));
    assert_eq!(pool.pick(None, &[0, 1], now + seconds(74)), Err(Exhausted::RateLimited(seconds(1))));
    assert_eq!(pool.states(now), KeyStates { usable: 0, rate_limited: 2, refused: 1 });
    assert_eq!(pool.states(now + seconds(80)), KeyStates { usable: 2, rate_limited: 1, refused: 0 });
}

#[test]
fn a_later_verdict_prolongs_and_never_shortens() {
    let (instance, now) = (three(), Instant::now());
    let pool = instance.pool();
    assert!(pool.mark(0, Verdict::RateLimited(seconds(30)), now));
    assert!(!pool.mark(0, Verdict::RateLimited(seconds(5)), now), "another limit, of requests instead of tokens");
    assert!(!pool.is_usable(0, now + seconds(29)));
    assert!(!pool.mark(0, Verdict::RateLimited(seconds(30)), now + seconds(10)), "it was out already");
    assert!(!pool.is_usable(0, now + seconds(39)) && pool.is_usable(0, now + seconds(40)));
    pool.mark(1, Verdict::RateLimited(Duration::MAX), now);
    assert!(!pool.is_usable(1, now + seconds(86_399)) && pool.is_usable(1, now + seconds(86_400)));
    assert!(!pool.mark(3, Verdict::Refused, now) && !pool.is_usable(3, now), "no such key");
}

#[test]
fn a_reload_keeps_what_is_known_of_the_keys_that_stay() {
    let (registry, now) = (Registry::new([three()]), Instant::now());
    let held = registry.find("openai").unwrap();
    held.pool().mark(1, Verdict::Refused, now);
    let sticky = held.pool().key(2).unwrap().clone();
    registry.replace([of("openai", "https://api.openai.com/v1/", &["three", "new", "two"])]);
    let reloaded = registry.find("openai").unwrap();
    let usable = |it: &Instance| (0..3).map(|slot| it.pool().is_usable(slot, now)).collect::<Vec<_>>();
    assert_eq!(usable(&reloaded), [true, true, false]);
    assert_eq!(reloaded.pool().position(&sticky), Some(0));
    assert_eq!(reloaded.pool().position(held.pool().key(0).unwrap()), None);
    held.pool().mark(2, Verdict::Refused, now);
    assert_eq!(usable(&reloaded), [false, true, false], "requests that still run tell the others");

    registry.replace([of("openai", "https://elsewhere.example/v1/", &["three", "new", "two"])]);
    assert_eq!(usable(&registry.find("openai").unwrap()), [true; 3], "another provider knows nothing of them");
}

#[test]
fn access_keys_on_bedrock_are_a_pool_and_the_default_chain_is_one_of_one() {
    let now = Instant::now();
    let (pairs, chain) = (on_bedrock(&[("AKIAIOSFODNN7EXAMPLE", "s"), ("AKIAI44QH8DHBEXAMPLE", "t")]), on_bedrock(&[]));
    assert_eq!((pairs.pool().len(), &*pairs.pool().hint(1)), (2, "AKIA...MPLE"));
    assert_eq!((chain.pool().len(), &*chain.pool().hint(0)), (1, ""));
    let registry = Registry::new([pairs]);
    registry.find("bedrock").unwrap().pool().mark(0, Verdict::Refused, now);
    registry.replace([on_bedrock(&[("AKIAIOSFODNN7EXAMPLE", "s"), ("AKIAI44QH8DHBEXAMPLE", "t")])]);
    assert!(!registry.find("bedrock").unwrap().pool().is_usable(0, now));
    registry.replace([on_bedrock(&[("AKIAIOSFODNN7EXAMPLE", "renewed")])]);
    assert!(registry.find("bedrock").unwrap().pool().is_usable(0, now), "another secret is another key");
}

#[test]
fn threads_share_the_state_and_one_of_them_sees_the_change() {
    let (instance, now) = (Arc::new(three()), Instant::now());
    let barrier = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (instance, barrier) = (instance.clone(), barrier.clone());
            thread::spawn(move || {
                barrier.wait();
                instance.pool().mark(0, Verdict::RateLimited(seconds(9)), now)
            })
        })
        .collect();
    let changes = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|seen| *seen).count();
    assert_eq!(changes, 1);
    assert_eq!(instance.pool().pick(None, &[], now), Ok(1));
}

#[test]
fn debug_output_shows_no_key() {
    let instance = three();
    assert_eq!(format!("{:?} {:?}", instance.pool(), instance.pool().key(0)), "KeyPool { slots: 3 } Some(Key)");
}
