//! Who is asking, and what they are told when it is not possible.

use aibridge_tower::auth::{Actor, AuthError, Authenticate};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::{ExternalAuth, page};

/// Who is asking, in an open session.
pub(super) struct Visitor {
    pub(super) session: String,
    pub(super) actor: Actor,
}

/// Why nobody is signed in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody was.
    Nobody,
    /// The token is not accepted, or no longer.
    Token,
    /// It could not be checked.
    Unavailable,
}

impl Refusal {
    pub(super) fn of(error: &AuthError) -> Refusal {
        if matches!(error, AuthError::Unavailable(_)) { Refusal::Unavailable } else { Refusal::Token }
    }
}

impl ExternalAuth {
    /// Who is asking. The token of the session is checked each time, so that one that is revoked ends it.
    pub(super) async fn visitor(&self, headers: &HeaderMap) -> Result<Visitor, Refusal> {
        let session = self.cookie.read(headers).ok_or(Refusal::Nobody)?;
        let token = self.sessions.token(session).ok_or(Refusal::Nobody)?;
        match self.identity.authenticate(&token).await {
            Ok(actor) => Ok(Visitor { session: session.to_owned(), actor }),
            Err(error) => {
                let refusal = Refusal::of(&error);
                if refusal == Refusal::Token {
                    self.sessions.close(session);
                }
                Err(refusal)
            }
        }
    }

    pub(super) fn ask_to_sign_in(&self, refusal: Refusal, then: Option<&str>) -> Response {
        let (status, problem) = match refusal {
            Refusal::Nobody => (StatusCode::OK, None),
            Refusal::Token => (StatusCode::UNAUTHORIZED, Some("The token is not accepted.")),
            Refusal::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, Some("The token cannot be checked now. Try again."))
            }
        };
        page::response(status, page::sign_in(self.base(), problem, then))
    }

    pub(super) fn problem(&self, status: StatusCode, title: &str, text: &str) -> Response {
        page::response(status, page::problem(self.base(), title, text))
    }

    pub(super) fn unknown(&self) -> Response {
        self.problem(StatusCode::NOT_FOUND, "Unknown application", "There is no application of that name here.")
    }

    pub(super) fn failed(&self, error: &dyn std::error::Error) -> Response {
        tracing::error!(%error, "a page of linked applications failed");
        self.problem(StatusCode::INTERNAL_SERVER_ERROR, "Not possible now", "The gateway's store failed. Try again.")
    }
}
