-- Redshift's own names on PostgreSQL: COPY and UNLOAD as procedures, system views and functions.
--
-- Run by the cluster's owner at every start, so each statement takes the place of what an older
-- version left behind. Redshift's names live in pg_catalog, as on Redshift: found under every
-- search_path, and out of the way of psql's \d; what serves them, in the schema redshift.
--
-- Bytes come and go through a named pipe in the session's directory; what is wanted of the server
-- is written to another, and its answers are files (see desk.py). PostgreSQL opens such paths for
-- its owner alone, so the procedures run as that, and ask themselves what the client may do.

SET allow_system_table_mods = on;
SET client_min_messages = warning;
SET search_path = pg_catalog;

CREATE SCHEMA IF NOT EXISTS redshift;
GRANT USAGE ON SCHEMA redshift TO PUBLIC;
CREATE SEQUENCE IF NOT EXISTS redshift.query_ids;

-- Load errors. Process ids start anew with the server, and with them session ids: rows about
-- earlier sessions would be taken for one's own.
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_LOAD_ERRORS.html

DROP TABLE IF EXISTS redshift.load_errors CASCADE;
CREATE UNLOGGED TABLE redshift.load_errors (
    user_id        integer,
    query_id       bigint,
    transaction_id bigint,
    session_id     integer,
    database_name  text,
    table_id       integer,
    start_time     timestamp,
    file_name      text,
    line_number    bigint,
    column_name    text,
    column_type    text,
    column_length  text,
    position       integer,
    error_code     integer,
    error_message  text,
    raw_line       text,
    raw_value      text
);

CREATE VIEW pg_catalog.sys_load_error_detail AS
SELECT user_id, query_id, transaction_id, session_id, database_name, table_id, start_time,
       file_name, line_number, column_name, column_type, column_length, position, error_code,
       error_message
FROM redshift.load_errors;

CREATE VIEW pg_catalog.stl_load_errors AS
SELECT user_id AS userid, 0 AS slice, table_id AS tbl, start_time AS starttime,
       session_id AS session, query_id AS query, file_name AS filename, line_number,
       column_name AS colname, column_type AS type, column_length AS col_length, position,
       raw_line, raw_value AS raw_field_value, error_code AS err_code, error_message AS err_reason,
       0 AS is_partial, 0::bigint AS start_offset
FROM redshift.load_errors;

GRANT SELECT ON pg_catalog.sys_load_error_detail, pg_catalog.stl_load_errors TO PUBLIC;

-- The session's directory, and what the server is asked through it.

CREATE OR REPLACE FUNCTION redshift.place(file text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%s/base/pgsql_tmp/pgsql_tmp_%s/%s', current_setting('data_directory'),
                  substring(current_setting('redshift.session', true) FROM '^[0-9a-f]{32}$'), file)
$$;

-- An answer may be waited for, and the wait be cancelled; at the pipe itself neither is so.
CREATE OR REPLACE FUNCTION redshift.answer(number bigint, kind text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    LOOP
        answer := pg_read_file(redshift.place(kind || '.' || number), true);
        EXIT WHEN answer IS NOT NULL;
        PERFORM pg_sleep(0.001);
    END LOOP;
    IF answer ? 'error' THEN
        RAISE EXCEPTION USING MESSAGE = answer->>'error', ERRCODE = answer->>'sqlstate';
    END IF;
    RETURN answer;
END $$;

CREATE OR REPLACE FUNCTION redshift.ask(request jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    number bigint := nextval('redshift.query_ids');
    whole text := (request || jsonb_build_object('number', number))::text;
BEGIN
    EXECUTE format('COPY (SELECT %L) TO %L', encode(convert_to(whole, 'UTF8'), 'hex'),
                   redshift.place('requests'));
    PERFORM redshift.answer(number, 'ready');
    RETURN number;
END $$;

-- What is remembered of the last COPY and UNLOAD must outlive a rollback, so it is in a file.
-- https://docs.aws.amazon.com/redshift/latest/dg/PG_LAST_COPY_COUNT.html

CREATE OR REPLACE PROCEDURE redshift.remember(what text, query_id bigint, rows bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('COPY (SELECT jsonb_build_object(''id'', %s, ''rows'', %s)) TO %L',
                   query_id, rows, redshift.place('last_' || what));
END $$;

CREATE OR REPLACE FUNCTION redshift.remembered(what text, field text, otherwise bigint)
RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT coalesce((pg_read_file(redshift.place('last_' || what), true)::jsonb->>field)::bigint,
                    otherwise)
$$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql
AS $$ SELECT redshift.remembered('copy', 'rows', 0) $$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql
AS $$ SELECT redshift.remembered('copy', 'id', -1) $$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_count() RETURNS bigint LANGUAGE sql
AS $$ SELECT redshift.remembered('unload', 'rows', 0) $$;

-- What may come upon code of the client's own runs as the client, by functions that belong to it
-- and are there only as long as the statement.

CREATE OR REPLACE PROCEDURE redshift.begin_as_client() LANGUAGE plpgsql AS $$
BEGIN
    CREATE OR REPLACE FUNCTION pg_temp.redshift_do(statement text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER AS $body$
    DECLARE
        done bigint;
    BEGIN
        EXECUTE statement;
        GET DIAGNOSTICS done = ROW_COUNT;
        RETURN done;
    END $body$;
    CREATE OR REPLACE FUNCTION pg_temp.redshift_query(query text) RETURNS SETOF record
    LANGUAGE plpgsql SECURITY DEFINER AS
    $body$ BEGIN RETURN QUERY EXECUTE query; END $body$;
    EXECUTE format('ALTER FUNCTION pg_temp.redshift_do OWNER TO %I', session_user);
    EXECUTE format('ALTER FUNCTION pg_temp.redshift_query OWNER TO %I', session_user);
END $$;

CREATE OR REPLACE PROCEDURE redshift.end_as_client() LANGUAGE plpgsql AS $$
BEGIN
    DROP FUNCTION pg_temp.redshift_do, pg_temp.redshift_query;
END $$;

-- Whether a query means the same to whomever runs it: it asks for no user, and names nothing that
-- others than the cluster's owner (whose id is 10) have defined and that has code to run.
CREATE OR REPLACE FUNCTION redshift.is_plain(query text) RETURNS boolean LANGUAGE sql AS $$
    SELECT query !~* '\y(current_|session_user|user|has_)'
        AND NOT EXISTS (SELECT FROM pg_operator WHERE oprowner <> 10)
        AND NOT EXISTS (SELECT FROM pg_proc
                        WHERE proowner <> 10 AND strpos(lower(query), lower(proname)) > 0)
        AND NOT EXISTS (SELECT FROM pg_class
                        WHERE relowner <> 10 AND (relkind IN ('v', 'm') OR relrowsecurity)
                            AND strpos(lower(query), lower(relname)) > 0)
$$;

-- Whether loading a table runs nothing but what its columns' types do.
CREATE OR REPLACE FUNCTION redshift.is_plain(target regclass) RETURNS boolean LANGUAGE sql AS $$
    SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = target AND NOT tgisinternal)
        AND NOT EXISTS (SELECT FROM pg_attrdef WHERE adrelid = target AND
            pg_get_expr(adbin, adrelid) ~* '\y(?!varying|character|numeric)\w+\(|_user|_role')
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = target AND contype = 'c'
                            AND conname !~ '^[0-9]+_bytes_[0-9]+$')
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = target
                            AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
$$;

-- COPY

CREATE OR REPLACE PROCEDURE redshift.fail(message text, code text) LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = message, ERRCODE = code;
END $$;

CREATE OR REPLACE FUNCTION redshift.target(name text) RETURNS regclass LANGUAGE plpgsql AS $$
DECLARE
    target regclass := to_regclass(name);
BEGIN
    IF target IS NULL THEN
        RAISE undefined_table USING MESSAGE = 'Cannot COPY into nonexistent table '
            || trim('"' FROM substring(name FROM '[^.]*$'));
    ELSIF NOT has_table_privilege(session_user, target, 'INSERT') THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied for relation ' || target;
    END IF;
    RETURN target;
END $$;

-- The columns that a COPY fills, in the order of the fields. A scale is only of decimals that
-- have one, a length only of characters.
CREATE OR REPLACE FUNCTION redshift.columns(target regclass, named jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    known jsonb;
    missing text;
BEGIN
    SELECT jsonb_object_agg(a.attname, jsonb_build_object(
               'name', a.attname, 'number', a.attnum, 'required', a.attnotnull, 'kind', t.typname,
               'type', format_type(a.atttypid, a.atttypmod), 'text', t.typcategory = 'S',
               'scale', CASE WHEN t.typname = 'numeric' AND a.atttypmod >= 0
                             THEN (a.atttypmod - 4) & 65535 END,
               'length', CASE WHEN t.typcategory = 'S' AND a.atttypmod >= 0
                              THEN a.atttypmod - 4 END))
    INTO known
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    IF jsonb_array_length(named) = 0 THEN
        RETURN (SELECT jsonb_agg(value ORDER BY (value->>'number')::int) FROM jsonb_each(known));
    END IF;
    SELECT name INTO missing FROM jsonb_array_elements_text(named) AS name WHERE NOT known ? name;
    IF missing IS NOT NULL THEN
        RAISE undefined_column USING MESSAGE =
            format('column "%s" of relation "%s" does not exist', missing, target);
    END IF;
    RETURN (SELECT jsonb_agg(known->name ORDER BY place)
            FROM jsonb_array_elements_text(named) WITH ORDINALITY AS named(name, place));
END $$;

CREATE OR REPLACE FUNCTION redshift.names(columns jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%I', c->>'name'), ', ' ORDER BY place)
    FROM jsonb_array_elements(columns) WITH ORDINALITY AS listed(c, place)
$$;

-- Load what the server sends into a table; return how many rows that were.
CREATE OR REPLACE FUNCTION redshift.receive(request jsonb, target text, options text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint := redshift.ask(request);
    loaded bigint;
BEGIN
    EXECUTE format('COPY %s FROM %L (%s)', target, redshift.place('data'), options);
    GET DIAGNOSTICS loaded = ROW_COUNT;
    -- Written before the pipe was closed: where it is missing, the server ended half-way.
    IF pg_read_file(redshift.place('done.' || number), true) IS NULL THEN
        RAISE EXCEPTION 'the laptop''s Redshift went away while it sent data';
    END IF;
    PERFORM redshift.answer(number, 'done');
    RETURN loaded;
END $$;

-- Have PostgreSQL read the files as they are. Fields that are empty, quoted or not, are NULL, but
-- for characters that shall stay empty.
CREATE OR REPLACE FUNCTION redshift.load_files(plan jsonb, columns jsonb, target regclass)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    options text := format('FORMAT csv, ENCODING ''UTF8'', DELIMITER %L', plan->>'delimiter');
    forced text;
BEGIN
    IF NOT (plan->>'parquet')::boolean THEN
        options := options || format(', QUOTE %L', plan->>'quote');
        SELECT string_agg(format(', FORCE_%s (%s)', rule, listed), '') INTO forced
        FROM (SELECT CASE WHEN (c->>'text')::boolean AND NOT (plan->>'empty_as_null')::boolean
                          THEN 'NOT_NULL' ELSE 'NULL' END AS rule,
                     string_agg(format('%I', c->>'name'), ', ') AS listed
              FROM jsonb_array_elements(columns) AS c GROUP BY 1) AS rules;
    END IF;
    RETURN redshift.receive(
        jsonb_build_object('do', 'send_files', 'plan', plan, 'columns', columns),
        format('%s (%s)', target, redshift.names(columns)), options || coalesce(forced, ''));
END $$;

-- Load rows that the server has read, through a table where they can be judged one by one.
CREATE OR REPLACE FUNCTION redshift.load_rows(
    plan jsonb, columns jsonb, target regclass, query_id bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    fields text;
    casts text;
    faults text;
    rejected bigint;
    loaded bigint := 0;
BEGIN
    SELECT string_agg(format('f%s text', place), ', '),
           string_agg(format('f%s::%s', place, c->>'type'), ', ' ORDER BY place),
           string_agg(format('WHEN %s THEN %s', redshift.fault('f' || place, c), place), ' '
                      ORDER BY place)
    INTO fields, casts, faults
    FROM jsonb_array_elements(columns) WITH ORDINALITY AS listed(c, place);
    EXECUTE 'CREATE TEMP TABLE redshift_rows (number bigint, file text, line bigint, raw text,'
        || ' fault int, code int, reason text, place int, ' || fields || ')';
    PERFORM redshift.receive(
        jsonb_build_object('do', 'send_rows', 'plan', plan, 'columns', columns),
        'pg_temp.redshift_rows', 'ENCODING ''UTF8''');
    EXECUTE format('CREATE TEMP TABLE redshift_bad AS SELECT * FROM'
        ' (SELECT *, coalesce(fault, CASE %s END) AS wrong FROM pg_temp.redshift_rows) AS judged'
        ' WHERE wrong IS NOT NULL LIMIT %L', faults, plan->>'max_errors');
    rejected := redshift.record(columns, target, query_id);
    IF rejected >= (plan->>'max_errors')::bigint THEN
        RAISE EXCEPTION 'Load into table ''%'' failed.  Check ''sys_load_error_detail'' system table'
            ' for details.', redshift.short(target) USING ERRCODE = 'XX000';
    END IF;
    IF NOT (plan->>'no_load')::boolean THEN
        EXECUTE format('GRANT SELECT ON pg_temp.redshift_rows, pg_temp.redshift_bad TO %I',
                       session_user);
        CALL redshift.begin_as_client();
        loaded := pg_temp.redshift_do(format(
            'INSERT INTO %s (%s) SELECT %s FROM pg_temp.redshift_rows'
            ' WHERE number NOT IN (SELECT number FROM pg_temp.redshift_bad)',
            target, redshift.names(columns), casts));
        CALL redshift.end_as_client();
    END IF;
    DROP TABLE pg_temp.redshift_rows, pg_temp.redshift_bad;
    IF rejected > 0 THEN
        RAISE INFO 'Load into table ''%'' completed, % record(s) could not be loaded.'
            '  Check ''sys_load_error_detail'' system table for details.',
            redshift.short(target), rejected;
    END IF;
    RETURN loaded;
END $$;

CREATE OR REPLACE FUNCTION redshift.short(target regclass) RETURNS text LANGUAGE sql AS $$
    SELECT relname::text FROM pg_class WHERE oid = target
$$;

-- The SQL condition under which a field cannot be loaded into a column.
CREATE OR REPLACE FUNCTION redshift.fault(field text, c jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN (c->>'required')::boolean THEN field || ' IS NULL OR ' ELSE '' END
        || CASE WHEN NOT (c->>'text')::boolean
                THEN format('NOT pg_input_is_valid(%s, %L)', field, c->>'type')
                WHEN c->>'length' IS NULL THEN 'false'
                ELSE format('octet_length(%s) > %s', field, c->>'length') END
$$;

-- What is wrong with a field, by the codes and in the words of Redshift. Digits that are none were
-- found before (values.py), so a number that PostgreSQL does not take is too large.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_Load_Error_Reference.html
DROP FUNCTION IF EXISTS redshift.reason(text, jsonb);
CREATE OR REPLACE FUNCTION redshift.reason(value text, c jsonb, OUT code int, OUT words text)
LANGUAGE plpgsql AS $$
DECLARE
    kind text := c->>'kind';
    number text := '{"int2": "Short", "int4": "Integer", "int8": "Long", "float4": "Float",
        "float8": "Double", "numeric": "Decimal"}'::jsonb->>kind;
BEGIN
    IF value IS NULL THEN
        code := 1213; words := 'Missing data for not-null field';
    ELSIF (c->>'text')::boolean THEN
        code := 1204; words := 'String length exceeds DDL length';
    ELSIF number IS NOT NULL THEN
        code := 1204; words := 'Overflow, Type: ' || number;
    ELSIF kind = 'date' THEN
        code := 1205; words := 'Invalid Date Format';
    ELSIF kind LIKE 'time%' THEN
        code := 1206; words := 'Invalid timestamp format or value';
    ELSE
        code := 1223; words := 'Invalid value, Type: ' || kind;
    END IF;
END $$;

-- Have the bad rows recorded, outside of this transaction; return how many they are.
CREATE OR REPLACE FUNCTION redshift.record(columns jsonb, target regclass, query_id bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    rows jsonb;
BEGIN
    SELECT jsonb_agg(jsonb_build_object(
        'user_id', session_user::regrole::oid::int, 'query_id', query_id,
        'transaction_id', pg_current_xact_id()::text::bigint, 'session_id', pg_backend_pid(),
        'database_name', current_database(), 'table_id', target::oid::int,
        'start_time', clock_timestamp() AT TIME ZONE 'UTC', 'file_name', file, 'line_number', line,
        'column_name', coalesce(c->>'name', ''), 'column_type', coalesce(c->>'kind', ''),
        'column_length', coalesce(substring(c->>'type' FROM '\((.*)\)'), ''),
        'position', bad.place, 'error_code', coalesce(bad.code, why.code),
        'error_message', coalesce(bad.reason, why.words),
        'raw_line', raw, 'raw_value', left(coalesce(value, ''), 1024)) ORDER BY number)
    INTO rows
    FROM pg_temp.redshift_bad AS bad
    CROSS JOIN LATERAL (SELECT CASE WHEN wrong > 0 THEN columns->(wrong - 1) END AS c, to_jsonb(bad)->>('f' || wrong) AS value) AS its
    LEFT JOIN LATERAL redshift.reason(value, c) AS why ON bad.code IS NULL;
    IF rows IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM redshift.ask(jsonb_build_object('do', 'record', 'rows', rows,
                                            'database', current_database()));
    RETURN jsonb_array_length(rows);
END $$;

CREATE OR REPLACE PROCEDURE redshift.copy(plan jsonb) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    target regclass := redshift.target(plan->>'table');
    columns jsonb := redshift.columns(target, plan->'columns');
    query_id bigint := nextval('redshift.query_ids');
    as_files boolean := (plan->>'as_is')::boolean AND redshift.is_plain(target) AND ((plan->>'round_decimals')::boolean
        OR (plan->>'parquet')::boolean OR NOT jsonb_path_exists(columns, '$[*].scale ? (@ != null)'));
    loaded bigint;
BEGIN
    -- Waited for now, not while the server waits with the data.
    EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', target);
    CALL redshift.remember('copy', query_id, 0);
    IF as_files THEN
        BEGIN
            loaded := redshift.load_files(plan, columns, target);
        EXCEPTION WHEN data_exception OR not_null_violation THEN
            as_files := false;
        END;
    END IF;
    IF NOT as_files THEN
        loaded := redshift.load_rows(plan, columns, target, query_id);
    END IF;
    CALL redshift.remember('copy', query_id, loaded);
    RAISE INFO 'Load into table ''%'' completed, % record(s) loaded successfully.',
        redshift.short(target), loaded;
END $$;

-- UNLOAD

CREATE OR REPLACE PROCEDURE redshift.unload(plan jsonb) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    number bigint;
    unloaded bigint;
    query text := plan->>'query';
    columns jsonb := '[]';
BEGIN
    CALL redshift.begin_as_client();
    -- The client must be allowed to read all of it.
    PERFORM pg_temp.redshift_do('EXPLAIN ' || query);
    IF (plan->>'verbose')::boolean OR (plan->>'parquet')::boolean OR NOT redshift.is_plain(query)
    THEN
        PERFORM pg_temp.redshift_do(
            format(E'CREATE TEMP TABLE redshift_shape AS %s\n WITH NO DATA', query));
        columns := redshift.columns('pg_temp.redshift_shape', '[]');
        DROP TABLE pg_temp.redshift_shape;
    END IF;
    IF NOT redshift.is_plain(query) THEN
        query := format('SELECT * FROM pg_temp.redshift_query(%L) AS unloaded (%s)', query,
            (SELECT string_agg(format('%I %s', c->>'name', c->>'type'), ', ' ORDER BY place)
             FROM jsonb_array_elements(columns) WITH ORDINALITY AS listed(c, place)));
    END IF;
    number := redshift.ask(jsonb_build_object('do', 'unload', 'plan', plan, 'columns', columns));
    BEGIN
        EXECUTE format(E'COPY (%s\n) TO %L (FORMAT csv, ENCODING ''UTF8'', HEADER %s, NULL %L,'
                       ' DELIMITER %L)', query, redshift.place('data'), (plan->>'header')::boolean::text,
                       plan->>'null_as', plan->>'delimiter');
        GET DIAGNOSTICS unloaded = ROW_COUNT;
    EXCEPTION WHEN OTHERS THEN
        -- Where the server hung up, it has said why.
        IF pg_read_file(redshift.place('done.' || number), true) IS NOT NULL THEN
            PERFORM redshift.answer(number, 'done');
        END IF;
        RAISE;
    END;
    CALL redshift.end_as_client();
    PERFORM redshift.ask(jsonb_build_object('do', 'finish', 'rows', unloaded));
    CALL redshift.remember('unload', number, unloaded);
    RAISE INFO 'UNLOAD completed, % record(s) unloaded successfully.', unloaded;
END $$;

-- VARCHAR(n) and CHAR(n) count bytes. Every new column gets a check, whose function is only
-- called to say that it failed.
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

-- Functions that PostgreSQL lacks, or answers otherwise.

CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017'
        ' (Red Hat 3.4.2-6.fc3), Redshift 1.0.100000'
$$;

CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;

CREATE OR REPLACE FUNCTION redshift.unit(part text) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN part ~* '^q' THEN interval '3 months' ELSE ('1 ' || part)::interval END
$$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEDIFF_function.html
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, since timestamp, until timestamp)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN months > 0 THEN (12 * extract(year FROM last) + extract(month FROM last)
            - 12 * extract(year FROM first) - extract(month FROM first))::bigint / months
        ELSE (extract(epoch FROM last - first) / extract(epoch FROM redshift.unit(part)))::bigint
    END
    FROM (SELECT date_trunc(part, since) AS first, date_trunc(part, until) AS last,
                 (12 * extract(year FROM redshift.unit(part))
                     + extract(month FROM redshift.unit(part)))::bigint AS months) AS bounds
$$;

CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, moment timestamp)
RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$ SELECT moment + amount * redshift.unit(part) $$;

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA redshift FROM PUBLIC;
GRANT EXECUTE ON ROUTINE redshift.copy, redshift.unload, redshift.fail,
    redshift.remembered(text, text, bigint), redshift.too_long, redshift.unit TO PUBLIC;
