//! AWS's own SDK as the client.

use aibridge_tests::{Aws, Provider, Script, Transcript, frames};
use aws_sdk_bedrockruntime::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region, Token, retry::RetryConfig},
    primitives::Blob,
    types::ResponseStream,
};

use super::{KEY, MODEL, World, framed};
use crate::{
    expect::{expected, told},
    fixture::{TOKEN, path},
};

fn config(url: String) -> aws_sdk_bedrockruntime::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("eu-central-1"))
        .retry_config(RetryConfig::disabled())
}

/// With the gateway's token as Bedrock's API key (`AWS_BEARER_TOKEN_BEDROCK`).
fn client(world: &World) -> Client {
    let url = format!("http://{}{}", world.gateway().address, path("bedrock", ""));
    Client::from_conf(config(url).bearer_token(Token::new(TOKEN, None)).build())
}

#[tokio::test]
async fn a_blocking_call_is_answered_and_recorded() {
    let world = World::new().await;
    let transcript = Transcript::load("messages-plain").unwrap();
    let reply = &transcript.blocking[0];
    world.answers.0.lock().unwrap().push_back(Script::json(200, reply.body.clone()));
    let request = client(&world).invoke_model().model_id(MODEL).content_type("application/json");
    let answer = request.body(Blob::new(transcript.request.to_vec())).send().await.unwrap();
    assert_eq!(answer.body().as_ref(), &reply.body[..]);
    let recorded = world.gateway().records.one().await;
    assert_eq!(told(&recorded), expected(&transcript, reply, true));
}

#[tokio::test]
async fn a_stream_is_answered_and_recorded() {
    let world = World::new().await;
    let transcript = Transcript::load("messages-plain").unwrap();
    let reply = &transcript.streams[0];
    world.answers.0.lock().unwrap().push_back(framed(frames(&reply.body)));
    let request = client(&world).invoke_model_with_response_stream().model_id(MODEL);
    let mut answer = request.body(Blob::new(transcript.request.to_vec())).send().await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = answer.body.recv().await.unwrap() {
        let ResponseStream::Chunk(chunk) = event else { panic!("{event:?}") };
        events.push(serde_json::from_slice::<serde_json::Value>(chunk.bytes().unwrap().as_ref()).unwrap());
    }
    assert_eq!(events, super::data(&reply.body));
    let recorded = world.gateway().records.one().await;
    assert_eq!(told(&recorded), expected(&transcript, reply, true));
}

#[tokio::test]
async fn a_client_that_signs_with_keys_of_its_own_names_the_gateways_token_beside() {
    let world = World::new().await;
    world.answers.0.lock().unwrap().push_back(Script::json(200, "{}"));
    let url = format!("http://{}{}", world.gateway().address, path("bedrock", ""));
    let own = Credentials::new("AKIACLIENT", "secret", Some("session".to_owned()), None, "test");
    let client = Client::from_conf(config(url).credentials_provider(own).build());
    let request = client.invoke_model().model_id(MODEL).body(Blob::new(b"{}".to_vec())).customize();
    let request = request.mutate_request(|request| {
        request.headers_mut().insert("x-coder-ai-governance-token", TOKEN);
    });
    request.send().await.unwrap();
    let received = world.received().await;
    assert!(received.head.get("authorization").unwrap().contains(KEY.0));
    assert_eq!(received.head.get("x-amz-security-token"), None);
    assert_eq!(world.gateway().records.one().await.start.credential_kind, "centralized");
}

#[tokio::test]
async fn errors_and_refusals_are_typed() {
    let world = World::new().await;
    let throttled = Script::json(429, r#"{"message":"slow down"}"#).field("x-amzn-ErrorType", "ThrottlingException");
    world.answers.0.lock().unwrap().push_back(throttled);
    let ask = || client(&world).invoke_model().model_id(MODEL).body(Blob::new(b"{}".to_vec()));
    let error = ask().send().await.unwrap_err().into_service_error();
    assert!(error.is_throttling_exception(), "{error:?}");
    let refused = ask().body(Blob::new(b"[".to_vec())).send().await.unwrap_err().into_service_error();
    assert!(refused.is_validation_exception(), "{refused:?}");
    assert!(refused.meta().message().unwrap().contains("aibridge"));
}

#[tokio::test]
async fn the_sdk_and_the_fake_agree_on_what_a_signature_is() {
    let aws = Aws::new("eu-central-1").key(KEY.0, KEY.1).temporary_key("ASIA0", "temporary", "session");
    let bedrock = Provider::replying(move |request| match aws.verify(request, "bedrock") {
        Ok(_) => Script::json(200, "{}"),
        Err(refusal) => refusal,
    });
    let bedrock = bedrock.await.unwrap();
    let good = [
        Credentials::new(KEY.0, KEY.1, None, None, "test"),
        Credentials::new("ASIA0", "temporary", Some("session".to_owned()), None, "test"),
    ];
    for credentials in good {
        let client = Client::from_conf(config(bedrock.url()).credentials_provider(credentials).build());
        for model in [MODEL, "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2"] {
            client.invoke_model().model_id(model).body(Blob::new(b"{}".to_vec())).send().await.unwrap();
        }
    }
    let wrong = Credentials::new(KEY.0, "another secret", None, None, "test");
    let client = Client::from_conf(config(bedrock.url()).credentials_provider(wrong).build());
    client.invoke_model().model_id(MODEL).body(Blob::new(b"{}".to_vec())).send().await.unwrap_err();
}
