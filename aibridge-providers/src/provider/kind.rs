use crate::api::Format;

/// The type of a provider instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `openai`
    OpenAi,
    /// `anthropic`
    Anthropic,
    /// `copilot`
    Copilot,
    /// `bedrock`
    Bedrock,
    /// `azure`
    Azure,
    /// `google`
    Google,
    /// `openrouter`
    OpenRouter,
    /// `vercel`
    Vercel,
    /// `openai-compat`
    OpenAiCompat,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 9] = [
        Kind::OpenAi,
        Kind::Anthropic,
        Kind::Copilot,
        Kind::Bedrock,
        Kind::Azure,
        Kind::Google,
        Kind::OpenRouter,
        Kind::Vercel,
        Kind::OpenAiCompat,
    ];

    /// The name used in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::OpenAi => "openai",
            Kind::Anthropic => "anthropic",
            Kind::Copilot => "copilot",
            Kind::Bedrock => "bedrock",
            Kind::Azure => "azure",
            Kind::Google => "google",
            Kind::OpenRouter => "openrouter",
            Kind::Vercel => "vercel",
            Kind::OpenAiCompat => "openai-compat",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The format in which errors on this kind's routes are reported when the route itself does not tell.
    pub const fn format(self) -> Format {
        match self {
            Kind::Anthropic | Kind::Bedrock => Format::Anthropic,
            _ => Format::OpenAi,
        }
    }

    /// The base URL used when none is configured.
    pub const fn default_base_url(self) -> Option<&'static str> {
        match self {
            Kind::OpenAi => Some("https://api.openai.com/v1/"),
            Kind::Anthropic => Some("https://api.anthropic.com/"),
            Kind::Copilot => Some("https://api.individual.githubcopilot.com"),
            Kind::Google => Some("https://generativelanguage.googleapis.com/v1beta/openai/"),
            Kind::OpenRouter => Some("https://openrouter.ai/api/v1/"),
            Kind::Vercel => Some("https://ai-gateway.vercel.sh/v1/"),
            Kind::Bedrock | Kind::Azure | Kind::OpenAiCompat => None,
        }
    }
}
