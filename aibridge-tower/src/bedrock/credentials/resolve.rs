//! Asks AWS for credentials.

use std::sync::Arc;

use aibridge_providers::{bedrock::Settings, provider::Instance};
use aws_config::{
    BehaviorVersion, Region, default_provider::credentials::DefaultCredentialsChain, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, sts::AssumeRoleProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};

use super::{fixed, pair};

/// The longest name of a role's session.
const MAX_SESSION_NAME: usize = 64;

/// What `instance` says about `slot`, asked anew: profiles and the like may have changed.
pub(super) async fn resolve(
    instance: Arc<Instance>,
    slot: usize,
    sts_url: Option<Arc<str>>,
) -> Result<Credentials, CredentialsError> {
    let settings = instance.bedrock.as_ref().ok_or_else(|| CredentialsError::not_loaded("not a Bedrock instance"))?;
    let base = base(settings, slot).await;
    let Some(role) = &settings.role_arn else { return base.provide_credentials().await };
    let mut config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(base.clone())
        // Who waits tries again, and knows for how long.
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(url) = sts_url {
        config = config.endpoint_url(&*url);
    }
    let mut role =
        AssumeRoleProvider::builder(role).configure(&config.load().await).session_name(session_name(&instance.name));
    if let Some(external_id) = &settings.external_id {
        role = role.external_id(external_id);
    }
    role.build_from_provider(base).await.provide_credentials().await
}

/// The static pair, or the AWS default chain. With the region known, nothing is asked for it.
async fn base(settings: &Settings, slot: usize) -> SharedCredentialsProvider {
    match pair(settings, slot) {
        Some(pair) => SharedCredentialsProvider::new(fixed(pair)),
        None => {
            let region = Region::new(settings.region.clone());
            SharedCredentialsProvider::new(DefaultCredentialsChain::builder().region(region).build().await)
        }
    }
}

/// What AWS logs the session under: of the instance's name what a session's name may hold.
fn session_name(instance: &str) -> String {
    let may = |c: &char| c.is_ascii_alphanumeric() || "_=,.@-".contains(*c);
    "aibridge-".chars().chain(instance.chars().filter(may)).take(MAX_SESSION_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_after_the_instance_within_what_aws_allows() {
        assert_eq!(session_name("bedrock-eu"), "aibridge-bedrock-eu");
        assert_eq!(session_name("büro / 1"), "aibridge-bro1");
        assert_eq!(session_name(&"a".repeat(100)).len(), 64);
    }
}
