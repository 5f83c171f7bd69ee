//! The provider instances.

mod bedrock;
mod indexed;
mod legacy;
mod names;

use aibridge_providers::{
    bedrock::Settings as BedrockSettings,
    provider::{BaseUrl, Instance, Kind, ModelRules, Secret},
};

use super::{report::Report, settings::Settings};

/// A provider instance.
#[derive(Clone, Debug)]
pub(crate) struct ProviderConfig {
    /// The name in the path.
    pub(crate) name: String,
    /// The type. An `anthropic` instance that was given `BEDROCK_*` is a [`Kind::Bedrock`] one.
    pub(crate) kind: Kind,
    /// Where it is.
    pub(crate) base_url: BaseUrl,
    /// The organisation's keys, in order.
    pub(crate) keys: Vec<Secret>,
    /// For [`Kind::Bedrock`].
    pub(crate) bedrock: Option<BedrockSettings>,
    /// Which models may be asked for.
    pub(crate) models: ModelRules,
}

impl ProviderConfig {
    /// The instance as the pipeline knows it.
    pub(crate) fn instance(&self) -> Instance {
        let mut builder =
            Instance::builder(self.kind, self.base_url.clone()).name(&self.name).models(self.models.clone());
        for key in &self.keys {
            builder = builder.key(key.clone());
        }
        match &self.bedrock {
            Some(settings) => builder.bedrock(settings.clone()).build(),
            None => builder.build(),
        }
    }
}

/// The instances: first those without an index, then the others by index.
pub(super) fn read(settings: &Settings, report: &mut Report) -> Vec<ProviderConfig> {
    let mut names = names::Names::default();
    let mut providers = legacy::read(settings, &mut names, report);
    let members = settings.members.iter().filter(|member| member.family.name == super::table::PROVIDER.name);
    providers.extend(members.filter_map(|member| indexed::read(member, &mut names, report)));
    if providers.is_empty() && report.errors.is_empty() {
        report.warn(
            "CODER_AIBRIDGE_PROVIDER_0_TYPE",
            "no provider is configured, and every provider route answers 404; set it, or CODER_AIBRIDGE_OPENAI_KEY or \
             CODER_AIBRIDGE_ANTHROPIC_KEY",
        );
    }
    providers
}
