-- The schema `redshift`, empty except for its data. These files run as the cluster's owner at every
-- start and replace what an older version left. Redshift's own names are in pg_catalog, as on
-- Redshift: visible under every search_path, and hidden from psql's \d. What implements them is in
-- the schema redshift.

SET allow_system_table_mods = on;
SET client_min_messages = warning;
SET search_path = pg_catalog;

CREATE SCHEMA IF NOT EXISTS redshift;
GRANT USAGE ON SCHEMA redshift TO PUBLIC;
CREATE SEQUENCE IF NOT EXISTS redshift.query_ids;

-- Two routines stay: constraints of the client's tables call too_long, and an event trigger calls
-- count_bytes.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'redshift'::regnamespace AND proname NOT IN ('too_long', 'count_bytes')
    LOOP
        EXECUTE format('DROP ROUTINE %s', routine);
    END LOOP;
END $$;

-- The names of requests; they are in plan.py, and bootstrap.py creates this type.
DROP TYPE IF EXISTS redshift.verb;
