//! What tokens are encrypted under.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use aibridge_store::sealed::{Key, Keyring};
use anyhow::{Context, anyhow};
use secrecy::ExposeSecret;

/// The file of a key that was made here.
const FILE: &str = "external-token.key";

/// The configured keys. Without any, one is made and kept in the data directory: a deployment that has none starts as it is,
/// and its tokens are not in the clear; but who can read the directory can read them.
pub(super) fn keyring(configured: Option<&Keyring>, data_dir: &Path) -> anyhow::Result<Keyring> {
    if let Some(keys) = configured {
        return Ok(keys.clone());
    }
    let path = data_dir.join(FILE);
    let key = match read(&path)? {
        Some(key) => key,
        None => make(&path)?,
    };
    Keyring::new([key]).ok_or_else(|| anyhow!("there is no key"))
}

fn read(path: &Path) -> anyhow::Result<Option<Key>> {
    match fs::read_to_string(path) {
        Ok(text) => Key::from_base64(&text).map(Some).with_context(|| format!("the key in {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("the key in {} cannot be read", path.display())),
    }
}

/// Writes a new key, or reads the one that another process wrote at the same time.
fn make(path: &Path) -> anyhow::Result<Key> {
    let written = || format!("the key in {} cannot be written", path.display());
    let (key, text) = Key::generate()?;
    // Written whole or not at all.
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .with_context(written)?;
    let linked = writeln!(file, "{}", text.expose_secret())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&partial, path));
    fs::remove_file(&partial).with_context(written)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| anyhow!("{} is gone", path.display()))
        }
        Err(error) => Err(error).with_context(written),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_that_nobody_gave_is_made_once_and_only_for_its_owner() {
        let home = tempfile::tempdir().expect("a directory");
        let (_, sealed) = keyring(None, home.path()).expect("made").seal(b"", "token").expect("sealed");
        let again = keyring(None, home.path()).expect("read");
        let (id, _) = again.seal(b"", "").expect("sealed");
        assert_eq!(again.open(&id, b"", &sealed).expect("opened"), "token");
        let entries: Vec<_> =
            fs::read_dir(home.path()).expect("read").map(|entry| entry.expect("read").file_name()).collect();
        assert_eq!(entries, [FILE]);
        let mode = fs::metadata(home.path().join(FILE)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_configured_key_wins_and_a_spoilt_file_is_not_replaced() {
        let home = tempfile::tempdir().expect("a directory");
        fs::write(home.path().join(FILE), "spoilt!").expect("written");
        let error = format!("{:#}", keyring(None, home.path()).expect_err("refused"));
        assert!(error.contains(FILE) && error.contains("not base64") && !error.contains("spoilt"), "{error}");
        let configured = Keyring::new([Key::generate().expect("made").0]).expect("a key");
        assert!(keyring(Some(&configured), home.path()).is_ok());
        assert_eq!(fs::read_to_string(home.path().join(FILE)).expect("there"), "spoilt!");
    }
}
