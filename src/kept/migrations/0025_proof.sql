-- How well it is known who asks in each case, in which ways that was found out, and how much the
-- request takes. What she typed to prove it is kept as keyed hashes until it is compared.
ALTER TABLE rights_case
    ADD COLUMN proof smallint NOT NULL DEFAULT 0,
    ADD COLUMN needs smallint NOT NULL DEFAULT 1,
    ADD COLUMN tried smallint NOT NULL DEFAULT 0;
UPDATE rights_case SET proof = 1 WHERE evidence IS NOT NULL;
CREATE TABLE case_proof (
    number bigint NOT NULL REFERENCES rights_case ON DELETE CASCADE,
    turn integer NOT NULL,
    way text NOT NULL,
    level smallint NOT NULL,
    about bytea,
    actor bigint NOT NULL REFERENCES actor,
    at timestamptz NOT NULL,
    PRIMARY KEY (number, turn)
);
INSERT INTO case_proof (number, turn, way, level, actor, at)
    SELECT number, 1, 'checked', 1, actor, changed_at FROM rights_case WHERE evidence IS NOT NULL;
-- Of a hold that is released before its end: who asked for that first.
ALTER TABLE hold
    ADD COLUMN asked_by bigint REFERENCES actor,
    ADD COLUMN asked_at timestamptz;
-- Besides bulk reading: a plan that somebody approved alone.
ALTER TABLE desk_alert ADD COLUMN what text NOT NULL DEFAULT 'bulk-reading';
