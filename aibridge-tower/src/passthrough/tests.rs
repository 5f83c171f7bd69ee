use std::io;

use aibridge_providers::{api::Api, provider::Endpoint};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::PassthroughLayer;
use crate::{
    ProviderRoute,
    testing::{Script, Step, bytes, once, routed},
};

fn proxied() -> Request<()> {
    let mut request = routed(Api::Chat, ());
    request.extensions_mut().get_mut::<ProviderRoute>().unwrap().endpoint = Endpoint::Passthrough;
    request
}

/// Which of the two services answers.
async fn answers(request: Request<()>) -> Bytes {
    let inner = once(Ok::<_, io::Error>(Response::new(Full::<Bytes>::from("intercepted"))));
    let outside = once(Ok::<_, io::Error>(Response::new(Script::<io::Error>::new([Step::data("proxied")]))));
    bytes(PassthroughLayer::new(outside).layer(inner).oneshot(request).await.unwrap().into_body()).await
}

#[tokio::test]
async fn the_route_decides_who_answers() {
    assert_eq!(answers(proxied()).await, "proxied");
    assert_eq!(answers(routed(Api::Messages, ())).await, "intercepted");
    assert_eq!(answers(Request::new(())).await, "intercepted", "which says what is missing");
}

#[tokio::test]
async fn frames_sizes_and_ends_pass_untouched() {
    let data = Bytes::from("proxied".to_owned());
    let script = Script::<io::Error>::new([Step::Data(data.clone()), Step::Trailers]).knows_its_end();
    let inner = once(Ok::<_, io::Error>(Response::new(Full::<Bytes>::default())));
    let service = PassthroughLayer::new(once(Ok::<_, io::Error>(Response::new(script)))).layer(inner);
    let mut body = service.oneshot(proxied()).await.unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(7));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().as_ptr(), data.as_ptr());
    assert!(!body.is_end_stream());
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn an_error_of_either_keeps_its_type() {
    fn fails<T>(
        kind: io::ErrorKind,
    ) -> impl Service<Request<T>, Response = Response<Full<Bytes>>, Error = io::Error, Future: Send> + Clone {
        once(Err(io::Error::from(kind)))
    }
    for (request, kind) in
        [(proxied(), io::ErrorKind::TimedOut), (routed(Api::Chat, ()), io::ErrorKind::ConnectionRefused)]
    {
        let service =
            PassthroughLayer::new(fails(io::ErrorKind::TimedOut)).layer(fails(io::ErrorKind::ConnectionRefused));
        let error = service.oneshot(request).await.unwrap_err();
        assert_eq!(error.downcast::<io::Error>().unwrap().kind(), kind);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_its_error() {
    let script = Script::new([Step::Fail(io::Error::from(io::ErrorKind::ConnectionReset))]);
    let inner = once(Ok::<_, io::Error>(Response::new(Full::<Bytes>::default())));
    let service = PassthroughLayer::new(once(Ok::<_, io::Error>(Response::new(script)))).layer(inner);
    let mut body = service.oneshot(proxied()).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().unwrap_err().is::<io::Error>());
}
