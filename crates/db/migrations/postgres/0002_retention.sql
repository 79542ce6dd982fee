-- Growth has an end: what finds the rows that are to go.
CREATE INDEX devices_ended ON devices (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX enrollment_replies_age ON enrollment_replies (created_at);
-- A device goes with its targets; without this each removal would look through all of them.
CREATE INDEX targets_device ON targets (device_id);

-- Content that nothing names any more, and since when that is known: links to it may still be under way.
CREATE TABLE unused_content (
    sha256 BYTEA NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);
CREATE INDEX unused_content_since ON unused_content (since);
