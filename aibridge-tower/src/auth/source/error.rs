/// A source of identity that cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A setting that a source cannot do without is not there.
    #[error("{0} is not configured")]
    Missing(&'static str),
    /// A URL is not one of `http` or `https`.
    #[error("{0} is not an http or https URL")]
    Url(&'static str),
    /// The PEM holds no RSA, P-256, P-384 or Ed25519 public key.
    #[error("not the PEM of an RSA, P-256, P-384 or Ed25519 public key")]
    Pem,
    /// The shared secret is shorter than RFC 7518, section 3.2 asks for.
    #[error("the shared secret is shorter than 32 bytes")]
    ShortSecret,
    /// The HTTP client could not be set up, e.g. because there are no CA certificates.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
}
