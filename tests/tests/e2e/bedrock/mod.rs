//! Amazon Bedrock: a gateway in front of a fake one that checks every signature.

mod failing;
mod mantle;
mod native;
mod plain;
mod roles;
mod sdk;
mod tools;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use aibridge_providers::{
    bedrock::{KeyPair, Protocol, Settings},
    provider::{BaseUrl, Instance, Kind, Secret},
};
use aibridge_tests::{Aws, Provider, ReceivedRequest, Script};
use bytes::Bytes;

use crate::{
    fixture::{Gateway, Setup},
    line::Line,
};

/// The organisation's access key.
const KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// Another one.
const SECOND: (&str, &str) = ("AKIAI44QH8DHBESECOND", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY");
/// What the models of Claude Code become.
const MODEL: &str = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";
const SMALL: &str = "global.anthropic.claude-haiku-4-5-20251001-v1:0";
const ROLE: &str = "arn:aws:iam::123456789012:role/bedrock";

const FRAMES: (&str, &str) = ("Content-Type", "application/vnd.amazon.eventstream");

fn instance(name: &str, url: &str, change: impl FnOnce(&mut Settings)) -> Instance {
    let mut settings = Settings {
        protocol: Protocol::InvokeModel,
        region: "eu-central-1".to_owned(),
        model: MODEL.to_owned(),
        small_fast_model: SMALL.to_owned(),
        credentials: vec![pair(KEY)],
        role_arn: None,
        external_id: None,
    };
    change(&mut settings);
    Instance::builder(Kind::Bedrock, BaseUrl::parse(url).unwrap()).name(name).bedrock(settings).build()
}

fn pair((id, secret): (&str, &str)) -> KeyPair {
    KeyPair { id: Secret::new(id), secret: Secret::new(secret) }
}

fn instances(url: &str) -> Vec<Instance> {
    vec![
        instance("bedrock", url, |_| {}),
        instance("mantle", &format!("{url}/anthropic"), |settings| settings.protocol = Protocol::Mantle),
        instance("role", url, |settings| {
            settings.role_arn = Some(ROLE.to_owned());
            settings.external_id = Some("external-1".to_owned());
        }),
        instance("stranger", url, |settings| settings.role_arn = Some(ROLE.to_owned())),
        instance("revoked", url, |settings| {
            settings.credentials = vec![pair(("AKIAREVOKED", "gone"))];
        }),
        instance("pool", url, |settings| settings.credentials = vec![pair(KEY), pair(SECOND)]),
    ]
}

/// Answers to requests whose signature is good, first in, first out.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<VecDeque<Script>>>);

impl Answers {
    fn next(&self) -> Script {
        self.0.lock().unwrap().pop_front().expect("an answer")
    }
}

struct World {
    line: Line,
    answers: Answers,
}

impl World {
    async fn new() -> World {
        World::with(setup()).await
    }

    async fn with(setup: Setup) -> World {
        let answers = Answers::default();
        let line = Line::to(bedrock(answers.clone()).await, setup).await;
        World { line, answers }
    }

    /// Asks the gateway; Bedrock answers with `script` if it likes the signature.
    async fn ask(&mut self, target: &str, fields: &[(&str, &str)], body: &[u8], script: Script) -> Answer {
        self.answers.0.lock().unwrap().push_back(script);
        self.line.client.post(target, fields, body).await.unwrap();
        let (head, body) = self.line.client.response().await.unwrap();
        Answer { head, body }
    }

    /// The request that reached Bedrock.
    async fn received(&self) -> ReceivedRequest {
        self.line.provider.next_request().await
    }

    fn gateway(&self) -> &Gateway {
        &self.line.gateway
    }
}

struct Answer {
    head: aibridge_tests::Head,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn setup() -> Setup {
    Setup { instances, ..Setup::default() }
}

/// Bedrock, Mantle and STS under one roof.
async fn bedrock(answers: Answers) -> Provider {
    let aws = Aws::new("eu-central-1").key(KEY.0, KEY.1).key(SECOND.0, SECOND.1);
    let aws = aws.role(ROLE, Some("external-1"), Duration::from_secs(3600));
    let provider = Provider::replying(move |request| match request.head.target() {
        "/" => aws.sts(request),
        target => {
            let service = if target.starts_with("/anthropic/") { "bedrock-mantle" } else { "bedrock" };
            aws.verify(request, service).map_or_else(|refusal| refusal, |_| answers.next())
        }
    });
    provider.await.unwrap()
}

/// A stream of these frames.
fn framed(frames: impl IntoIterator<Item = Bytes>) -> Script {
    let script = Script::chunked(200).field(FRAMES.0, FRAMES.1).field("x-amzn-RequestId", "amzn-1");
    script.writes(frames)
}

/// The JSON of each event of a stream.
fn data(stream: &Bytes) -> Vec<serde_json::Value> {
    let events = aibridge_tests::events(stream);
    let texts = events.iter().map(|event| String::from_utf8(event.to_vec()).unwrap());
    let data = texts.filter_map(|text| Some(text.lines().find_map(|line| line.strip_prefix("data: "))?.to_owned()));
    data.map(|data| serde_json::from_str(&data).unwrap()).collect()
}
