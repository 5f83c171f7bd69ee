//! Every layer keeps tower's contract: what it calls is ready, what it holds it gives back, and what the service below
//! says about itself surfaces.

#[path = "readiness/probe.rs"]
mod probe;
#[path = "readiness/waiting.rs"]
mod waiting;

use std::task::Poll;

use aibridge_tower::{
    actor_headers::{ActorHeaderNames, ActorHeadersLayer},
    auth::AuthLayer,
    bedrock::{BedrockLayer, Credentials, ProxiedLayer},
    breaker::{BreakerLayer, Policy},
    dump::DumpLayer,
    keys::KeysLayer,
    limit::{InFlightLayer, RateLayer},
    models::ModelsLayer,
    parse::{AiBody, ParseLayer},
    passthrough::{PassthroughLayer, RequestBody},
    record::{RecordLayer, follow::FollowLayer},
    route::{ProbeLayer, RouteLayer},
    tools::ToolsLayer,
};
use bytes::Bytes;
use futures::future::poll_fn;
use http::{Request, Response};
use http_body_util::Full;
use probe::{Anybody, Forgets, OneTool, Probe, is_broken, parsed, plain, proxied, registry, shape, to_bedrock};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{ServiceExt, limit::ConcurrencyLimit};
use tower_layer::Layer;
use tower_service::Service;
use tower_test::mock;

/// The contract of one layer: `$service` is the layer around `$inner`, asked `$request`.
macro_rules! contract {
    ($name:ident, |$inner:ident| $service:expr, $request:expr, $body:ty) => {
        mod $name {
            use super::*;

            type Sent = Request<$body>;

            #[tokio::test]
            async fn what_it_calls_is_ready() {
                let $inner = Probe::answers();
                let mut service = $service;
                // One service serves one call after another, and so do its clones, whether it was ready or not.
                for _ in 0..3 {
                    ServiceExt::<Sent>::ready(&mut service).await.unwrap();
                    let mut clone = service.clone();
                    assert_eq!(service.call($request).await.unwrap().status(), 200);
                    ServiceExt::<Sent>::ready(&mut clone).await.unwrap();
                    assert_eq!(clone.call($request).await.unwrap().status(), 200);
                }
            }

            #[tokio::test]
            async fn a_call_that_is_over_holds_nothing() {
                let $inner = Probe::answers();
                let held = $inner.held();
                let mut service = $service;
                ServiceExt::<Sent>::ready(&mut service).await.unwrap();
                let call = service.call($request);
                drop(service);
                assert_eq!(held(), 1, "the call holds the readiness it was given");
                let response = call.await.unwrap();
                assert_eq!(held(), 0);
                drop(response);
            }

            #[tokio::test]
            async fn a_future_dropped_before_its_first_poll_gives_back_what_it_holds() {
                let $inner = Probe::answers();
                let held = $inner.held();
                let mut service = $service;
                ServiceExt::<Sent>::ready(&mut service).await.unwrap();
                let call = service.call($request);
                drop(service);
                assert_eq!(held(), 1);
                drop(call);
                assert_eq!(held(), 0);
            }

            #[tokio::test]
            async fn a_future_dropped_while_calling_gives_back_what_it_holds() {
                let $inner = Probe::never_answers();
                let held = $inner.held();
                let mut service = $service;
                ServiceExt::<Sent>::ready(&mut service).await.unwrap();
                let mut call = task::spawn(service.call($request));
                drop(service);
                assert_pending!(call.poll());
                assert_eq!(held(), 1);
                drop(call);
                assert_eq!(held(), 0);
            }

            #[tokio::test]
            async fn it_is_ready_when_the_inner_service_is() {
                let ($inner, mut handle) = mock::pair::<_, Response<Full<Bytes>>>();
                let mut service = mock::Spawn::new($service);
                handle.allow(0);
                assert_pending!(service.poll_ready::<Sent>());
                handle.allow(1);
                assert!(service.is_woken());
                assert_ready_ok!(service.poll_ready::<Sent>());
                let mut call = task::spawn(service.call($request));
                assert_pending!(call.poll());
                let Poll::Ready(Some((_, answer))) = task::spawn(handle.next_request()).poll() else {
                    panic!("the request has not reached the inner service")
                };
                answer.send_response(Response::new(Full::from("answered")));
                assert_eq!(assert_ready_ok!(call.poll()).status(), 200);
                assert_pending!(service.poll_ready::<Sent>());
            }

            #[tokio::test]
            async fn an_inner_service_that_fails_to_become_ready_is_not_called_and_says_why() {
                let $inner = Probe::broken();
                let mut service = $service;
                let result = match poll_fn(|cx| Service::<Sent>::poll_ready(&mut service, cx)).await {
                    Ok(()) => service.call($request).await.map_err(Into::into),
                    Err(error) => Err(error.into()),
                };
                assert!(is_broken(&result), "{:?}", result.map(|response| response.status()));
            }

            #[tokio::test]
            async fn a_concurrency_limit_below_counts_its_calls() {
                let probe = Probe::never_answers();
                let $inner = ConcurrencyLimit::new(probe, 1);
                let mut service = $service;
                let mut other = service.clone();
                ServiceExt::<Sent>::ready(&mut service).await.unwrap();
                let mut call = task::spawn(service.call($request));
                drop(service);
                assert_pending!(call.poll());
                let mut next = task::spawn(ServiceExt::<Sent>::ready(&mut other));
                assert_pending!(next.poll());
                drop(call);
                assert!(next.is_woken());
                assert_ready_ok!(next.poll());
            }
        }
    };
}

contract!(shape_layer, |inner| shape().layer(inner), plain(), Full<Bytes>);
contract!(probe_layer, |inner| ProbeLayer::new(registry()).layer(inner), plain(), Full<Bytes>);
contract!(in_flight, |inner| InFlightLayer::new(Some(8)).layer(inner), plain(), Full<Bytes>);
contract!(auth, |inner| AuthLayer::new(Anybody).layer(inner), plain(), Full<Bytes>);
contract!(rate, |inner| RateLayer::new(std::num::NonZeroU32::new(8)).layer(inner), plain(), Full<Bytes>);
contract!(route, |inner| RouteLayer::new(registry()).layer(inner), plain(), Full<Bytes>);
contract!(intercepted, |inner| PassthroughLayer::new(Probe::answers()).layer(inner), plain(), Full<Bytes>);
contract!(passed_through, |inner| PassthroughLayer::new(inner).layer(Probe::answers()), proxied(), Full<Bytes>);
contract!(follow, |inner| FollowLayer::new(Forgets).layer(inner), proxied(), Full<Bytes>);
contract!(parse, |inner| ParseLayer::new().layer(inner), plain(), Full<Bytes>);
contract!(record, |inner| RecordLayer::new(Forgets).layer(inner), parsed(), AiBody);
contract!(tools, |inner| ToolsLayer::new(OneTool::known()).layer(inner), parsed(), AiBody);
contract!(tools_that_are_asked_for, |inner| ToolsLayer::new(OneTool::asked_for()).layer(inner), parsed(), AiBody);
contract!(without_tools, |inner| ToolsLayer::off().layer(inner), parsed(), AiBody);
contract!(actor_headers, |inner| ActorHeadersLayer::new(ActorHeaderNames::default()).layer(inner), parsed(), AiBody);
contract!(models, |inner| ModelsLayer::new().layer(inner), parsed(), AiBody);
contract!(breaker, |inner| BreakerLayer::new(Some(Policy::default())).layer(inner), parsed(), AiBody);
contract!(keys, |inner| KeysLayer::new().layer(inner), parsed(), AiBody);
contract!(past_bedrock, |inner| BedrockLayer::new(Credentials::new()).layer(inner), parsed(), AiBody);
contract!(bedrock, |inner| BedrockLayer::new(Credentials::new()).layer(inner), to_bedrock(parsed(), None), AiBody);
contract!(
    proxied_past_bedrock,
    |inner| ProxiedLayer::new(Credentials::new()).layer(inner),
    proxied().map(RequestBody::new),
    RequestBody<Full<Bytes>>
);
contract!(
    proxied_to_bedrock,
    |inner| ProxiedLayer::new(Credentials::new()).layer(inner),
    to_bedrock(proxied().map(RequestBody::new), None),
    RequestBody<Full<Bytes>>
);
contract!(keys_that_may_try_again, |inner| KeysLayer::new().max_retries(1).layer(inner), parsed(), AiBody);
contract!(dump_layer, |inner| DumpLayer::off().layer(inner), parsed(), AiBody);
contract!(dump_proxied, |inner| DumpLayer::off().proxied().layer(inner), proxied(), Full<Bytes>);
