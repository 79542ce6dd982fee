-- Times are unix milliseconds, ids the 16 bytes of a UUID, enums their text, details JSON.
-- Keep migrations/postgres/0001_initial.sql in step: same tables, columns and indexes.

CREATE TABLE devices (
    id BLOB NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    end_reason TEXT,
    dm_id TEXT NOT NULL,
    hardware_id TEXT NOT NULL,
    name TEXT NOT NULL,
    upn TEXT NOT NULL,
    kind TEXT NOT NULL,
    enrolled_at INTEGER NOT NULL,
    ended_at INTEGER,
    os_version TEXT,
    manufacturer TEXT,
    model TEXT,
    architecture TEXT,
    last_seen_at INTEGER,
    inventory_at INTEGER,
    settings_at INTEGER,
    apps_read_at INTEGER,
    apps_due INTEGER NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX devices_upn ON devices (upn, id);
CREATE INDEX devices_hardware_id ON devices (hardware_id, upn);
CREATE INDEX devices_dm_id ON devices (dm_id);
CREATE INDEX devices_provisional ON devices (enrolled_at) WHERE state = 'provisional';

CREATE TABLE device_apps (
    device_id BLOB NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    package_full_name TEXT NOT NULL,
    context TEXT NOT NULL,
    provisioned INTEGER,
    package_family_name TEXT NOT NULL,
    version TEXT NOT NULL,
    install_location TEXT,
    source TEXT,
    users TEXT,
    PRIMARY KEY (device_id, package_full_name, context)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificates (
    fingerprint BLOB NOT NULL PRIMARY KEY,
    device_id BLOB NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    thumbprint TEXT NOT NULL,
    public_key BLOB NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;
CREATE INDEX certificates_device ON certificates (device_id, not_after);
CREATE INDEX certificates_keys ON certificates (public_key);

CREATE TABLE enrollment_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    upn TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    max_uses INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX enrollment_tokens_expiry ON enrollment_tokens (expires_at);

CREATE TABLE enrollment_replies (
    token_id BLOB NOT NULL REFERENCES enrollment_tokens (id) ON DELETE CASCADE,
    dm_id TEXT NOT NULL,
    public_key BLOB NOT NULL,
    device_id BLOB NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    response BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, dm_id, public_key)
) STRICT;
CREATE INDEX enrollment_replies_device ON enrollment_replies (device_id);

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    device_id BLOB NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    last_msg_id INTEGER NOT NULL,
    request_digest BLOB NOT NULL,
    response BLOB NOT NULL,
    state TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (device_id, session_id)
) STRICT;
CREATE INDEX sessions_age ON sessions (updated_at);

CREATE TABLE commands (
    id BLOB NOT NULL PRIMARY KEY,
    device_id BLOB NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    verb TEXT NOT NULL,
    uri TEXT NOT NULL,
    format TEXT,
    media_type TEXT,
    data TEXT,
    state TEXT NOT NULL,
    status INTEGER,
    results TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    sent_at INTEGER,
    finished_at INTEGER,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX commands_device ON commands (device_id, id);
CREATE INDEX commands_open ON commands (device_id, id) WHERE finished_at IS NULL;
CREATE INDEX commands_expiry ON commands (expires_at) WHERE finished_at IS NULL;
CREATE INDEX commands_finished ON commands (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE exchanges (
    id BLOB NOT NULL PRIMARY KEY,
    device_id BLOB NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    session_id TEXT NOT NULL,
    msg_id INTEGER NOT NULL,
    request TEXT NOT NULL,
    response TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX exchanges_device ON exchanges (device_id, id);

CREATE TABLE device_groups (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE group_members (
    group_id BLOB NOT NULL REFERENCES device_groups (id) ON DELETE CASCADE,
    device_id BLOB NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_device ON group_members (device_id);

CREATE TABLE apps (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    publisher TEXT,
    description TEXT,
    source TEXT NOT NULL,
    license TEXT NOT NULL,
    state TEXT NOT NULL,
    product_id TEXT,
    sku_id TEXT,
    package_family_name TEXT,
    seats_total INTEGER,
    seats_assigned INTEGER,
    seats_available INTEGER,
    icon BLOB,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (product_id, sku_id)
) STRICT;
CREATE INDEX apps_family ON apps (package_family_name, source);
CREATE INDEX apps_icon ON apps (icon) WHERE icon IS NOT NULL;

CREATE TABLE packages (
    id BLOB NOT NULL PRIMARY KEY,
    app_id BLOB NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    store_package_id TEXT,
    content_id TEXT,
    full_name TEXT NOT NULL,
    file_name TEXT NOT NULL,
    version TEXT NOT NULL,
    architectures TEXT NOT NULL,
    bundle INTEGER NOT NULL,
    families TEXT NOT NULL,
    "rank" INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB,
    UNIQUE (app_id, store_package_id)
) STRICT;
CREATE UNIQUE INDEX packages_full_name ON packages (app_id, full_name) WHERE store_package_id IS NULL;
CREATE INDEX packages_content ON packages (sha256) WHERE sha256 IS NOT NULL;

CREATE TABLE package_frameworks (
    package_id BLOB NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    framework_id BLOB NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (package_id, framework_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX package_frameworks_framework ON package_frameworks (framework_id);

CREATE TABLE licenses (
    app_id BLOB NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    content_id TEXT NOT NULL,
    instance_id TEXT,
    license_blob TEXT NOT NULL,
    fetched_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, content_id)
) STRICT;

CREATE TABLE seats (
    id BLOB NOT NULL PRIMARY KEY,
    app_id BLOB NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    upn TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    UNIQUE (app_id, upn)
) STRICT;
CREATE INDEX seats_app ON seats (app_id, id);
CREATE INDEX seats_upn ON seats (upn, id);
CREATE INDEX seats_state ON seats (app_id, state, since);
CREATE INDEX seats_assigning ON seats (app_id) WHERE state = 'assigning';
CREATE INDEX seats_reclaiming ON seats (app_id) WHERE state = 'reclaiming';

CREATE TABLE deployments (
    id BLOB NOT NULL PRIMARY KEY,
    app_id BLOB NOT NULL REFERENCES apps (id),
    intent TEXT NOT NULL,
    context TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Targets that are not final; the deployment completes when it falls to zero.
    open_targets INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deployments_app ON deployments (app_id, id);

-- How many targets are in which state: the sum over the slots, which only spread concurrent writers.
CREATE TABLE target_counts (
    deployment_id BLOB NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    slot INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, state, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE targets (
    id BLOB NOT NULL PRIMARY KEY,
    deployment_id BLOB NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    app_id BLOB NOT NULL,
    intent TEXT NOT NULL,
    context TEXT NOT NULL,
    device_id BLOB NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    upn TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Whether the state is not final.
    open INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT,
    package_id BLOB,
    license_accepted INTEGER NOT NULL,
    not_before INTEGER,
    deadline INTEGER,
    updated_at INTEGER NOT NULL
) STRICT;
-- One live target for each device and app; also how a device finds its work.
CREATE UNIQUE INDEX targets_live ON targets (device_id, app_id) WHERE open;
CREATE INDEX targets_deployment ON targets (deployment_id, id);
CREATE INDEX targets_state ON targets (deployment_id, state, id);
CREATE INDEX targets_planned ON targets (app_id, id) WHERE state = 'planned';
CREATE INDEX targets_awaiting_seat ON targets (app_id, id) WHERE state = 'awaiting_seat';
CREATE INDEX targets_installed ON targets (app_id, upn) WHERE state = 'installed';
CREATE INDEX targets_deadline ON targets (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE seat_reasons (
    seat_id BLOB NOT NULL REFERENCES seats (id) ON DELETE CASCADE,
    target_id BLOB NOT NULL REFERENCES targets (id) ON DELETE CASCADE,
    PRIMARY KEY (seat_id, target_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seat_reasons_target ON seat_reasons (target_id);

CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    lease_token BLOB,
    lease_until INTEGER,
    error TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE UNIQUE INDEX jobs_queued ON jobs (kind, key) WHERE state = 'queued';
CREATE UNIQUE INDEX jobs_running ON jobs (kind, key) WHERE state = 'running';
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'queued';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_newest ON jobs (kind, key, id);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE api_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_entries (
    id BLOB NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    source TEXT
) STRICT;
CREATE INDEX audit_entries_age ON audit_entries (at);

CREATE TABLE idempotency_keys (
    token_id BLOB NOT NULL REFERENCES api_tokens (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    request_digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, key)
) STRICT;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE store_status (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    state TEXT NOT NULL,
    last_success_at INTEGER,
    last_error TEXT,
    products INTEGER NOT NULL,
    seats_assigned INTEGER NOT NULL,
    modified_since INTEGER
) STRICT;
INSERT INTO store_status (only_row, state, products, seats_assigned) VALUES (1, 'idle', 0, 0);
