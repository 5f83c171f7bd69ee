use aibridge_providers::provider::{BaseUrl, Secret};

use crate::config::{definition::Definition, table::PROVIDER};

/// What an instance on Amazon Bedrock needs.
#[derive(Clone, Debug)]
pub(crate) struct BedrockConfig {
    /// The region requests are signed for; `None` if only a URL was given.
    pub(crate) region: Option<String>,
    /// Pairs of access key id and secret, in order; empty for the AWS default credential chain.
    pub(crate) credentials: Vec<(Secret, Secret)>,
    /// The model that is used.
    pub(crate) model: String,
    /// The same for Haiku-class requests.
    pub(crate) small_fast_model: String,
    /// A role to assume on top of the credentials.
    pub(crate) role_arn: Option<String>,
    /// Which of Bedrock's APIs.
    pub(crate) protocol: BedrockProtocol,
}

/// Which of Bedrock's APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BedrockProtocol {
    /// `InvokeModel`, on `bedrock-runtime`.
    InvokeModel,
    /// Native Messages, on `bedrock-mantle`.
    Mantle,
}

impl BedrockProtocol {
    /// The base URL in `region`, which holds only letters, digits and hyphens.
    pub(super) fn base_url(self, region: &str) -> BaseUrl {
        let url = match self {
            BedrockProtocol::InvokeModel => format!("https://bedrock-runtime.{region}.amazonaws.com"),
            BedrockProtocol::Mantle => format!("https://bedrock-mantle.{region}.api.aws/anthropic"),
        };
        BaseUrl::parse(&url).expect("a region holds only letters, digits and hyphens")
    }
}

/// The default of a field of an indexed instance.
pub(super) fn default_of(field: &str) -> String {
    let of = |definition: &&Definition| definition.name == field;
    PROVIDER.fields.iter().find(of).map_or("", |definition| definition.default).to_owned()
}
