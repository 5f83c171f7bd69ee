use aibridge_providers::provider::Secret;
use jsonwebtoken::DecodingKey;
use rcgen::{CertificateParams, PKCS_ECDSA_P521_SHA512};

use super::*;
use crate::auth::source::SourceError;

/// `header` and good claims, signed as HMAC-SHA-256 with `secret`, whatever the header says.
fn forged(header: Value, secret: &[u8]) -> String {
    let mut signed = hmac(Algorithm::HS256, secret, header);
    // The library encodes claims only: let it encode the header as such, then put the parts in order.
    let header = signed.split('.').nth(1).unwrap().to_owned();
    signed = hmac(Algorithm::HS256, secret, claims());
    let claims = signed.split('.').nth(1).unwrap();
    let message = format!("{header}.{claims}");
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret), Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn a_pem_verifies_what_its_key_signed() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::RS256, Algorithm::PS256, Algorithm::RS512] {
        let signer = Signer::new(algorithm);
        let source = builder().pem(&signer.public_pem).build().unwrap();
        source.ask(&signer.sign(None, claims())).await.unwrap();
        source.ask(&signer.sign(Some("any"), claims())).await.unwrap();
        let other = Signer::new(algorithm);
        assert_eq!(source.ask(&other.sign(None, claims())).await, Err(AuthError::Unknown), "{algorithm:?}");
    }
}

#[tokio::test]
async fn an_ed25519_pem_verifies_what_its_key_signed() {
    // RFC 8410, section 10.3 and 10.1: the private key and the public one.
    let private = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";
    let public = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----";
    let key = EncodingKey::from_ed_pem(private.as_bytes()).unwrap();
    let signer = Signer { algorithm: Algorithm::EdDSA, key, public_pem: public.into() };
    let source = builder().pem(public).build().unwrap();
    source.ask(&signer.sign(None, claims())).await.unwrap();
}

#[tokio::test]
async fn a_changed_token_is_unknown() {
    let signer = Signer::new(Algorithm::ES256);
    let source = builder().pem(&signer.public_pem).build().unwrap();
    let good = signer.sign(None, claims());
    let richer = signer.sign(None, with(claims(), json!({ "sub": "root" })));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (good, richer) = (parts(&good), parts(&richer));
    let mixed = format!("{}.{}.{}", good[0], richer[1], good[2]);
    assert_eq!(source.ask(&mixed).await, Err(AuthError::Unknown));
    let unsigned = format!("{}.{}.", good[0], good[1]);
    assert_eq!(source.ask(&unsigned).await, Err(AuthError::Unknown));
}

#[tokio::test]
async fn the_token_does_not_choose_the_kind_of_key() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256] {
        let signer = Signer::new(algorithm);
        let source = builder().pem(&signer.public_pem).build().unwrap();
        source.ask(&signer.sign(None, claims())).await.unwrap();
        let der = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(signer.public_pem.as_bytes()),
            _ => DecodingKey::from_ec_pem(signer.public_pem.as_bytes()),
        }
        .unwrap();
        for known in
            [signer.public_pem.as_bytes(), signer.public_pem.trim().as_bytes(), der.try_get_as_bytes().unwrap()]
        {
            for header in [
                json!({ "alg": "HS256", "typ": "JWT" }),
                json!({ "alg": "none" }),
                json!({ "alg": "None" }),
                json!({ "alg": format!("{algorithm:?}") }),
                json!({ "alg": ["HS256"] }),
                json!({ "typ": "JWT" }),
            ] {
                assert_eq!(source.ask(&forged(header.clone(), known)).await, Err(AuthError::Unknown), "{header}");
            }
        }
    }
    // And the other way round: a shared secret verifies nothing but HMACs.
    let source = builder().secret(Secret::new(Signer::new(Algorithm::RS256).public_pem)).build().unwrap();
    assert_eq!(source.ask(&Signer::new(Algorithm::RS256).sign(None, claims())).await, Err(AuthError::Unknown));
}

#[tokio::test]
async fn keys_in_the_header_count_for_nothing() {
    let (signer, attacker) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let source = builder().pem(&signer.public_pem).build().unwrap();
    let mut header = Header::new(Algorithm::ES256);
    header.jwk = Some(Jwk::from_encoding_key(&attacker.key, Algorithm::ES256).unwrap());
    header.jku = Some("http://127.0.0.1:1/keys".into());
    assert_eq!(source.ask(&encode(&header, &claims(), &attacker.key).unwrap()).await, Err(AuthError::Unknown));
}

#[tokio::test]
async fn a_critical_extension_is_refused() {
    let secret = secret(32);
    let source = builder().secret(secret.clone()).build().unwrap();
    let bytes = secret.expose().as_bytes();
    source.ask(&forged(json!({ "alg": "HS256" }), bytes)).await.unwrap();
    let critical = json!({ "alg": "HS256", "crit": ["exp"], "exp": 1 });
    assert_eq!(source.ask(&forged(critical, bytes)).await, Err(AuthError::Unknown));
}

#[tokio::test]
async fn a_secret_is_as_long_as_its_hash() {
    use Algorithm::{HS256, HS384, HS512};
    assert!(matches!(builder().secret(secret(31)).build(), Err(SourceError::ShortSecret)));
    for (length, accepted) in [(32, &[HS256][..]), (48, &[HS256, HS384]), (64, &[HS256, HS384, HS512])] {
        let secret = secret(length);
        let source = builder().secret(secret.clone()).build().unwrap();
        for algorithm in [HS256, HS384, HS512] {
            let outcome = source.ask(&hmac(algorithm, secret.expose().as_bytes(), claims())).await;
            assert_eq!(outcome.is_ok(), accepted.contains(&algorithm), "{length} {algorithm:?}");
        }
    }
}

#[test]
fn only_public_keys_are_taken_as_pem() {
    let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let p521 = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap().public_key_pem();
    let certificate = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    for pem in ["", "hunter2", &pair.serialize_pem(), &p521, &certificate, &pair.public_key_pem()[..200]] {
        let error = builder().pem(pem).build().unwrap_err();
        assert!(matches!(error, SourceError::Pem), "{error}");
    }
    builder().pem(format!("\n{}", pair.public_key_pem())).build().unwrap();
}
