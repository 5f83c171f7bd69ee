//! Who a browser's user is: sessions that are as good as the gateway token they were opened with.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aibridge_providers::provider::Secret;
use http::{HeaderMap, HeaderValue, header::COOKIE};
use oauth2::{CsrfToken, PkceCodeVerifier};
use tokio::time::Instant;

/// How long a session lasts.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How long a user may take at the provider.
const ABSENCE: Duration = Duration::from_secs(10 * 60);

/// How many sessions there may be. Beyond it the oldest ends.
const MOST: usize = 10_000;

/// Bytes of randomness in a session's id.
const ID: u32 = 32;

/// The open sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

struct Session {
    token: Secret,
    opened: Instant,
    /// Who is at a provider right now, by application: of several attempts only the last can come back.
    away: HashMap<String, Away>,
    notice: Option<String>,
}

struct Away {
    state: String,
    verifier: PkceCodeVerifier,
    since: Instant,
}

impl Sessions {
    /// Opens a session with a token that was accepted, and returns its id.
    pub(super) fn open(&self, token: Secret) -> String {
        let id = CsrfToken::new_random_len(ID).into_secret();
        let session = Session { token, opened: Instant::now(), away: HashMap::new(), notice: None };
        let mut all = self.all();
        if all.len() >= MOST {
            all.retain(|_, session| session.is_open());
            if all.len() >= MOST
                && let Some(oldest) = all.iter().min_by_key(|(_, session)| session.opened).map(|(id, _)| id.clone())
            {
                all.remove(&oldest);
            }
        }
        all.insert(id.clone(), session);
        id
    }

    /// The token of an open session.
    pub(super) fn token(&self, id: &str) -> Option<Secret> {
        self.with(id, |session| session.token.clone())
    }

    /// Ends a session.
    pub(super) fn close(&self, id: &str) {
        self.all().remove(id);
    }

    /// Notes that the user goes to a provider, with this `state`.
    pub(super) fn depart(&self, id: &str, application: &str, state: String, verifier: PkceCodeVerifier) {
        let away = Away { state, verifier, since: Instant::now() };
        self.with(id, |session| session.away.insert(application.to_owned(), away));
    }

    /// What to finish with for the user who comes back with this `state`, once. `None` when this browser did not leave with
    /// it, or too long ago.
    pub(super) fn arrive(&self, id: &str, application: &str, state: &str) -> Option<PkceCodeVerifier> {
        let away = self.with(id, |session| session.away.remove(application))??;
        (away.state == state && away.since.elapsed() < ABSENCE).then_some(away.verifier)
    }

    /// Leaves a line for the next page.
    pub(super) fn notify(&self, id: &str, notice: String) {
        self.with(id, |session| session.notice = Some(notice));
    }

    /// The line that was left, once.
    pub(super) fn notice(&self, id: &str) -> Option<String> {
        self.with(id, |session| session.notice.take())?
    }

    fn with<T>(&self, id: &str, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut all = self.all();
        match all.get_mut(id) {
            Some(session) if session.is_open() => Some(act(session)),
            Some(_) => {
                all.remove(id);
                None
            }
            None => None,
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_open(&self) -> bool {
        self.opened.elapsed() < LIFETIME
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// The cookie that holds a session's id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cookie {
    /// Whether users reach the gateway by HTTPS.
    pub(super) secure: bool,
}

impl Cookie {
    /// With HTTPS the prefix keeps neighbouring hosts from setting it: RFC 6265bis, section 4.1.3.2.
    fn name(self) -> &'static str {
        if self.secure { "__Host-aibridge_session" } else { "aibridge_session" }
    }

    /// The session id in a request.
    pub(super) fn read(self, headers: &HeaderMap) -> Option<&str> {
        let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(name, value)| (name == self.name()).then_some(value))
    }

    /// `Set-Cookie` with a session id, or one that takes it away.
    pub(super) fn write(self, id: Option<&str>) -> HeaderValue {
        let (name, secure) = (self.name(), if self.secure { "; Secure" } else { "" });
        let (id, age) = id.map_or(("", 0), |id| (id, LIFETIME.as_secs()));
        let text = format!("{name}={id}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        let mut value = HeaderValue::try_from(text).expect("an id is URL-safe base64");
        value.set_sensitive(true);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &Sessions) -> String {
        sessions.open(Secret::new("token"))
    }

    fn depart(sessions: &Sessions, id: &str, application: &str, state: &str) {
        sessions.depart(id, application, state.to_owned(), PkceCodeVerifier::new(format!("verifier-{state}")));
    }

    fn arrive(sessions: &Sessions, id: &str, application: &str, state: &str) -> Option<String> {
        sessions.arrive(id, application, state).map(PkceCodeVerifier::into_secret)
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lasts_an_hour_or_until_it_is_closed() {
        let sessions = Sessions::default();
        let (one, two) = (open(&sessions), open(&sessions));
        assert!(one != two && one.len() >= 43);
        assert_eq!(sessions.token(&one).map(|token| token.expose().to_owned()).as_deref(), Some("token"));
        sessions.close(&one);
        assert!(sessions.token(&one).is_none() && sessions.token("nothing").is_none());
        tokio::time::advance(LIFETIME - Duration::from_secs(1)).await;
        assert!(sessions.token(&two).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(sessions.token(&two).is_none());
        assert!(sessions.all().is_empty(), "it is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_is_good_for_one_return_of_the_browser_that_left_with_it() {
        let sessions = Sessions::default();
        let (one, other) = (open(&sessions), open(&sessions));
        depart(&sessions, &one, "github", "s");
        assert_eq!(arrive(&sessions, &other, "github", "s"), None);
        assert_eq!(arrive(&sessions, &one, "gitlab", "s"), None);
        assert_eq!(arrive(&sessions, &one, "github", "s").as_deref(), Some("verifier-s"));
        assert_eq!(arrive(&sessions, &one, "github", "s"), None);
        depart(&sessions, &one, "github", "s");
        assert_eq!(arrive(&sessions, &one, "github", "wrong"), None);
        assert_eq!(arrive(&sessions, &one, "github", "s"), None, "who guesses has one guess");
        depart(&sessions, &one, "github", "first");
        depart(&sessions, &one, "github", "second");
        assert_eq!(arrive(&sessions, &one, "github", "second").as_deref(), Some("verifier-second"));
        depart(&sessions, &one, "github", "s");
        tokio::time::advance(ABSENCE).await;
        assert_eq!(arrive(&sessions, &one, "github", "s"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_session_ends_for_one_too_many() {
        let sessions = Sessions::default();
        let first = open(&sessions);
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = open(&sessions);
        for _ in 2..MOST {
            open(&sessions);
        }
        assert!(sessions.token(&first).is_some());
        open(&sessions);
        assert!(sessions.token(&first).is_none() && sessions.token(&second).is_some());
        assert_eq!(sessions.all().len(), MOST);
        tokio::time::advance(LIFETIME).await;
        open(&sessions);
        assert_eq!(sessions.all().len(), 1);
    }

    #[test]
    fn the_cookie_is_read_among_others() {
        for (secure, name) in [(true, "__Host-aibridge_session"), (false, "aibridge_session")] {
            let cookie = Cookie { secure };
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, HeaderValue::from_static("a=b; x"));
            assert_eq!(cookie.read(&headers), None);
            headers.append(COOKIE, format!("c=d;{name}=the-id ; e=f").parse().expect("a value"));
            assert_eq!(cookie.read(&headers), Some("the-id"));
        }
        let set = Cookie { secure: true }.write(Some("id"));
        assert_eq!(set, "__Host-aibridge_session=id; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(
            Cookie { secure: false }.write(None),
            "aibridge_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }
}
