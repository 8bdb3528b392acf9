-- Published versions of the policy with their text, and runs of controls in words.
CREATE TABLE policy_version (
    entry bigint PRIMARY KEY,
    policy text NOT NULL,
    version text NOT NULL,
    text_sha256 text NOT NULL,
    rules_sha256 text NOT NULL,
    units jsonb NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX policy_version_policy ON policy_version (policy, entry);

CREATE TABLE control_run (
    entry bigint PRIMARY KEY,
    control text NOT NULL,
    at timestamptz NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX control_run_control ON control_run (control, entry DESC);
