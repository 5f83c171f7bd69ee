use std::sync::Arc;

use rmcp::model::CallToolResponse;
use serde_json::{Map, Value};
use tokio::{
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{Context, slot::Slot};
use crate::{BoxFuture, Outcome, failure::Failure, session::outcome};

/// Runs the call on the runtime that has the sessions.
pub(super) fn call(
    context: Arc<Context>,
    slot: Option<Arc<Slot>>,
    tool: String,
    arguments: Map<String, Value>,
) -> BoxFuture<Outcome> {
    Box::pin(async move {
        let since = Instant::now();
        let max = context.limits.max_result;
        let Some(slot) = slot.filter(|slot| slot.server.config.rules.permit(&tool)) else {
            return outcome(Err(Failure::NoSuchTool), since, max);
        };
        let (done, result) = oneshot::channel();
        let limit = context.limits.call;
        let server = slot.server.clone();
        let task = context.runtime.spawn(async move {
            let called = timeout(limit, run(&slot, tool, arguments)).await.unwrap_or(Err(Failure::Timeout));
            let _ = done.send(called);
        });
        let _abort = AbortOnDrop(task.abort_handle());
        let called = result.await.unwrap_or(Err(Failure::Stopped));
        if let Err(failure) = &called {
            let reason = failure.reason();
            tracing::info!(server = server.config.id, reason, code = failure.code(), "MCP call failed");
            context.metrics.failed(&server.config.id, reason);
        }
        outcome(called, since, max)
    })
}

async fn run(slot: &Arc<Slot>, tool: String, arguments: Map<String, Value>) -> Result<CallToolResponse, Failure> {
    let (mut again, mut refused) = (true, false);
    loop {
        let session = slot.session().await?;
        let called = session.call(tool.clone(), arguments.clone()).await;
        match &called {
            Ok(_) | Err(Failure::Rpc { .. }) => {
                slot.server.works();
                return called;
            }
            Err(Failure::Unauthorized) if slot.server.config.credentials.is_some() => {
                match std::mem::replace(&mut refused, true) {
                    false => slot.refuse(&session),
                    // It takes the new one for opening, but not for what it is for.
                    true => slot.give_up(&session),
                }
            }
            Err(Failure::Forgotten) => session.retire(),
            _ => return called,
        }
        // The server has not run it.
        if !std::mem::take(&mut again) {
            return called;
        }
    }
}

/// Cancels the task, and with it the call, when the caller goes away.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
