//! The pipeline as a host serves it, with a recorder that keeps what it is told.

use std::{
    future::{Ready, ready},
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use aibridge_providers::{
    bedrock::{KeyPair, Protocol, Settings},
    provider::{BaseUrl, Instance, InstanceBuilder, Kind, Registry, Secret},
};
use aibridge_store::{
    RecordError, Recorder, Started,
    record::{End, Outcome, Record, Settled, Start, TokenUsage},
};
use aibridge_tests::RawClient;
use aibridge_tower::{
    auth::{Actor, AuthError, AuthLayer, Authenticate},
    bedrock::{BedrockLayer, Credentials, ProxiedLayer},
    breaker::{BreakerLayer, Policy},
    keys::KeysLayer,
    limit::{InFlightLayer, RateLayer},
    models::ModelsLayer,
    parse::ParseLayer,
    passthrough::PassthroughLayer,
    record::{RecordLayer, RecordingPolicy, follow::FollowLayer},
    route::{ProbeLayer, RouteLayer},
    shape::ShapeLayer,
    tools::ToolsLayer,
    upstream::Upstream,
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tower::ServiceBuilder;
use uuid::Uuid;

/// The gateway token of the one user.
pub(crate) const TOKEN: &str = "gatewaytok-abcdefghijklmnopqrstuv";
/// As a header.
pub(crate) const BEARER: (&str, &str) = ("Authorization", "Bearer gatewaytok-abcdefghijklmnopqrstuv");
/// The gateway token in its own header, which leaves the others to the user's own credential.
pub(crate) const GOVERNANCE: (&str, &str) = ("X-Coder-AI-Governance-Token", TOKEN);
/// A user's own credential, as a header.
pub(crate) const OWN: (&str, &str) = ("Authorization", "Bearer sk-own-0123456789abcdefgh");
/// The organisation's key.
pub(crate) const KEY: &str = "sk-central-0123456789abcdef";
/// The gateway token of a second user, and its header.
pub(crate) const OTHER_TOKEN: &str = "othertoken-abcdefghijklmnopqrstuv";
pub(crate) const OTHER_BEARER: (&str, &str) = ("Authorization", "Bearer othertoken-abcdefghijklmnopqrstuv");
/// The second user.
pub(crate) const OTHER_USER: Uuid = Uuid::from_u128(8);
/// The one user.
pub(crate) const USER: Uuid = Uuid::from_u128(7);

/// A gateway in front of one provider, under the names of several kinds.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) records: Records,
    serving: JoinHandle<()>,
}

/// How a gateway is set up.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) instances: fn(&str) -> Vec<Instance>,
    pub(crate) policy: RecordingPolicy,
    pub(crate) content: bool,
    pub(crate) allow_byok: bool,
    pub(crate) max_bytes: usize,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) rate_limit: Option<NonZeroU32>,
    pub(crate) header_timeout: Duration,
    pub(crate) tools: ToolsLayer,
    pub(crate) max_retries: u32,
    pub(crate) breaker: Option<Policy>,
    pub(crate) records: Records,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            instances: |url| {
                let openai = format!("{url}/v1/");
                vec![
                    instance(Kind::OpenAi, &openai).build(),
                    instance(Kind::Anthropic, url).build(),
                    instance(Kind::Azure, &openai).build(),
                    instance(Kind::Copilot, url).build(),
                    Instance::builder(Kind::OpenAiCompat, BaseUrl::parse(&openai).unwrap()).name("keyless").build(),
                    instance(Kind::OpenAi, &openai).name("off").disabled("it is being moved").build(),
                ]
            },
            policy: RecordingPolicy::Require,
            content: true,
            allow_byok: true,
            max_bytes: 64 << 20,
            max_concurrency: None,
            rate_limit: None,
            header_timeout: Duration::from_secs(600),
            tools: ToolsLayer::off(),
            max_retries: 0,
            breaker: None,
            records: Records::default(),
        }
    }
}

/// An instance with the organisation's credential.
pub(crate) fn instance(kind: Kind, url: &str) -> InstanceBuilder {
    let builder = Instance::builder(kind, BaseUrl::parse(url).unwrap());
    match kind {
        // Mantle takes what Anthropic takes.
        Kind::Bedrock => builder.bedrock(Settings {
            protocol: Protocol::Mantle,
            region: "us-east-1".to_owned(),
            model: String::new(),
            small_fast_model: String::new(),
            credentials: vec![KeyPair { id: Secret::new(KEY), secret: Secret::new(KEY) }],
            role_arn: None,
            external_id: None,
        }),
        _ => builder.key(Secret::new(KEY)),
    }
}

impl Gateway {
    /// A gateway with the usual settings in front of the provider at `url`.
    pub(crate) async fn start(url: &str) -> Gateway {
        Gateway::with(url, Setup::default()).await
    }

    pub(crate) async fn with(url: &str, setup: Setup) -> Gateway {
        let registry = Arc::new(Registry::new((setup.instances)(url)));
        let records = setup.records.clone();
        let upstream = Upstream::builder().header_timeout(setup.header_timeout).build::<Incoming>().unwrap();
        // STS is where Bedrock is.
        let aws = Credentials::new().sts_url(url);
        let keys = KeysLayer::new().max_retries(setup.max_retries);
        let proxied = ServiceBuilder::new()
            .layer(FollowLayer::new(records.clone()).content(setup.content))
            .layer(keys.clone())
            .layer(ProxiedLayer::new(aws.clone()))
            .service(upstream.clone());
        let pipeline = ServiceBuilder::new()
            .layer(ShapeLayer::new())
            .layer(ProbeLayer::new(registry.clone()))
            .layer(InFlightLayer::new(setup.max_concurrency))
            .layer(AuthLayer::new(OneUser).allow_byok(setup.allow_byok))
            .layer(RateLayer::new(setup.rate_limit))
            .layer(RouteLayer::new(registry))
            .layer(PassthroughLayer::new(proxied))
            .layer(ParseLayer::new().max_bytes(setup.max_bytes))
            .layer(setup.tools)
            .layer(RecordLayer::new(records.clone()).policy(setup.policy).content(setup.content))
            .layer(ModelsLayer::new())
            .layer(BreakerLayer::new(setup.breaker))
            .layer(keys)
            .layer(BedrockLayer::new(aws))
            .service(upstream.parsed());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let service = TowerToHyperService::new(pipeline.clone());
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http1().preserve_header_case(true);
                tokio::spawn(async move { drop(server.serve_connection(TokioIo::new(stream), service).await) });
            }
        });
        Gateway { address, records, serving }
    }

    /// A connection to it.
    pub(crate) async fn client(&self) -> RawClient {
        RawClient::connect(self.address).await.unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The path of a route on the instance `name`.
pub(crate) fn path(name: &str, route: &str) -> String {
    format!("/api/v2/aibridge/{name}{route}")
}

/// Knows one token.
#[derive(Clone, Debug)]
pub(crate) struct OneUser;

impl Authenticate for OneUser {
    type Future = Ready<Result<Actor, AuthError>>;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        ready(match token.expose() {
            TOKEN => Ok(Actor::new(USER, "ali").api_key_id("gatewaytok")),
            OTHER_TOKEN => Ok(Actor::new(OTHER_USER, "bo")),
            "suspended" => Err(AuthError::Inactive),
            "down" => Err(AuthError::Unavailable("connection refused".to_owned())),
            _ => Err(AuthError::Unknown),
        })
    }
}

/// Everything a recorder was told, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    told: Arc<Mutex<Vec<Told>>>,
    ends: Arc<Ends>,
    refusing: Arc<Mutex<Option<RecordError>>>,
}

#[derive(Debug)]
struct Ends(watch::Sender<usize>);

impl Default for Ends {
    fn default() -> Ends {
        Ends(watch::Sender::new(0))
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Told {
    Start(Arc<Start>),
    Record(Arc<Record>),
}

impl Recorder for Records {
    fn start(&self, start: &Arc<Start>) -> Started {
        if let Some(error) = &*self.refusing.lock().unwrap() {
            return Started::ready(Err(error.clone()));
        }
        self.told.lock().unwrap().push(Told::Start(start.clone()));
        Started::ready(Ok(()))
    }

    fn record(&self, record: &Arc<Record>) {
        self.told.lock().unwrap().push(Told::Record(record.clone()));
        if let Record::End(_) = &**record {
            self.ends.0.send_modify(|ends| *ends += 1);
        }
    }
}

/// One interception as it was told.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) start: Arc<Start>,
    pub(crate) records: Vec<Arc<Record>>,
}

impl Records {
    /// From now on no start can be recorded.
    pub(crate) fn refuse(&self, error: RecordError) {
        *self.refusing.lock().unwrap() = Some(error);
    }

    /// Tells another recorder everything, in the same order.
    pub(crate) async fn replay(&self, recorder: &impl Recorder) {
        let told = self.told.lock().unwrap().clone();
        for told in told {
            match told {
                Told::Start(start) => recorder.start(&start).await.unwrap(),
                Told::Record(record) => recorder.record(&record),
            }
        }
    }

    /// What background responses came to.
    pub(crate) fn settled(&self) -> Vec<Settled> {
        let told = self.told.lock().unwrap();
        let settled = told.iter().filter_map(|told| match told {
            Told::Record(record) => match &**record {
                Record::Settled(settled) => Some(settled.clone()),
                _ => None,
            },
            Told::Start(_) => None,
        });
        settled.collect()
    }

    /// How many calls of the recorder there were.
    pub(crate) fn len(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Waits until `count` interceptions have ended, and returns all of them in the order of their starts.
    pub(crate) async fn ended(&self, count: usize) -> Vec<Recorded> {
        let mut ends = self.ends.0.subscribe();
        let ended = tokio::time::timeout(Duration::from_secs(20), ends.wait_for(|ends| *ends >= count)).await;
        assert!(ended.is_ok(), "{count} interceptions have not ended: {:#?}", self.told.lock().unwrap());
        let mut all: Vec<Recorded> = Vec::new();
        for told in self.told.lock().unwrap().iter() {
            match told {
                Told::Start(start) => all.push(Recorded { start: start.clone(), records: Vec::new() }),
                Told::Record(record) => {
                    let Some(id) = record.interception_id() else { continue };
                    let of = all.iter_mut().find(|it| it.start.id == id);
                    of.expect("a start before every record").records.push(record.clone());
                }
            }
        }
        for it in &all {
            let ends = it.records.iter().filter(|record| matches!(***record, Record::End(_))).count();
            assert!(ends <= 1, "an interception ended {ends} times");
            if ends == 1 {
                assert!(matches!(**it.records.last().unwrap(), Record::End(_)), "the end comes last");
            }
        }
        all
    }

    /// Waits for the one interception that runs to end, and forgets it: for tests of many exchanges, one after another.
    pub(crate) async fn take(&self) -> Recorded {
        let recorded = self.one().await;
        self.told.lock().unwrap().clear();
        self.ends.0.send_replace(0);
        recorded
    }

    /// Waits for the one interception to end.
    pub(crate) async fn one(&self) -> Recorded {
        let mut all = self.ended(1).await;
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

impl Recorded {
    pub(crate) fn end(&self) -> &End {
        match &**self.records.last().unwrap() {
            Record::End(end) => end,
            other => panic!("not ended: {other:?}"),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.end().outcome
    }

    /// The one token record.
    pub(crate) fn usage(&self) -> &TokenUsage {
        let mut usages = self.records.iter().filter_map(|record| match &**record {
            Record::TokenUsage(usage) => Some(usage),
            _ => None,
        });
        let usage = usages.next().expect("a token record for the round trip");
        assert!(usages.next().is_none(), "one token record for the round trip");
        usage
    }

    pub(crate) fn prompts(&self) -> Vec<&str> {
        self.of(|record| match record {
            Record::UserPrompt(prompt) => Some(&*prompt.prompt),
            _ => None,
        })
    }

    pub(crate) fn tools(&self) -> Vec<&str> {
        self.of(|record| match record {
            Record::ToolUsage(tool) => Some(&*tool.tool),
            _ => None,
        })
    }

    pub(crate) fn thoughts(&self) -> Vec<&str> {
        self.of(|record| match record {
            Record::ModelThought(thought) => Some(&*thought.content),
            _ => None,
        })
    }

    fn of<'a, T>(&'a self, pick: impl Fn(&'a Record) -> Option<T>) -> Vec<T> {
        self.records.iter().filter_map(|record| pick(record)).collect()
    }
}
