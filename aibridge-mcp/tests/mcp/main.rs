//! `Mcp` against servers on loopback.

mod calls;
mod credentials;
mod failing;
mod log;
mod servers;
mod sessions;
mod sse;
mod tools;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aibridge_mcp::{
    BoxFuture, Content, Credentials, CredentialsError, Limits, Mcp, Outcome, Server, Token, Tool, ToolRules,
    ToolSource, Toolbox, Transport,
};
use http::{HeaderValue, header::AUTHORIZATION};
use serde_json::{Map, Value, json};
use servers::{Fake, Instead, in_time, sse::SseFake};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};
use uuid::Uuid;

const ANN: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

fn mcp(servers: impl IntoIterator<Item = Server>) -> Mcp {
    limited(servers, |_| {})
}

fn limited(servers: impl IntoIterator<Item = Server>, set: impl FnOnce(&mut Limits)) -> Mcp {
    log::listen();
    let mut limits = Limits::default();
    set(&mut limits);
    servers.into_iter().fold(Mcp::builder().limits(limits), |mcp, server| mcp.server(server)).build().unwrap()
}

fn names(toolbox: &Toolbox) -> Vec<&str> {
    toolbox.listed.iter().map(|listed| &*listed.name).collect()
}

async fn call(mcp: &Mcp, actor: Uuid, server: &str, tool: &str) -> Outcome {
    call_with(mcp, actor, server, tool, json!({})).await
}

async fn call_with(mcp: &Mcp, actor: Uuid, server: &str, tool: &str, arguments: Value) -> Outcome {
    let Value::Object(arguments) = arguments else { panic!("an object") };
    in_time("an answer", mcp.call(actor, &Tool::new(server, tool), arguments)).await
}

/// Asks over and over until there is something.
async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time(what, asking).await
}

/// The text of a result without error.
fn text(outcome: &Outcome) -> &str {
    assert_eq!(outcome.error, None, "{:?}", outcome.content);
    let [Content::Text(text)] = &outcome.content[..] else { panic!("one text: {outcome:?}") };
    text
}

/// Tokens by actor, and what refreshing gets.
#[derive(Clone, Default)]
struct Tokens {
    tokens: Arc<Mutex<HashMap<Uuid, String>>>,
    fresh: Arc<Mutex<Vec<String>>>,
    refreshed: Arc<Mutex<Vec<String>>>,
}

impl Tokens {
    fn of(tokens: &[(Uuid, &str)]) -> Tokens {
        let of = Tokens::default();
        tokens.iter().for_each(|(actor, token)| of.set(*actor, token));
        of
    }

    fn set(&self, actor: Uuid, token: &str) {
        self.tokens.lock().unwrap().insert(actor, token.to_owned());
    }

    fn unlink(&self, actor: Uuid) {
        self.tokens.lock().unwrap().remove(&actor);
    }

    fn refreshed(&self) -> Vec<String> {
        self.refreshed.lock().unwrap().clone()
    }
}

impl Credentials for Tokens {
    fn token(&self, actor: Uuid, _: &str) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
        let token = self.tokens.lock().unwrap().get(&actor).map(Token::new);
        Box::pin(async { Ok(token) })
    }

    fn refresh(&self, actor: Uuid, _: &str, used: &Token) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
        self.refreshed.lock().unwrap().push(used.expose().to_owned());
        let fresh = self.fresh.lock().unwrap().pop();
        if let Some(fresh) = &fresh {
            self.set(actor, fresh);
        }
        Box::pin(async { Ok(fresh.map(Token::new)) })
    }
}

fn linked(id: &str, fake: &Fake, tokens: &Tokens) -> Server {
    Server::new(id, fake.url.clone()).credentials(Arc::new(tokens.clone()))
}

/// A port where nobody listens.
async fn dead() -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap()
}
