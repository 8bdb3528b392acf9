-- Since when a restriction holds for all that leads to her. Before, one that could not be asked of a
-- system counted as answered from its first day on; the first entry that names none decides.
ALTER TABLE rights_case ADD COLUMN in_force_at timestamptz;

WITH said AS (
    SELECT l -> 'body' ->> 'case' AS id, min((l ->> 'at')::timestamptz) AS at
    FROM (SELECT index, convert_from(leaf, 'UTF8')::jsonb AS l
          FROM ledger_entry WHERE kind = 35) e
    WHERE coalesce(jsonb_array_length(l -> 'body' -> 'unreached'), 0) = 0
    GROUP BY 1
)
UPDATE rights_case r SET in_force_at = (SELECT min(e.at) FROM case_event e
        WHERE e.number = r.number AND e.state = 'checked' AND e.at >= said.at)
    FROM said WHERE said.id = r.id;

UPDATE case_clock k SET waiting = true FROM rights_case r
    WHERE r.number = k.number AND r."right" = 'restriction'
    AND r.done_at IS NULL AND r.in_force_at IS NULL;
