-- Tokens are sealed, nonce first; the key ids say under which key.
CREATE TABLE external_auth_links (
    provider_id                  TEXT NOT NULL,
    user_id                      TEXT NOT NULL,
    created_at                   TEXT NOT NULL,
    updated_at                   TEXT NOT NULL,
    oauth_access_token           BLOB NOT NULL,
    oauth_access_token_key_id    TEXT NOT NULL,
    oauth_refresh_token          BLOB,
    oauth_refresh_token_key_id   TEXT,
    oauth_expiry                 TEXT,
    oauth_refresh_failure_reason TEXT NOT NULL,
    PRIMARY KEY (provider_id, user_id)
) WITHOUT ROWID;
CREATE INDEX external_auth_links_user ON external_auth_links (user_id);
