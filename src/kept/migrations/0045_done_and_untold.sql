-- Of a case that is done: nobody has looked yet whether the person was told, or she was not. So that
-- the few are found without a look at all that ended in a year.
ALTER TABLE case_clock ADD COLUMN untold boolean NOT NULL DEFAULT false;
UPDATE case_clock k SET untold = true FROM rights_case r
    WHERE r.number = k.number AND r.done_at IS NOT NULL AND r.state <> 'withdrawn';
CREATE INDEX case_clock_untold ON case_clock (due, number) WHERE untold;
