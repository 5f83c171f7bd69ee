//! What an option is, and how it is spelt in each of the three places it can be given.

/// One option: a row of [`super::table::OPTIONS`], or a field of one of [`super::table::FAMILIES`].
#[derive(Debug)]
pub(crate) struct Definition {
    /// The name, e.g. `RETENTION`: what follows the scope's prefix in the environment.
    pub(crate) name: &'static str,
    /// Which prefix it has.
    pub(crate) scope: Scope,
    /// How its text is read.
    pub(crate) kind: Kind,
    /// The default, as a user would write it; empty for none.
    pub(crate) default: &'static str,
    /// Where `--help` lists it.
    pub(crate) group: Group,
    /// What it does, in one line.
    pub(crate) help: &'static str,
    /// The flag, where it is not the name in lower case with hyphens.
    pub(crate) flag: Option<&'static str>,
    /// Further flags (`--x`) and YAML paths (`a.b`) that mean the same.
    pub(crate) also: &'static [&'static str],
}

/// Which prefix an option's name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `CODER_AIBRIDGE_X` and `CODER_AI_GATEWAY_X`.
    Gateway,
    /// `CODER_X`.
    Host,
}

impl Scope {
    /// The prefixes in the environment, the canonical one first.
    pub(crate) const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Scope::Gateway => &["CODER_AIBRIDGE_", "CODER_AI_GATEWAY_"],
            Scope::Host => &["CODER_"],
        }
    }

    /// The prefixes of the YAML path, in the order of [`Scope::prefixes`].
    pub(crate) const fn yaml_prefixes(self) -> &'static [&'static str] {
        match self {
            Scope::Gateway => &["aibridge.", "ai_gateway."],
            Scope::Host => &[""],
        }
    }
}

/// How an option's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true`/`false`, `1`/`0`, `yes`/`no`, `on`/`off`.
    Switch,
    /// `30m`, `12h`, `90d`, `2w`, `0`.
    Duration,
    /// Bytes: `1048576`, `64MiB`, `64M`, `64MB`.
    Bytes,
    /// A whole number within these bounds.
    Count(u64, u64),
    /// Any text.
    Text,
    /// Any text that must never be shown.
    Secret,
    /// A list of secrets, separated by commas.
    Keys,
    /// The path of a file or directory.
    Path,
    /// An http or https URL without credentials, query or fragment.
    Url,
    /// The same, of an endpoint, which may have a query.
    Endpoint,
    /// Several words, with this character between them.
    Words(char),
    /// A provider's base URL.
    BaseUrl,
    /// An address to listen on: `127.0.0.1:3000`, `:3000`, `localhost:3000`.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// The name of an HTTP header.
    HeaderName,
    /// A regular expression.
    Pattern,
    /// An AWS region.
    Region,
}

impl Kind {
    /// Whether the value must never be shown. Such an option can be given as a file, with `_FILE` behind its name.
    pub(crate) const fn is_secret(self) -> bool {
        matches!(self, Kind::Secret | Kind::Keys)
    }

    /// What `--help` calls the value.
    pub(crate) fn placeholder(self) -> String {
        match self {
            Kind::Switch => "true|false".to_owned(),
            Kind::Duration => "duration".to_owned(),
            Kind::Bytes => "bytes".to_owned(),
            Kind::Count(..) => "number".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Secret => "secret".to_owned(),
            Kind::Keys => "secret,...".to_owned(),
            Kind::Path => "path".to_owned(),
            Kind::Url | Kind::Endpoint | Kind::BaseUrl => "url".to_owned(),
            Kind::Words(between) => format!("text{between}..."),
            Kind::Address => "address:port".to_owned(),
            Kind::Choice(words) => words.join("|"),
            Kind::HeaderName => "header".to_owned(),
            Kind::Pattern => "regex".to_owned(),
            Kind::Region => "region".to_owned(),
        }
    }
}

/// The groups of `--help`, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The one OpenAI and the one Anthropic instance that need no index.
    Single,
    /// `PROVIDER_<N>_*`.
    Indexed,
    /// The gateway's own behaviour.
    Gateway,
    /// Listening, storage, telemetry.
    Host,
    /// Where identities come from.
    Authentication,
    /// MCP servers and the applications that authorise users for them.
    Mcp,
}

impl Group {
    /// Every group, in the order of `--help`.
    pub(crate) const ALL: [Group; 6] =
        [Group::Single, Group::Indexed, Group::Gateway, Group::Host, Group::Authentication, Group::Mcp];

    /// The heading.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Group::Single => "Providers, single (legacy)",
            Group::Indexed => "Providers, indexed",
            Group::Gateway => "Gateway",
            Group::Host => "Host",
            Group::Authentication => "Authentication",
            Group::Mcp => "MCP tools",
        }
    }
}

impl Definition {
    /// An option of the gateway's.
    pub(crate) const fn gateway(
        group: Group,
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Definition {
        Definition { name, scope: Scope::Gateway, kind, default, group, help, flag: None, also: &[] }
    }

    /// An option of the host's.
    pub(crate) const fn host(
        group: Group,
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Definition {
        Definition { name, scope: Scope::Host, kind, default, group, help, flag: None, also: &[] }
    }

    /// Its flag is `flag`, without the leading hyphens.
    pub(crate) const fn flag(mut self, flag: &'static str) -> Definition {
        self.flag = Some(flag);
        self
    }

    /// It has further spellings: flags with leading hyphens, or YAML paths.
    pub(crate) const fn also(mut self, also: &'static [&'static str]) -> Definition {
        self.also = also;
        self
    }

    /// The environment variables, the canonical one first.
    pub(crate) fn variables(&self) -> Vec<String> {
        self.scope.prefixes().iter().map(|prefix| format!("{prefix}{}", self.name)).collect()
    }

    /// The flags, with leading hyphens, the canonical one first.
    pub(crate) fn flags(&self) -> Vec<String> {
        match self.flag {
            Some(flag) => vec![format!("--{flag}")],
            None => self.variables().iter().map(|variable| flag_of(variable)).collect(),
        }
    }

    /// The YAML paths, the canonical one first.
    pub(crate) fn yaml_paths(&self) -> Vec<String> {
        let key = self.flag.map_or_else(|| self.name.to_ascii_lowercase(), |flag| flag.replace('-', "_"));
        self.scope.yaml_prefixes().iter().map(|prefix| format!("{prefix}{key}")).collect()
    }
}

/// A group of options that is given any number of times, told apart by an index from 0.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name before the index, e.g. `PROVIDER`.
    pub(crate) name: &'static str,
    /// Which prefix it has.
    pub(crate) scope: Scope,
    /// The key of the YAML list, e.g. `providers`.
    pub(crate) list: &'static str,
    /// Another path of the YAML list.
    pub(crate) also_list: Option<&'static str>,
    /// Where `--help` lists it.
    pub(crate) group: Group,
    /// The fields.
    pub(crate) fields: &'static [Definition],
}

/// The flag that corresponds to an environment variable: `CODER_HTTP_ADDRESS` is `--http-address`.
pub(crate) fn flag_of(variable: &str) -> String {
    let name = variable.strip_prefix("CODER_").unwrap_or(variable);
    format!("--{}", name.to_ascii_lowercase().replace('_', "-"))
}
