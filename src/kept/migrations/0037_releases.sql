-- Who was given to a partner or put into an audience by a release, and has not been taken back. The
-- row goes when whoever has her data confirms that it is gone; that it was asked and confirmed
-- stands in the ledger.
CREATE TABLE release_member (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release text NOT NULL,
    recipient text NOT NULL,
    audience text,
    purpose text NOT NULL,
    context text NOT NULL,
    categories text[] NOT NULL,
    -- Under which name the recipient knows her: a keyed hash, another one for each release.
    member text NOT NULL,
    -- Keyed hashes of what names her, as suppressions keep them: by these she is judged again.
    macs bytea[] NOT NULL,
    -- A keyed hash of what was sent: when it changes, it is sent again.
    said bytea NOT NULL,
    -- What she was shown before she sent the form by which her data came (notice_text).
    notice text,
    put_at timestamptz NOT NULL,
    -- When the recipient said that it has this; NULL: asked, not confirmed.
    confirmed_at timestamptz,
    -- Since when it is asked to give it up; NULL: it may keep it.
    asked_at timestamptz,
    tries integer NOT NULL DEFAULT 0,
    UNIQUE (release, member)
);
