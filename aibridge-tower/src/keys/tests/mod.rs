mod failover;
mod first;
mod retries;
mod stickiness;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use aibridge_providers::{
    api::{Api, Refusal},
    provider::{BaseUrl, Endpoint, Instance, Kind, Secret},
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use super::{KeysLayer, Repeat};
use crate::{
    BoxError, Credential, ProviderRoute,
    body::ResponseBody,
    testing::{self, json},
};

const THREE: &[&str] = &["sk-one", "sk-two", "sk-three"];

/// A provider that answers each key as it is told, and remembers the order in which it was asked.
#[derive(Clone, Default)]
struct Asked {
    keys: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
}

#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: &'static str,
}

impl Answer {
    fn new(status: u16) -> Answer {
        Answer { status, fields: Vec::new(), body: "{}" }
    }

    fn field(mut self, name: &'static str, value: impl ToString) -> Answer {
        self.fields.push((name, value.to_string()));
        self
    }

    fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in self.fields {
            response.headers_mut().append(HeaderName::from_static(name), value.parse().unwrap());
        }
        response
    }
}

impl Asked {
    /// From now on, `key` is answered so; others 200.
    fn answers(&self, key: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(key.to_owned(), answer);
    }

    /// The keys asked since the last look, in order.
    fn keys(&self) -> Vec<String> {
        std::mem::take(&mut *self.keys.lock().unwrap())
    }

    fn ask(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let value = ["authorization", "x-api-key", "api-key"].into_iter().find_map(|name| headers.get(name));
        let key = value.map_or("", |value| value.to_str().unwrap()).trim_start_matches("Bearer ").to_owned();
        let answer = self.answers.lock().unwrap().get(&key).cloned().unwrap_or(Answer::new(200));
        self.keys.lock().unwrap().push(key);
        answer.response()
    }

    /// Sends `request` through `layer` to this provider.
    fn send<B: Repeat + Send + 'static>(
        &self,
        layer: &KeysLayer,
        request: Request<B>,
    ) -> BoxFuture<'static, Result<Response<ResponseBody<Full<Bytes>>>, BoxError>> {
        let asked = self.clone();
        let inner = service_fn(move |request: Request<B>| {
            let response = asked.ask(request.headers());
            async move { Ok::<_, BoxError>(response) }
        });
        layer.layer(inner).oneshot(request).boxed()
    }

    /// The same for requests that get an answer: its status, and the place of the key that got it.
    async fn status<B: Repeat + Send + 'static>(&self, layer: &KeysLayer, request: Request<B>) -> (u16, Option<usize>) {
        let response = self.send(layer, request).await.unwrap();
        let slot = response.extensions().get::<Credential>().map(|credential| credential.slot);
        (response.status().as_u16(), slot)
    }
}

fn pool(keys: &[&str]) -> Arc<Instance> {
    of(Kind::OpenAi, keys)
}

fn of(kind: Kind, keys: &[&str]) -> Arc<Instance> {
    let base = BaseUrl::parse("https://provider.example").unwrap();
    Arc::new(keys.iter().fold(Instance::builder(kind, base), |it, key| it.key(Secret::new(*key))).build())
}

/// A parsed request of `json` to that instance.
fn to(instance: &Arc<Instance>, api: Api, json: &str) -> Request<crate::parse::AiBody> {
    let mut request = testing::parsed(api, json);
    let route = ProviderRoute::new(instance.clone(), Endpoint::Intercepted(api), "/v1/responses");
    request.extensions_mut().insert(route);
    request
}

fn chat(instance: &Arc<Instance>) -> Request<crate::parse::AiBody> {
    to(instance, Api::Chat, r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#)
}

/// Status, reason, `Retry-After`, and the type in the body.
async fn refused(response: Response<ResponseBody<Full<Bytes>>>) -> (u16, &'static str, Option<String>, String) {
    let (head, body) = response.into_parts();
    let reason = head.extensions.get::<Refusal>().expect("a refusal").reason.as_str();
    let retry_after = head.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let kind = json(body).await["error"]["type"].as_str().unwrap().to_owned();
    (head.status.as_u16(), reason, retry_after, kind)
}
