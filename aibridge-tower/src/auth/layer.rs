use tower_layer::Layer;

use super::Auth;

/// Adds [`Auth`]: establishes who is calling, with the source of identity `A`.
#[derive(Clone, Debug)]
pub struct AuthLayer<A> {
    authenticator: A,
    allow_byok: bool,
}

impl<A> AuthLayer<A> {
    /// Asks `authenticator` whose token a request carries. Users may bring their own provider credential.
    pub fn new(authenticator: A) -> AuthLayer<A> {
        AuthLayer { authenticator, allow_byok: true }
    }

    /// Sets whether users may bring their own provider credential beside the gateway's token. Default: `true`.
    #[must_use]
    pub fn allow_byok(mut self, allow: bool) -> AuthLayer<A> {
        self.allow_byok = allow;
        self
    }
}

impl<S, A: Clone> Layer<S> for AuthLayer<A> {
    type Service = Auth<S, A>;

    fn layer(&self, inner: S) -> Auth<S, A> {
        Auth::new(inner, self.authenticator.clone(), self.allow_byok)
    }
}
