-- The health of the Store, shared by all servers: one row.
CREATE TABLE store_circuit (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    state TEXT NOT NULL,
    since BIGINT,
    retry_at BIGINT,
    reason TEXT,
    failures BIGINT NOT NULL,
    openings BIGINT NOT NULL
);
INSERT INTO store_circuit (only_row, state, failures, openings) VALUES (1, 'closed', 0, 0);
