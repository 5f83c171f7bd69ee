use crate::provider::Secret;

/// What an instance on Amazon Bedrock needs beside its base URL.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "built field by field from a configuration")]
pub struct Settings {
    /// Which of Bedrock's APIs.
    pub protocol: Protocol,
    /// The region requests are signed for, e.g. `eu-central-1`.
    pub region: String,
    /// The model that is used, unless the client names a Bedrock model itself.
    pub model: String,
    /// The same for requests that name a Haiku-class model.
    pub small_fast_model: String,
    /// Access keys, in order; empty for the AWS default credential chain.
    pub credentials: Vec<KeyPair>,
    /// A role to assume on top of the credentials.
    pub role_arn: Option<String>,
    /// The external id the role's trust policy asks for.
    pub external_id: Option<String>,
}

/// An AWS access key.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "built field by field from a configuration")]
pub struct KeyPair {
    /// The access key's id.
    pub id: Secret,
    /// The secret.
    pub secret: Secret,
}

/// One of Bedrock's APIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// `InvokeModel` and `InvokeModelWithResponseStream`, on `bedrock-runtime`.
    #[default]
    InvokeModel,
    /// Native Messages, on `bedrock-mantle`.
    Mantle,
}

impl Protocol {
    /// The service that requests are signed for.
    pub const fn service(self) -> &'static str {
        match self {
            Protocol::InvokeModel => "bedrock",
            Protocol::Mantle => "bedrock-mantle",
        }
    }
}
