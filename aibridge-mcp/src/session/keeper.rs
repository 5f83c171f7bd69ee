use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use rmcp::{
    Peer, RoleClient,
    model::{ServerNotification, SubscriptionFilter},
    service::{RunningService, ServiceError},
};
use tokio::{
    sync::Notify,
    time::{sleep, sleep_until, timeout},
};

use super::{Session, connect::Client, listing};
use crate::{
    failure::Failure,
    mcp::{Context, Keeping, KnownServer},
};

/// How long closing a session may take: rmcp waits for answers that are being sent, and for the server's to its `DELETE`.
const CLOSE: Duration = Duration::from_secs(10);
/// Between two listings: a server that says all the time that its tools have changed is not believed all the time.
const LIST_AGAIN: Duration = Duration::from_secs(1);
/// Before a subscription that ended is asked for again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(30);

/// Looks after a session: lists its tools again when they change, ends it when it is not used, and closes it at its end.
pub(super) fn spawn(
    context: &Arc<Context>,
    server: &Arc<KnownServer>,
    service: RunningService<RoleClient, Client>,
    session: &Arc<Session>,
    changed: Arc<Notify>,
    keeping: Keeping,
) {
    let keeper = Keeper {
        context: context.clone(),
        server: server.clone(),
        peer: service.peer().clone(),
        session: Arc::downgrade(session),
        changed,
        keeping,
    };
    let closing = session.closing.clone();
    let mut service = service;
    context.runtime.spawn(async move {
        let _open = keeper.context.open.clone().read_owned().await;
        tokio::select! {
            () = closing.cancelled() => {}
            () = keeper.expire() => {}
            () = keeper.watch() => {}
            () = keeper.subscribe() => {}
        }
        let _ = service.close_with_timeout(CLOSE).await;
    });
}

struct Keeper {
    context: Arc<Context>,
    server: Arc<KnownServer>,
    peer: Peer<RoleClient>,
    session: Weak<Session>,
    changed: Arc<Notify>,
    keeping: Keeping,
}

impl Keeper {
    /// Waits until the actor has been idle, and forgets it. Then the session has no owner and closes, or is in a last call.
    async fn expire(&self) {
        while !self.keeping.expire() {
            sleep_until(self.keeping.idle_at()).await;
        }
        std::future::pending().await
    }

    /// Lists again when something has changed.
    async fn watch(&self) {
        loop {
            self.changed.notified().await;
            let config = &self.server.config;
            let listing =
                listing::list(&self.peer, &config.id, &config.rules, &self.context.limits, &self.server.listings);
            match timeout(self.context.limits.cold_start, listing).await {
                Ok(Ok(listing)) => {
                    if let Some(session) = self.session.upgrade() {
                        session.listing.store(listing);
                    }
                }
                failed => {
                    if let (Ok(Err(Failure::Forgotten)), Some(session)) = (&failed, self.session.upgrade()) {
                        session.retire();
                    }
                    let reason = failed.map_or("timeout", |failed| failed.map_or_else(|f| f.reason(), |_| ""));
                    tracing::warn!(server = config.id, reason, "tools of MCP server could not be listed again");
                    self.context.metrics.failed(&config.id, reason);
                }
            }
            sleep(LIST_AGAIN).await;
        }
    }

    /// Subscribes to changes, where they have to be: before revision 2026-07-28 they come by themselves.
    async fn subscribe(&self) {
        let subscribes = self.peer.peer_info().is_some_and(|info| {
            let changes = info.capabilities.tools.as_ref().and_then(|tools| tools.list_changed);
            !info.protocol_version.has_initialize() && changes == Some(true)
        });
        if !subscribes {
            return std::future::pending().await;
        }
        let mut missed = false;
        loop {
            let filter = SubscriptionFilter::builder().tools_list_changed().build();
            match pin!(self.peer.listen(filter)).await {
                Ok(mut subscription) => {
                    if missed {
                        self.changed.notify_one();
                    }
                    while let Ok(Some(notification)) = subscription.next().await {
                        if matches!(notification, ServerNotification::ToolListChangedNotification(_)) {
                            self.changed.notify_one();
                        }
                    }
                }
                Err(ServiceError::McpError(error)) => {
                    let (server, code) = (&self.server.config.id, error.code.0);
                    tracing::debug!(server, code, "MCP server takes no subscription");
                    return std::future::pending().await;
                }
                Err(_) => {}
            }
            missed = true;
            sleep(SUBSCRIBE_AGAIN).await;
        }
    }
}
