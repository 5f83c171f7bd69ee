use std::time::Duration;

/// What keeps a bad server from being a bad gateway. Each has a default; set what differs with
/// [`McpBuilder::limits`](crate::McpBuilder::limits).
///
/// ```
/// use std::time::Duration;
///
/// let mut limits = aibridge_mcp::Limits::default();
/// limits.call = Duration::from_secs(20);
/// assert_eq!(limits.cold_start, Duration::from_secs(120));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How long a request waits for a server to be connected and listed, before it goes on without its tools: 120 s. The
    /// attempt goes on for as long again, for the requests to come.
    pub cold_start: Duration,
    /// How long a call may take, a reconnect included: 60 s.
    pub call: Duration,
    /// How large a result may be, in bytes of text and of base64: 1 MiB. What exceeds it is cut, and the model is told.
    pub max_result: usize,
    /// After how long without a request of the actor its sessions are closed: 15 min.
    pub idle: Duration,
    /// How long a server that failed is left alone at first: 1 s. Doubles with every failure.
    pub retry_first: Duration,
    /// How long a server that fails is left alone at most: 60 s.
    pub retry_longest: Duration,
    /// How long what [`Credentials`](crate::Credentials) said is believed: 10 s.
    pub credentials: Duration,
    /// How many pages of `tools/list` are read: 100. If there are more, a warning tells of it.
    pub max_pages: usize,
    /// How many tools of a server are taken, of those that its rules permit: 1000. If there are more, a warning tells of it.
    pub max_tools: usize,
    /// Of how many actors sessions are kept: 10,000. Beyond that, those of the least recent one are closed.
    pub max_actors: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cold_start: Duration::from_secs(120),
            call: Duration::from_secs(60),
            max_result: 1024 * 1024,
            idle: Duration::from_secs(15 * 60),
            retry_first: Duration::from_secs(1),
            retry_longest: Duration::from_secs(60),
            credentials: Duration::from_secs(10),
            max_pages: 100,
            max_tools: 1000,
            max_actors: 10_000,
        }
    }
}

impl Limits {
    /// The largest SSE event that is read. More than a result may hold, for what JSON adds and so that a result a little
    /// too large is cut rather than lost.
    pub(crate) fn max_event(&self) -> usize {
        self.max_result.saturating_mul(4).max(1024 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let limits = Limits::default();
        assert_eq!([limits.cold_start, limits.call, limits.idle].map(|limit| limit.as_secs()), [120, 60, 900]);
        assert_eq!(limits.max_result, 1 << 20);
    }
}
