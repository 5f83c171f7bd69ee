//! The same with the real client for MCP and servers on loopback.

#[expect(dead_code, reason = "not everything is needed here")]
#[path = "../../../../../aibridge-mcp/tests/mcp/servers/mod.rs"]
mod fake;

mod calls;
mod lists;
mod users;

use std::{collections::HashMap, sync::Arc, time::Duration};

use aibridge_mcp::{BoxFuture, Credentials, CredentialsError, Limits, Mcp, Server, Token};
use aibridge_tests::Provider;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Asked, Rig, Says, Way, tools, ways};
use fake::{Fake, Instead, sse::SseFake};

/// More than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A gateway in front of real servers.
type Real = Rig<Mcp>;

impl Real {
    async fn in_front_of(servers: impl IntoIterator<Item = Server>, set: impl FnOnce(&mut Limits)) -> Real {
        let mut limits = Limits::default();
        set(&mut limits);
        let mcp = servers.into_iter().fold(Mcp::builder().limits(limits), |mcp, server| mcp.server(server));
        Rig::of(mcp.build().unwrap(), |layer| layer).await
    }
}

/// The users' tokens for MCP servers.
#[derive(Default)]
struct Tokens(HashMap<Uuid, &'static str>);

impl Tokens {
    fn of(tokens: &[(Uuid, &'static str)]) -> Arc<Tokens> {
        Arc::new(Tokens(tokens.iter().copied().collect()))
    }
}

impl Credentials for Tokens {
    fn token(&self, actor: Uuid, _: &str) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
        let token = self.0.get(&actor).map(|token| Token::new(*token));
        Box::pin(async { Ok(token) })
    }

    fn refresh(&self, _: Uuid, _: &str, _: &Token) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
        Box::pin(async { Ok(None) })
    }
}

fn server(id: &str, fake: &Fake) -> Server {
    Server::new(id, fake.url.clone())
}
