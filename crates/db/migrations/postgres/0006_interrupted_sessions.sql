-- How often a command left: one that is never answered is not sent for ever.
ALTER TABLE commands ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
-- The apps of the user are read only while the user is there: they have an age of their own.
ALTER TABLE devices ADD COLUMN user_apps_read_at BIGINT;
-- The digest of the message that opened the session: tells one that arrives late from a new session.
ALTER TABLE sessions ADD COLUMN opened_digest BYTEA;
