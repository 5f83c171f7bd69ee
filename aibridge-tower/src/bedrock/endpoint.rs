//! Where Bedrock is.

use aibridge_providers::bedrock::Protocol;
use aws_sdk_bedrockruntime::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use futures::FutureExt;

/// The base URL of `protocol` in `region`, by the endpoint rules of AWS's SDK: each partition (China, GovCloud, ...) has a
/// domain of its own. `None` if `region` cannot be one.
///
/// ```
/// use aibridge_providers::bedrock::Protocol;
/// use aibridge_tower::bedrock::default_base_url;
///
/// let url = |region| default_base_url(Protocol::InvokeModel, region).unwrap();
/// assert_eq!(url("eu-central-1"), "https://bedrock-runtime.eu-central-1.amazonaws.com");
/// assert_eq!(url("cn-north-1"), "https://bedrock-runtime.cn-north-1.amazonaws.com.cn");
/// let mantle = default_base_url(Protocol::Mantle, "us-east-1").unwrap();
/// assert_eq!(mantle, "https://bedrock-mantle.us-east-1.api.aws/anthropic");
/// assert_eq!(default_base_url(Protocol::InvokeModel, "not a region"), None);
/// ```
pub fn default_base_url(protocol: Protocol, region: &str) -> Option<String> {
    let params = Params::builder().region(region.to_owned()).use_fips(false).use_dual_stack(false).build().ok()?;
    let resolver = DefaultResolver::new();
    let runtime = resolver.resolve_endpoint(&params).now_or_never()?.ok()?;
    match protocol {
        Protocol::Mantle => Some(format!("https://bedrock-mantle.{region}.api.aws/anthropic")),
        _ => Some(runtime.url().to_owned()),
    }
}
