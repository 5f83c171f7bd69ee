use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::{Credentials, ToolRules};

/// An MCP server: where it is, how it is spoken to, and which of its tools are given.
///
/// ```
/// use aibridge_mcp::{Server, ToolRules, Transport};
/// use http::{HeaderValue, header::AUTHORIZATION};
///
/// let docs = Server::new("docs", "https://mcp.example.com/sse".parse()?)
///     .transport(Transport::Sse)
///     .rules(ToolRules::new().allow("^search".parse()?))
///     .header(AUTHORIZATION, HeaderValue::from_static("Bearer fixed"));
/// assert!(!format!("{docs:?}").contains("fixed"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    pub(crate) id: String,
    pub(crate) url: Url,
    pub(crate) transport: Transport,
    pub(crate) rules: ToolRules,
    pub(crate) headers: HeaderMap,
    pub(crate) credentials: Option<Arc<dyn Credentials>>,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Streamable HTTP, of protocol revisions 2025-03-26 and later: one URL for everything.
    #[default]
    StreamableHttp,
    /// HTTP with SSE, of protocol revision 2024-11-05: the URL is that of the event stream, which names the one to post to.
    Sse,
}

impl Server {
    /// The server at `url`, over streamable HTTP, with all of its tools and without authentication.
    ///
    /// The id becomes a part of the tools' names, and is what metrics and logs call the server.
    pub fn new(id: impl Into<String>, url: Url) -> Server {
        Server {
            id: id.into(),
            url,
            transport: Transport::default(),
            rules: ToolRules::new(),
            headers: HeaderMap::new(),
            credentials: None,
        }
    }

    /// Speaks `transport`. The default is streamable HTTP.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Server {
        self.transport = transport;
        self
    }

    /// Gives only the tools that `rules` permit. The default is all.
    #[must_use]
    pub fn rules(mut self, rules: ToolRules) -> Server {
        self.rules = rules;
        self
    }

    /// Sends a header with every request, whoever's it is. Its value is taken for a secret.
    #[must_use]
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Server {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// Sends each actor's own token, as `Authorization: Bearer`. Actors who have none get none of the server's tools.
    #[must_use]
    pub fn credentials(mut self, credentials: Arc<dyn Credentials>) -> Server {
        self.credentials = Some(credentials);
        self
    }

    /// The URL as it may be seen: operators put keys into the query too.
    pub(crate) fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("id", &self.id)
            .field("url", &self.shown_url())
            .field("transport", &self.transport)
            .field("rules", &self.rules)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("per_user", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}
