-- Whether the package of a case shows what others wrote that names her, beside the rows that are hers.
ALTER TABLE rights_case ADD COLUMN named boolean NOT NULL DEFAULT false;
