//! Amazon Web Services, as far as Bedrock needs them: signatures that are checked, frames, and a Security Token Service.

mod frames;
mod signature;
mod sts;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use frames::{exception, frame, frames};
pub use signature::SignedBy;
pub(crate) use sts::decoded;

use crate::{ReceivedRequest, Script};

/// An AWS account: the access keys it knows. Clones share them.
///
/// ```
/// use aibridge_tests::{Aws, Provider, RawClient, Script};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let aws = Aws::new("us-east-1").key("AKIDEXAMPLE", "secret");
/// let bedrock = Provider::replying(move |request| match aws.verify(request, "bedrock") {
///     Ok(signed) => Script::json(200, format!("{:?}", signed.access_key)),
///     Err(refusal) => refusal,
/// })
/// .await?;
/// let mut client = RawClient::connect(bedrock.address()).await?;
/// client.post("/model/m/invoke", &[], "{}").await?;
/// let (head, _) = client.response().await?;
/// assert_eq!((head.status(), head.get("x-amzn-errortype")), (403, Some("MissingAuthenticationTokenException")));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Aws {
    region: String,
    keys: Arc<Mutex<HashMap<String, Key>>>,
    role: Arc<Mutex<Option<sts::Role>>>,
}

#[derive(Clone, Debug)]
struct Key {
    secret: String,
    token: Option<String>,
}

impl Aws {
    /// An account without keys, in this region.
    pub fn new(region: &str) -> Self {
        Self { region: region.to_owned(), keys: Arc::default(), role: Arc::default() }
    }

    /// Knows this access key, too.
    #[must_use]
    pub fn key(self, id: &str, secret: &str) -> Self {
        self.add(id, secret, None);
        self
    }

    /// Knows this temporary access key, too.
    #[must_use]
    pub fn temporary_key(self, id: &str, secret: &str, token: &str) -> Self {
        self.add(id, secret, Some(token.to_owned()));
        self
    }

    fn add(&self, id: &str, secret: &str, token: Option<String>) {
        let key = Key { secret: secret.to_owned(), token };
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), key);
    }

    /// Who signed `request` for `service`.
    ///
    /// # Errors
    /// What AWS answers to a request whose signature is not good.
    pub fn verify(&self, request: &ReceivedRequest, service: &str) -> Result<SignedBy, Script> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        signature::verify(request, &keys, &self.region, service).map_err(|(kind, message)| {
            let body = serde_json::json!({"message": message}).to_string();
            Script::json(403, body).field("x-amzn-errortype", kind).field("x-amzn-requestid", "amzn-refused")
        })
    }
}
