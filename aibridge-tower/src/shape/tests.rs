use std::{
    error::Error,
    fmt,
    future::{Ready, ready},
    io,
    task::{Context, Poll},
    time::Duration,
};

use aibridge_providers::api::{Api, Reason, Refusal};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceExt, util::MapErrLayer};
use tower_layer::Layer;
use tower_service::Service;

use super::ShapeLayer;
use crate::{
    BoxError,
    record::RecordLayer,
    testing::{MESSAGES, Told, bytes, json, once, parsed},
    upstream::UpstreamError,
};

/// An error of the host's around another one.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret detail")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

fn wrapped(error: impl Into<BoxError>) -> Wrapped {
    Wrapped(Wrapped(error.into()).into())
}

async fn shaped(layer: ShapeLayer, path: &str, error: impl Into<BoxError>) -> (u16, serde_json::Value, Refusal) {
    let failing = once(Err::<Response<Full<Bytes>>, BoxError>(error.into()));
    let response = layer.layer(failing).oneshot(Request::post(path).body(()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    assert_eq!(head.headers["content-type"], "application/json");
    (head.status.as_u16(), json(body).await, head.extensions.get::<Refusal>().unwrap().clone())
}

#[tokio::test]
async fn the_first_error_that_is_known_decides_however_deep_it_is() {
    for (error, status, code) in [
        (wrapped(UpstreamError::Timeout(Duration::from_secs(600))), 504, "provider_timeout"),
        (wrapped(UpstreamError::Unreachable("refused".into())), 502, "provider_unreachable"),
        (wrapped(UpstreamError::NoRoute), 500, "internal"),
        (wrapped(io::Error::other("disk")), 500, "internal"),
    ] {
        let (found, body, refusal) = shaped(ShapeLayer::new(), "/v1/responses", error).await;
        assert_eq!((found, &body["error"]["code"], refusal.reason.as_str()), (status, &code.into(), code));
        assert!(!body.to_string().contains("secret detail"));
    }
}

#[tokio::test]
async fn an_error_has_the_format_of_the_path() {
    let error = || UpstreamError::Unreachable("refused".into());
    let (_, body, _) = shaped(ShapeLayer::new(), MESSAGES, error()).await;
    assert_eq!((&body["type"], &body["error"]["type"]), (&"error".into(), &"api_error".into()));
    let (_, body, _) = shaped(ShapeLayer::new(), "/anything", error()).await;
    assert_eq!(body["error"]["type"], "server_error");
}

#[tokio::test]
async fn a_host_recognises_its_own_errors_first() {
    let layer = || {
        ShapeLayer::new().recognise(|error| {
            let full = error.downcast_ref::<io::Error>()?.kind() == io::ErrorKind::StorageFull;
            full.then(|| Refusal::new(Reason::Overloaded, "the disk is full"))
        })
    };
    let full = wrapped(io::Error::from(io::ErrorKind::StorageFull));
    let (status, body, _) = shaped(layer(), "/", full).await;
    assert_eq!((status, &body["error"]["message"]), (503, &"the disk is full".into()));
    let around_ours = wrapped(UpstreamError::Unreachable(io::Error::from(io::ErrorKind::StorageFull).into()));
    assert_eq!(shaped(layer(), "/", around_ours).await.0, 503);
    assert_eq!(shaped(layer(), "/", wrapped(io::Error::other("disk"))).await.0, 500);
}

#[tokio::test]
async fn an_interception_that_failed_is_named_and_has_the_format_of_its_api() {
    let told = Told::default();
    let failing = once(Err::<Response<Full<Bytes>>, _>(UpstreamError::Timeout(Duration::from_secs(600))));
    let recorded = RecordLayer::new(told.clone()).layer(failing);
    let service = ShapeLayer::new().layer(MapErrLayer::new(wrapped).layer(recorded));
    let mut request = parsed(Api::Messages, r#"{"model":"claude"}"#);
    *request.uri_mut() = "/unlike/any/api".parse().unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(response.headers()["x-ai-bridge-interception-id"], told.starts()[0].id.to_string());
    assert_eq!(json(response.into_body()).await["type"], "error");
    let expected =
        ["start messages claude", "tokens 0+0 cache 0/0 none -", "end gateway_error 504 0B provider_timeout"];
    assert_eq!(told.calls(), expected);
}

#[tokio::test]
async fn what_does_not_fail_passes_untouched() {
    let answer = Response::builder().status(418).header("x-a", "b").body(Full::<Bytes>::from("teapot")).unwrap();
    let service = ShapeLayer::new().layer(once(Ok::<_, BoxError>(answer)));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-a"]), (418, &"b".parse().unwrap()));
    assert_eq!(bytes(response.into_body()).await, "teapot");
}

/// Fails to become ready every other time.
#[derive(Clone)]
struct Flickers(bool);

impl Service<Request<()>> for Flickers {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Full<Bytes>>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0 = !self.0;
        Poll::Ready(if self.0 { Err(UpstreamError::Unreachable("refused".into()).into()) } else { Ok(()) })
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Full::from("ok"))))
    }
}

#[tokio::test]
async fn a_service_that_was_not_ready_once_is_asked_again() {
    let mut service = ShapeLayer::new().layer(Flickers(false));
    for expected in [502, 200, 502] {
        let response = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
        assert_eq!(response.status(), expected);
    }
    // What failed without being called says nothing about the next readiness, nor about a clone.
    service.ready().await.unwrap();
    service.ready().await.unwrap();
    let clone = service.clone();
    assert_eq!(clone.oneshot(Request::new(())).await.unwrap().status(), 200);
}
