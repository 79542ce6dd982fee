-- The health of the Store, shared by all servers: one row.
CREATE TABLE store_circuit (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    state TEXT NOT NULL,
    since INTEGER,
    retry_at INTEGER,
    reason TEXT,
    failures INTEGER NOT NULL,
    openings INTEGER NOT NULL
) STRICT;
INSERT INTO store_circuit (only_row, state, failures, openings) VALUES (1, 'closed', 0, 0);
