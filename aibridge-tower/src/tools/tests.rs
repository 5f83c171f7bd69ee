use std::{io, sync::Arc};

use aibridge_mcp::{BoxFuture, Outcome, Tool, ToolSource, Toolbox};
use aibridge_providers::api::Api;
use futures::future;
use http::{Request, Response};
use serde_json::{Map, Value};
use tokio_test::{assert_pending, task};
use tower::{ServiceBuilder, service_fn};
use tower_service::Service;
use uuid::Uuid;

use super::ToolsLayer;
use crate::{
    parse::AiBody,
    record::RecordLayer,
    testing::{Script, Told, parsed},
};

/// Tools that are never found out.
struct Never;

impl ToolSource for Never {
    fn known(&self, _: Uuid) -> Option<Arc<Toolbox>> {
        None
    }

    fn tools(&self, _: Uuid) -> BoxFuture<Arc<Toolbox>> {
        Box::pin(future::pending())
    }

    fn call(&self, _: Uuid, _: &Tool, _: Map<String, Value>) -> BoxFuture<Outcome> {
        Box::pin(future::pending())
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_its_tools_are_known_is_recorded() {
    let told = Told::default();
    let provider = service_fn(async |_: Request<AiBody>| -> Result<Response<Script<io::Error>>, io::Error> {
        panic!("the provider is not asked")
    });
    let mut service =
        ServiceBuilder::new().layer(ToolsLayer::new(Never)).layer(RecordLayer::new(told.clone())).service(provider);
    let request = parsed(Api::Chat, r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#);
    let mut call = task::spawn(service.call(request));
    assert_pending!(call.poll());
    assert_eq!(told.calls(), [""; 0]);
    drop(call);
    assert_eq!(told.calls(), ["start chat_completions m", "end client_gone - 0B -"]);
}
