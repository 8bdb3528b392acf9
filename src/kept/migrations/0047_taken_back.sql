-- Of what staff said that somebody took back, she is told, too: also where that was before.
UPDATE case_clock k SET untold = true FROM rights_case r
    WHERE r.number = k.number AND r.state = 'withdrawn' AND r.done_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM case_event e JOIN actor a USING (actor)
        WHERE e.number = r.number AND e.state = r.state AND a.role = 'person');
