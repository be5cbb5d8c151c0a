-- PostgreSQL's side of the channel to the relay (see channel.py): a request is a line in one pipe
-- of the session's directory, data passes through another, and answers are files. PostgreSQL opens
-- such paths only for its owner, so the procedures of COPY and UNLOAD run as the owner and check
-- the client's privileges themselves.

CREATE OR REPLACE FUNCTION redshift.session_file(name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%s/base/pgsql_tmp/pgsql_tmp_%s/%s', current_setting('data_directory'),
                  substring(current_setting('redshift.session', true) FROM '^[0-9a-f]{32}$'), name)
$$;

-- Wait for the answer `kind`.`number`, and raise the error in it. A client can cancel this wait;
-- it could not cancel a wait to open a pipe.
CREATE OR REPLACE FUNCTION redshift.wait_for(kind text, number bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    LOOP
        answer := pg_read_file(redshift.session_file(kind || '.' || number), true);
        EXIT WHEN answer IS NOT NULL;
        PERFORM pg_sleep(0.001);
    END LOOP;
    IF answer ? 'error' THEN
        RAISE EXCEPTION USING MESSAGE = answer->>'error', ERRCODE = answer->>'sqlstate';
    END IF;
END $$;

-- Send a request and wait until the relay is ready for it; return its number. The CSV format writes
-- the JSON unchanged, because JSON has no control characters that would be quoted.
CREATE OR REPLACE FUNCTION redshift.request(verb redshift.verb, fields jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    number bigint := nextval('redshift.query_ids');
BEGIN
    EXECUTE format('COPY (SELECT %L) TO %L'
                   ' (FORMAT csv, ENCODING ''UTF8'', DELIMITER E''\x01'', QUOTE E''\x02'')',
                   (fields || jsonb_build_object('verb', verb, 'number', number))::text,
                   redshift.session_file('requests'));
    PERFORM redshift.wait_for('ready', number);
    RETURN number;
END $$;

-- The counts of the last COPY and UNLOAD survive a rollback, so they are in files.
-- https://docs.aws.amazon.com/redshift/latest/dg/PG_LAST_COPY_COUNT.html

CREATE OR REPLACE PROCEDURE redshift.save_last(what text, query_id bigint, rows bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('COPY (SELECT jsonb_build_object(''id'', %s, ''rows'', %s)) TO %L',
                   query_id, rows, redshift.session_file('last_' || what));
END $$;

CREATE OR REPLACE FUNCTION redshift.last(what text, field text, otherwise bigint)
RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT coalesce(
        (pg_read_file(redshift.session_file('last_' || what), true)::jsonb->>field)::bigint,
        otherwise)
$$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql
AS $$ SELECT redshift.last('copy', 'rows', 0) $$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql
AS $$ SELECT redshift.last('copy', 'id', -1) $$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_count() RETURNS bigint LANGUAGE sql
AS $$ SELECT redshift.last('unload', 'rows', 0) $$;
