use aibridge_providers::{bedrock::Protocol, provider::BaseUrl};
use aibridge_tower::bedrock::default_base_url;

use crate::config::{definition::Definition, report::Report, table::PROVIDER};

/// Signed for when neither a region is given nor the URL names one.
const DEFAULT_REGION: &str = "us-east-1";

/// Where `protocol` is in `region`, if that can be one.
pub(super) fn base_url(protocol: Protocol, region: &str) -> Option<BaseUrl> {
    BaseUrl::parse(&default_base_url(protocol, region)?).ok()
}

/// The region requests are signed for: the one that was `given`, else that of `url`. `name` is what is to be set if
/// there is none.
pub(super) fn region(given: Option<&str>, url: &BaseUrl, name: &str, report: &mut Report) -> String {
    given.or_else(|| region_of(url.as_str())).map_or_else(
        || {
            let why = format!("is not set, and the URL does not tell: requests are signed for {DEFAULT_REGION}");
            report.warn(name, why);
            DEFAULT_REGION.to_owned()
        },
        str::to_owned,
    )
}

/// The region in the host of an AWS endpoint: `bedrock-runtime.<region>.amazonaws.com`, `bedrock-runtime-fips.<region>...`,
/// `vpce-....bedrock-runtime.<region>.vpce.amazonaws.com`, `bedrock-mantle.<region>.api.aws`.
fn region_of(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', ':']).next()?;
    if !host.contains(".amazonaws.com") && !host.ends_with(".aws") {
        return None;
    }
    let mut labels = host.split('.').skip_while(|label| !label.starts_with("bedrock-"));
    labels.nth(1).filter(|region| !region.is_empty())
}

/// The default of a field of an indexed instance.
pub(super) fn default_of(field: &str) -> String {
    let of = |definition: &&Definition| definition.name == field;
    PROVIDER.fields.iter().find(of).map_or("", |definition| definition.default).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_aws_name_their_region() {
        for (url, region) in [
            ("https://bedrock-runtime.eu-west-1.amazonaws.com/", Some("eu-west-1")),
            ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("https://vpce-0a-1b.bedrock-runtime.us-east-2.vpce.amazonaws.com:8443/x", Some("us-east-2")),
            ("https://bedrock-mantle.us-west-2.api.aws/anthropic", Some("us-west-2")),
            ("https://bedrock-runtime.eu-west-1.proxy.example/", None),
            ("https://vpc.example/", None),
        ] {
            assert_eq!(region_of(url), region, "{url}");
        }
    }
}
