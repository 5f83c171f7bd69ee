mod life;
mod streams;
mod table;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aibridge_providers::{
    api::{Api, Refusal},
    provider::{Endpoint, Kind},
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Service, ServiceExt, service_fn};
use tower_layer::Layer;

use super::{BreakerLayer, Policy};
use crate::{BoxError, ProviderRoute, parse::AiBody, testing, upstream::UpstreamError};

/// What the provider does from now on.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answers(u16),
    Refuses,
    TimesOut,
    /// Not a failure of the provider's.
    LosesTheClient,
    Hangs,
}

/// A breaker in front of a provider.
#[derive(Clone)]
struct Ground {
    layer: BreakerLayer,
    does: Arc<Mutex<Does>>,
    asked: Arc<Mutex<u32>>,
}

impl Ground {
    fn new(policy: Policy) -> Ground {
        let does = Arc::new(Mutex::new(Does::Answers(200)));
        Ground { layer: BreakerLayer::new(Some(policy)), does, asked: Arc::default() }
    }

    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// How often the provider was asked since the last look.
    fn asked(&self) -> u32 {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// What comes of a request: a status, and `Retry-After` if the breaker refused it. Errors are 0.
    fn ask(&self, request: Request<AiBody>) -> BoxFuture<'static, (u16, Option<String>)> {
        let (does, asked) = (*self.does.lock().unwrap(), self.asked.clone());
        let inner = service_fn(move |_: Request<AiBody>| {
            *asked.lock().unwrap() += 1;
            async move {
                match does {
                    Does::Answers(status) => {
                        let mut response = Response::new(Full::<Bytes>::from("{}"));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        Ok(response)
                    }
                    Does::Refuses => Err(UpstreamError::Unreachable("refused".into())),
                    Does::TimesOut => Err(UpstreamError::Timeout(Duration::from_secs(600))),
                    Does::LosesTheClient => Err(UpstreamError::RequestBody("gone".into())),
                    Does::Hangs => std::future::pending().await,
                }
            }
        });
        // It is let through now, not when its future is first polled.
        let call = self.layer.layer(inner).call(request);
        async move {
            let Ok(response) = call.await else { return (0, None) };
            let refusal = response.extensions().get::<Refusal>();
            if let Some(refusal) = refusal {
                assert_eq!(refusal.reason.as_str(), "breaker_open");
            }
            let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(refusal.is_some(), retry_after.is_some());
            (response.status().as_u16(), retry_after)
        }
        .boxed()
    }

    /// Has the provider answer `count` requests so.
    async fn answers(&self, status: u16, count: u32) {
        self.does(Does::Answers(status));
        for _ in 0..count {
            assert_eq!(self.ask(request("m")).await, (status, None));
        }
        assert_eq!(self.asked(), count);
    }
}

fn request(model: &str) -> Request<AiBody> {
    testing::parsed(Api::Chat, &format!(r#"{{"model":"{model}","messages":[]}}"#))
}

fn of(name: &str, pattern: &'static str) -> Request<AiBody> {
    let mut request = request("m");
    let mut instance = testing::instance(Kind::OpenAi);
    instance.name = name.to_owned();
    let route = ProviderRoute::new(Arc::new(instance), Endpoint::Intercepted(Api::Chat), pattern);
    request.extensions_mut().insert(route);
    request
}

const REFUSED: u16 = 503;
