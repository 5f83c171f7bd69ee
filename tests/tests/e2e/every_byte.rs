//! Every stream of every transcript, split at every byte, with every line end. The pipeline's recording half, without
//! sockets: those are crossed in `bytes`, at fewer positions of the longer streams.

use std::{convert::Infallible, sync::Arc};

use aibridge_providers::{
    api::{Api, Facts},
    client,
    json::Document,
    provider::{Endpoint as Kept, Kind},
};
use aibridge_tests::{Endpoint, LineEnd, Reply, Transcript, line_ends, resplit};
use aibridge_tower::{ProviderRoute, auth::Actor, parse::AiBody, record::RecordLayer};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{ServiceBuilder, ServiceExt};

use crate::{
    expect::{client_stream, expected, told},
    fixture::{Records, USER, instance},
};

fn api(endpoint: Endpoint) -> Api {
    match endpoint {
        Endpoint::Messages => Api::Messages,
        Endpoint::Chat => Api::Chat,
        Endpoint::Responses => Api::Responses,
    }
}

/// A request as it leaves the layers in front of `Record`.
fn request(transcript: &Transcript) -> Request<AiBody> {
    parsed(transcript.endpoint, transcript.streaming_request.clone())
}

/// A request with this body as it leaves `Parse`.
pub(crate) fn parsed(endpoint: Endpoint, text: Bytes) -> Request<AiBody> {
    let api = api(endpoint);
    let document = Document::parse(text.clone()).unwrap();
    let facts = Facts::read(api, &document);
    let caller = client::detect(&HeaderMap::new(), facts.user_id.as_deref());
    let body = AiBody::new(api, text, document, facts, caller);
    let instance = Arc::new(instance(Kind::OpenAi, "http://provider.test/v1/").build());
    let route = ProviderRoute::new(instance, Kept::Intercepted(api), "/");
    Request::builder().extension(Actor::new(USER, "ali")).extension(route).body(body).unwrap()
}

/// What the client gets of a stream that arrives in these pieces.
async fn relayed(records: &Records, request: Request<AiBody>, reply: &Reply, pieces: [Bytes; 2]) -> Bytes {
    let (status, fields) = (reply.status, reply.fields.clone());
    let provider = ServiceBuilder::new().layer(RecordLayer::new(records.clone())).service_fn(move |_| {
        let mut response = Response::builder().status(status);
        for (name, value) in &fields {
            response = response.header(name, value);
        }
        let frames = stream::iter(pieces.clone()).map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let response = response.body(StreamBody::new(frames)).unwrap();
        async move { Ok::<_, Infallible>(response) }
    });
    let mut body = provider.oneshot(request).await.unwrap().into_body();
    let mut got = BytesMut::new();
    while let Some(frame) = body.frame().await {
        got.extend_from_slice(frame.unwrap().data_ref().unwrap());
    }
    got.freeze()
}

async fn assert_every_split(endpoint: Endpoint, end: LineEnd) {
    for transcript in Transcript::of(endpoint).unwrap() {
        let reply = &transcript.streams[0];
        let arriving = line_ends(&reply.body, end);
        let leaving = line_ends(&client_stream(&transcript, &reply.body), end);
        let request = request(&transcript);
        for (first, second) in resplit(&arriving) {
            let at = first.len();
            let records = Records::default();
            let got = relayed(&records, request.clone(), reply, [first, second]).await;
            assert_eq!(got, leaving, "{} split at {at} of {end:?}", transcript.name);
            assert_eq!(
                told(&records.one().await),
                expected(&transcript, reply, true),
                "{} split at {at} of {end:?}",
                transcript.name
            );
        }
    }
}

/// A test for each API and line end, which asserts this of both.
macro_rules! every_split {
    ($assert:ident) => {
        $crate::every_byte::every_split! {
            $assert
            messages_in_lf: Messages, Lf;
            messages_in_cr_lf: Messages, CrLf;
            messages_in_cr: Messages, Cr;
            chat_in_lf: Chat, Lf;
            chat_in_cr_lf: Chat, CrLf;
            chat_in_cr: Chat, Cr;
            responses_in_lf: Responses, Lf;
            responses_in_cr_lf: Responses, CrLf;
            responses_in_cr: Responses, Cr;
        }
    };
    ($assert:ident $($name:ident: $endpoint:ident, $end:ident;)*) => {
        $(#[tokio::test]
        async fn $name() {
            $assert(Endpoint::$endpoint, LineEnd::$end).await;
        })*
    };
}

pub(crate) use every_split;

every_split!(assert_every_split);
