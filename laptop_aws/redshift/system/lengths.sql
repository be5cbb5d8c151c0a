-- VARCHAR(n) and CHAR(n) limit bytes, not characters. Every new column gets a check constraint,
-- which calls too_long to raise the error.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html

CREATE OR REPLACE FUNCTION redshift.too_long(type text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE string_data_right_truncation USING MESSAGE = 'value too long for type ' || type;
END $$;

CREATE OR REPLACE FUNCTION redshift.count_bytes() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    target regclass;
    changes text;
BEGIN
    FOR target IN
        SELECT DISTINCT objid FROM pg_event_trigger_ddl_commands()
        WHERE classid = 'pg_class'::regclass AND object_type = 'table'
    LOOP
        SELECT string_agg(CASE WHEN conname IS NULL
            THEN format('ADD CONSTRAINT %I CHECK (CASE WHEN octet_length(%I) > %s'
                        ' THEN redshift.too_long(%L) ELSE true END)', name, attname, most, type)
            ELSE format('DROP CONSTRAINT %I', conname) END, ', ')
        INTO changes
        FROM (SELECT format('%s_bytes_%s', attnum, atttypmod - 4) AS name, attname,
                     atttypmod - 4 AS most, format_type(atttypid, atttypmod) AS type
              FROM pg_attribute
              WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND atttypmod >= 0
                AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype)) AS wanted
        FULL JOIN (SELECT conname FROM pg_constraint
                   WHERE conrelid = target AND conname ~ '^[0-9]+_bytes_[0-9]+$') AS there
            ON conname = name
        WHERE conname IS NULL OR name IS NULL;
        IF changes IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s %s', target, changes);
        END IF;
    END LOOP;
END $$;

DROP EVENT TRIGGER IF EXISTS redshift_count_bytes;
CREATE EVENT TRIGGER redshift_count_bytes ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE')
    EXECUTE FUNCTION redshift.count_bytes();
