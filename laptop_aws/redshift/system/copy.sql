-- COPY: the relay writes the data to a pipe, which PostgreSQL reads with its own COPY. Files that
-- PostgreSQL reads as Redshift does are loaded unchanged. Otherwise rows are loaded into a
-- temporary table, checked, and inserted from there.

CREATE OR REPLACE PROCEDURE redshift.raise_error(message text, code text) LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = message, ERRCODE = code;
END $$;

CREATE OR REPLACE FUNCTION redshift.copy_target(name text) RETURNS regclass LANGUAGE plpgsql AS $$
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

-- Load what the relay sends for a request into a table; return the number of rows.
CREATE OR REPLACE FUNCTION redshift.load_from_relay(
    verb redshift.verb, plan jsonb, columns jsonb, target text, options text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    number bigint := redshift.request(verb, jsonb_build_object('plan', plan, 'columns', columns));
    loaded bigint;
BEGIN
    EXECUTE format('COPY %s FROM %L (%s)', target, redshift.session_file('data'), options);
    GET DIAGNOSTICS loaded = ROW_COUNT;
    -- The relay writes this file before it closes the pipe: without it, the relay ended early.
    IF pg_read_file(redshift.session_file('done.' || number), true) IS NULL THEN
        RAISE EXCEPTION 'the laptop''s Redshift ended while it sent data';
    END IF;
    PERFORM redshift.wait_for('done', number);
    RETURN loaded;
END $$;

-- Load the files unchanged. An empty field, quoted or not, is NULL, except in text columns if empty
-- text stays empty.
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
    RETURN redshift.load_from_relay(
        'send_files', plan, columns, format('%s (%s)', target, redshift.column_list(columns)),
        options || coalesce(forced, ''));
END $$;

-- Load the rows into pg_temp.redshift_rows, and the rejected ones also into
-- pg_temp.redshift_rejected, up to the number at which the load fails.
CREATE OR REPLACE PROCEDURE redshift.stage_rows(plan jsonb, columns jsonb) LANGUAGE plpgsql AS $$
DECLARE
    fields text;
    conditions text;
BEGIN
    SELECT string_agg(format('f%s text', place), ', '),
           string_agg(format('WHEN %s THEN %s', redshift.reject_condition('f' || place, c), place),
                      ' ' ORDER BY place)
    INTO fields, conditions
    FROM jsonb_array_elements(columns) WITH ORDINALITY AS listed(c, place);
    EXECUTE 'CREATE TEMP TABLE redshift_rows (number bigint, file text, line bigint, raw text,'
        || ' fault int, code int, reason text, place int, ' || fields || ')';
    PERFORM redshift.load_from_relay(
        'send_rows', plan, columns, 'pg_temp.redshift_rows', 'ENCODING ''UTF8''');
    EXECUTE format('CREATE TEMP TABLE redshift_rejected AS SELECT * FROM'
        ' (SELECT *, coalesce(fault, CASE %s END) AS wrong FROM pg_temp.redshift_rows) AS checked'
        ' WHERE wrong IS NOT NULL LIMIT %L', conditions, plan->>'max_errors');
END $$;

-- Insert the staged rows that were not rejected, as the client; return their number.
CREATE OR REPLACE FUNCTION redshift.insert_rows(columns jsonb, target regclass) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    casts text;
    inserted bigint;
BEGIN
    SELECT string_agg(format('f%s::%s', place, c->>'type'), ', ' ORDER BY place) INTO casts
    FROM jsonb_array_elements(columns) WITH ORDINALITY AS listed(c, place);
    EXECUTE format('GRANT SELECT ON pg_temp.redshift_rows, pg_temp.redshift_rejected TO %I',
                   session_user);
    CALL redshift.begin_as_client();
    inserted := pg_temp.redshift_execute(format(
        'INSERT INTO %s (%s) SELECT %s FROM pg_temp.redshift_rows'
        ' WHERE number NOT IN (SELECT number FROM pg_temp.redshift_rejected)',
        target, redshift.column_list(columns), casts));
    CALL redshift.end_as_client();
    RETURN inserted;
END $$;

-- Load row by row; return the number of rows.
CREATE OR REPLACE FUNCTION redshift.load_rows(
    plan jsonb, columns jsonb, target regclass, query_id bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    rejected bigint;
    loaded bigint := 0;
BEGIN
    CALL redshift.stage_rows(plan, columns);
    rejected := redshift.record_errors(columns, target, query_id);
    IF rejected >= (plan->>'max_errors')::bigint THEN
        RAISE EXCEPTION 'Load into table ''%'' failed.'
            '  Check ''sys_load_error_detail'' system table for details.',
            redshift.table_name(target) USING ERRCODE = 'XX000';
    END IF;
    IF NOT (plan->>'no_load')::boolean THEN
        loaded := redshift.insert_rows(columns, target);
    END IF;
    DROP TABLE pg_temp.redshift_rows, pg_temp.redshift_rejected;
    IF rejected > 0 THEN
        RAISE INFO 'Load into table ''%'' completed, % record(s) could not be loaded.'
            '  Check ''sys_load_error_detail'' system table for details.',
            redshift.table_name(target), rejected;
    END IF;
    RETURN loaded;
END $$;

-- Whether PostgreSQL may read the files unchanged, unless their content prevents that.
CREATE OR REPLACE FUNCTION redshift.loads_whole_files(plan jsonb, columns jsonb, target regclass)
RETURNS boolean LANGUAGE sql AS $$
    SELECT (plan->>'whole_files')::boolean
        AND redshift.is_plain(target)
        AND ((plan->>'round_decimals')::boolean OR (plan->>'parquet')::boolean
             OR NOT jsonb_path_exists(columns, '$[*].scale ? (@ != null)'))
$$;

CREATE OR REPLACE PROCEDURE redshift.copy(plan jsonb) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    target regclass := redshift.copy_target(plan->>'table');
    columns jsonb := redshift.columns(target, plan->'columns');
    query_id bigint := nextval('redshift.query_ids');
    whole_files boolean := redshift.loads_whole_files(plan, columns, target);
    loaded bigint;
BEGIN
    -- Wait for the lock before the relay starts to read the files.
    EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', target);
    CALL redshift.save_last('copy', query_id, 0);
    IF whole_files THEN
        BEGIN
            loaded := redshift.load_files(plan, columns, target);
        EXCEPTION WHEN data_exception OR not_null_violation THEN
            whole_files := false;
        END;
    END IF;
    IF NOT whole_files THEN
        loaded := redshift.load_rows(plan, columns, target, query_id);
    END IF;
    CALL redshift.save_last('copy', query_id, loaded);
    RAISE INFO 'Load into table ''%'' completed, % record(s) loaded successfully.',
        redshift.table_name(target), loaded;
END $$;
