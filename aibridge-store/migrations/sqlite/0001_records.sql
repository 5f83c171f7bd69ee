CREATE TABLE aibridge_interceptions (
    seq                      INTEGER PRIMARY KEY,
    id                       TEXT NOT NULL UNIQUE,
    initiator_id             TEXT NOT NULL,
    api_key_id               TEXT,
    provider                 TEXT NOT NULL,
    provider_name            TEXT NOT NULL,
    model                    TEXT NOT NULL,
    requested_model          TEXT NOT NULL,
    api                      TEXT NOT NULL,
    streaming                INTEGER NOT NULL,
    client                   TEXT NOT NULL,
    user_agent               TEXT,
    client_session_id        TEXT,
    agent_id                 TEXT,
    parent_agent_id          TEXT,
    correlating_tool_call_id TEXT,
    thread_parent_id         TEXT,
    thread_root_id           TEXT,
    session_id               TEXT NOT NULL,
    credential_kind          TEXT NOT NULL,
    credential_hint          TEXT NOT NULL,
    metadata                 TEXT NOT NULL,
    started_at               TEXT NOT NULL,
    ended_at                 TEXT,
    outcome                  TEXT,
    http_status              INTEGER,
    error_type               TEXT,
    error_message            TEXT,
    ttfb_ms                  INTEGER,
    duration_ms              INTEGER,
    request_bytes            INTEGER NOT NULL,
    response_bytes           INTEGER
);
CREATE INDEX aibridge_interceptions_started_at ON aibridge_interceptions (started_at);
CREATE INDEX aibridge_interceptions_initiator ON aibridge_interceptions (initiator_id, started_at);
CREATE INDEX aibridge_interceptions_session ON aibridge_interceptions (session_id);
CREATE INDEX aibridge_interceptions_running ON aibridge_interceptions (seq) WHERE ended_at IS NULL;

CREATE TABLE aibridge_token_usages (
    id                       TEXT NOT NULL,
    interception_id          TEXT NOT NULL,
    provider_response_id     TEXT,
    input_tokens             INTEGER NOT NULL,
    output_tokens            INTEGER NOT NULL,
    cache_read_input_tokens  INTEGER NOT NULL,
    cache_write_input_tokens INTEGER NOT NULL,
    metadata                 TEXT NOT NULL,
    usage_source             TEXT NOT NULL,
    created_at               TEXT NOT NULL,
    PRIMARY KEY (interception_id, id)
) WITHOUT ROWID;

CREATE TABLE aibridge_user_prompts (
    id                   TEXT NOT NULL,
    interception_id      TEXT NOT NULL,
    provider_response_id TEXT,
    prompt               TEXT NOT NULL,
    metadata             TEXT NOT NULL,
    created_at           TEXT NOT NULL,
    PRIMARY KEY (interception_id, id)
) WITHOUT ROWID;

CREATE TABLE aibridge_tool_usages (
    id                    TEXT NOT NULL,
    interception_id       TEXT NOT NULL,
    provider_response_id  TEXT,
    provider_tool_call_id TEXT,
    provider_item_id      TEXT,
    server_url            TEXT,
    tool                  TEXT NOT NULL,
    input                 TEXT NOT NULL,
    injected              INTEGER NOT NULL,
    invocation_error      TEXT,
    metadata              TEXT NOT NULL,
    created_at            TEXT NOT NULL,
    PRIMARY KEY (interception_id, id)
) WITHOUT ROWID;
CREATE INDEX aibridge_tool_usages_call ON aibridge_tool_usages (provider_tool_call_id)
    WHERE provider_tool_call_id IS NOT NULL;

CREATE TABLE aibridge_model_thoughts (
    id              TEXT NOT NULL,
    interception_id TEXT NOT NULL,
    content         TEXT NOT NULL,
    metadata        TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    PRIMARY KEY (interception_id, id)
) WITHOUT ROWID;

-- Starts that are durable and not yet rows: a JSON array of them for each commit.
CREATE TABLE aibridge_outbox (
    seq    INTEGER PRIMARY KEY,
    starts TEXT NOT NULL
);

CREATE TABLE users (
    id         TEXT NOT NULL PRIMARY KEY,
    username   TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name       TEXT NOT NULL,
    email      TEXT NOT NULL,
    avatar_url TEXT NOT NULL,
    status     TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE api_keys (
    id            TEXT NOT NULL PRIMARY KEY,
    hashed_secret BLOB NOT NULL,
    user_id       TEXT NOT NULL REFERENCES users (id),
    name          TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    expires_at    TEXT,
    revoked_at    TEXT,
    last_used_at  TEXT
);
CREATE INDEX api_keys_user ON api_keys (user_id);
