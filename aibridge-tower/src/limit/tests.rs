use std::{convert::Infallible, future::ready, io, num::NonZeroU32};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;
use uuid::Uuid;

use super::{InFlightLayer, RateLayer};
use crate::{
    auth::Actor,
    testing::{Script, Step, json},
};

fn streaming()
-> impl Service<Request<()>, Response = Response<Script>, Error = Infallible, Future: Send> + Clone + Send + 'static {
    service_fn(|_: Request<()>| ready(Ok(Response::new(Script::new([Step::data("a"), Step::data("b")])))))
}

#[tokio::test]
async fn a_request_is_in_flight_until_its_stream_is_dropped() {
    let service = InFlightLayer::new(Some(1)).layer(streaming());
    let ask = || service.clone().oneshot(Request::new(()));
    let mut first = ask().await.unwrap().into_body();
    assert_eq!(ask().await.unwrap().status(), 503);
    assert!(first.frame().await.is_some());
    assert_eq!(ask().await.unwrap().status(), 503);
    drop(first);
    assert_eq!(ask().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_exceeds_the_number_is_told_to_come_back() {
    let service = InFlightLayer::new(Some(0)).layer(streaming());
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(json(response.into_body()).await["error"]["code"], "overloaded");
}

#[tokio::test]
async fn a_request_that_fails_or_is_dropped_is_no_longer_in_flight() {
    let failing = service_fn(|_: Request<()>| ready(Err::<Response<Full<Bytes>>, _>(io::Error::other("broken"))));
    let service = InFlightLayer::new(Some(1)).layer(failing);
    for _ in 0..2 {
        assert!(service.clone().oneshot(Request::new(())).await.is_err(), "not refused");
        drop(service.clone().call(Request::new(())));
    }
}

#[tokio::test]
async fn services_of_one_layer_share_the_number_and_none_is_without_bound() {
    let layer = InFlightLayer::new(Some(1));
    let held = layer.layer(streaming()).oneshot(Request::new(())).await.unwrap();
    assert_eq!(layer.layer(streaming()).oneshot(Request::new(())).await.unwrap().status(), 503);
    drop(held);
    let service = InFlightLayer::new(None).layer(streaming());
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(service.clone().oneshot(Request::new(())).await.unwrap());
    }
    assert!(held.iter().all(|response| response.status() == 200));
}

fn from(actor: u128) -> Request<()> {
    Request::builder().extension(Actor::new(Uuid::from_u128(actor), "ali")).body(()).unwrap()
}

#[tokio::test]
async fn each_actor_has_a_rate_of_its_own() {
    let layer = RateLayer::new(NonZeroU32::new(2));
    let service = layer.layer(streaming());
    let ask = |actor| service.clone().oneshot(from(actor));
    assert_eq!(ask(1).await.unwrap().status(), 200);
    assert_eq!(ask(1).await.unwrap().status(), 200);
    let refused = ask(1).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"1".parse().unwrap()));
    assert_eq!(json(refused.into_body()).await["error"]["code"], "rate_limited");
    assert_eq!(ask(2).await.unwrap().status(), 200);
    assert_eq!(layer.layer(streaming()).oneshot(from(1)).await.unwrap().status(), 429, "services share the count");
}

#[tokio::test]
async fn a_rate_needs_an_actor_unless_there_is_none() {
    let limited = RateLayer::new(NonZeroU32::new(2)).layer(streaming());
    let response = limited.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), 500);
    let message = json(response.into_body()).await["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("Actor"), "{message}");
    let free = RateLayer::new(None).layer(streaming());
    assert_eq!(free.oneshot(Request::new(())).await.unwrap().status(), 200);
}
