-- The support desk (SQLite), bought from others: it knows customers by a text, or not at all.

CREATE TABLE agent (agent_id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL);

CREATE TABLE ticket (
    ticket_id       INTEGER PRIMARY KEY,
    customer_ref    TEXT,
    requester_email TEXT NOT NULL,
    requester_name  TEXT,
    subject         TEXT NOT NULL,
    agent_id        INTEGER REFERENCES agent,
    opened_at       TIMESTAMP NOT NULL, closed_at TIMESTAMP,
    legal_basis TEXT NOT NULL, activity TEXT NOT NULL, policy_version TEXT NOT NULL, notice TEXT
);
CREATE INDEX ticket_customer ON ticket (customer_ref);

CREATE TABLE message (
    message_id INTEGER PRIMARY KEY,
    ticket_id  INTEGER NOT NULL REFERENCES ticket,
    agent_id   INTEGER REFERENCES agent,
    body       TEXT NOT NULL,
    sent_at    TIMESTAMP NOT NULL
);
CREATE INDEX message_ticket ON message (ticket_id);
