use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// `CODER_TLS_CERT_FILE`
    pub(crate) certificate: PathBuf,
    /// `CODER_TLS_KEY_FILE`
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    pub(super) fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let certificates = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("CODER_TLS_CERT_FILE: cannot read {}", self.certificate.display()))?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("CODER_TLS_KEY_FILE: cannot read {}", self.key.display()))?;
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .context("CODER_TLS_CERT_FILE and CODER_TLS_KEY_FILE do not fit each other")?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
