-- What an agent asked, and was done but for a part, counted as the answer by its end alone, though he
-- does not read which part and why: those are looked at once more.
UPDATE case_clock k SET untold = true FROM rights_case r
    WHERE r.number = k.number AND r.done_at IS NOT NULL AND r.state IN ('closed', 'awaiting')
    AND EXISTS (SELECT FROM intake_case i JOIN intake n USING (number)
        WHERE i.case_number = r.number AND n.channel = 'drp')
    AND (r."right" = 'erasure' AND EXISTS (SELECT FROM case_step s
            WHERE s.number = r.number AND s.retained + s.isolated > 0)
        OR EXISTS (SELECT FROM case_part p WHERE p.number = r.number));
