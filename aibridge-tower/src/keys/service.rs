use std::{
    mem,
    task::{Context, Poll},
};

use aibridge_providers::{api::Refusal, provider::Exhausted};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    KeysLayer, Repeat, ResponseFuture, header,
    memory::Conversation,
    turn::{Again, Turn, needs_own, refusal},
};
use crate::{BoxError, Byok, Credential, ProviderRoute, body::ResponseBody, context::format_of, refuse};

/// Adds the provider's credential. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Keys<S> {
    inner: S,
    layer: KeysLayer,
}

impl<S> Keys<S> {
    pub(super) fn new(inner: S, layer: KeysLayer) -> Keys<S> {
        Keys { inner, layer }
    }

    /// With which key to begin; `None` with the user's own, or without any.
    fn first_key<B: Repeat>(
        &self,
        route: &ProviderRoute,
        head: &Parts,
        body: &B,
    ) -> Result<(Option<usize>, Option<Conversation>), Refusal> {
        let (instance, pool) = (&route.instance, route.instance.pool());
        if head.extensions.get::<Byok>().is_some() {
            return Ok((None, None));
        }
        if needs_own(instance.kind) {
            return Err(header::only_own());
        }
        if pool.is_empty() {
            return Ok((None, None));
        }
        let now = Instant::now().into_std();
        let exhausted = |why: Exhausted| {
            self.layer.shared.metrics.exhausted(&instance.name, why);
            refusal(why)
        };
        let before = head.extensions.get::<Credential>().map(|credential| credential.slot);
        let first = pool.pick(before, &[], now).map_err(exhausted)?;
        let memory = &self.layer.shared.memory;
        if first == 0 && memory.is_empty() {
            return Ok((Some(first), None));
        }
        let parsed = body.parsed();
        let conversation = memory.conversation(head, instance, parsed);
        if before == Some(first) {
            return Ok((before, Some(conversation)));
        }
        let Some(used) = memory.recall(conversation).and_then(|key| pool.position(&key)) else {
            return Ok((Some(first), (first != 0).then_some(conversation)));
        };
        let stays = used != first
            && pool.is_usable(used, now)
            && parsed.is_none_or(|body| aibridge_providers::api::conversation::is_bound(body.document()));
        Ok((Some(if stays { used } else { first }), Some(conversation)))
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Keys<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    S::Error: Into<BoxError>,
    ReqBody: Repeat,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (head, body) = request.into_parts();
        let format = format_of(&head);
        let Some(route) = head.extensions.get::<ProviderRoute>().cloned() else {
            return ResponseFuture::own(refuse::response(format, refuse::missing::<ProviderRoute>("Keys")));
        };
        let (slot, conversation) = match self.first_key(&route, &head, &body) {
            Ok(first) => first,
            Err(refusal) => return ResponseFuture::own(refuse::response(format, refusal)),
        };
        let more = self.layer.max_retries > 0 || (slot.is_some() && route.instance.pool().len() > 1);
        let repeated = more.then(|| body.repeat()).flatten().map(|body| (head.clone(), body));
        let mut turn = Turn {
            layer: self.layer.clone(),
            route,
            format,
            slot,
            tried: Vec::new(),
            retried: 0,
            conversation,
            remember: None,
            again: None,
        };
        let request = match turn.equip(Request::from_parts(head, body)) {
            Ok(request) => request,
            Err(refusal) => return ResponseFuture::own(refuse::response(format, refusal)),
        };
        let call = match repeated {
            None => self.inner.call(request),
            Some((head, body)) => {
                // Further calls need a service of their own; the one that `poll_ready` drove is for this one.
                let clone = self.inner.clone();
                let mut inner = mem::replace(&mut self.inner, clone);
                let call = inner.call(request);
                turn.again = Some(Box::new(Again { inner, head, body }));
                call
            }
        };
        ResponseFuture::call(call, turn)
    }
}
