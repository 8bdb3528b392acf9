-- What staff said that somebody took back, and what was a letter alone where a copy belongs to it,
-- was not listed, or not any more: all that is done is looked at once more, but for what she took
-- back herself. Whoever was told is not listed, and looked at no more from the next job on.
UPDATE case_clock k SET untold = true FROM rights_case r
    WHERE r.number = k.number AND r.done_at IS NOT NULL
    AND NOT (r.state = 'withdrawn' AND EXISTS (SELECT FROM case_event e JOIN actor a USING (actor)
        WHERE e.number = r.number AND e.state = r.state AND a.role = 'person'));
