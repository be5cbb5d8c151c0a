-- Rejected rows: the condition that finds them, the error that describes one, and its record.

CREATE OR REPLACE FUNCTION redshift.table_name(target regclass) RETURNS text LANGUAGE sql AS $$
    SELECT relname::text FROM pg_class WHERE oid = target
$$;

-- The SQL condition that is true if a column rejects a field.
CREATE OR REPLACE FUNCTION redshift.reject_condition(field text, c jsonb) RETURNS text
LANGUAGE sql AS $$
    SELECT CASE WHEN (c->>'required')::boolean THEN field || ' IS NULL OR ' ELSE '' END
        || CASE WHEN NOT (c->>'text')::boolean
                THEN format('NOT pg_input_is_valid(%s, %L)', field, c->>'type')
                WHEN c->>'length' IS NULL THEN 'false'
                ELSE format('octet_length(%s) > %s', field, c->>'length') END
$$;

-- The code and message of Redshift's load error for a rejected field. The relay has found invalid
-- digits before (values.py), so a number that PostgreSQL rejects is out of range.
-- https://docs.aws.amazon.com/redshift/latest/dg/r_Load_Error_Reference.html
CREATE OR REPLACE FUNCTION redshift.load_error(value text, c jsonb, OUT code int, OUT message text)
LANGUAGE plpgsql AS $$
DECLARE
    kind text := c->>'kind';
    number text := '{"int2": "Short", "int4": "Integer", "int8": "Long", "float4": "Float",
        "float8": "Double", "numeric": "Decimal"}'::jsonb->>kind;
BEGIN
    IF value IS NULL THEN
        code := 1213; message := 'Missing data for not-null field';
    ELSIF (c->>'text')::boolean THEN
        code := 1204; message := 'String length exceeds DDL length';
    ELSIF number IS NOT NULL THEN
        code := 1204; message := 'Overflow, Type: ' || number;
    ELSIF kind = 'date' THEN
        code := 1205; message := 'Invalid Date Format';
    ELSIF kind LIKE 'time%' THEN
        code := 1206; message := 'Invalid timestamp format or value';
    ELSE
        code := 1223; message := 'Invalid value, Type: ' || kind;
    END IF;
END $$;

-- Record the rejected rows outside this transaction; return their number.
CREATE OR REPLACE FUNCTION redshift.record_errors(columns jsonb, target regclass, query_id bigint)
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
        'error_message', coalesce(bad.reason, why.message),
        'raw_line', raw, 'raw_value', left(coalesce(value, ''), 1024)) ORDER BY number)
    INTO rows
    FROM pg_temp.redshift_rejected AS bad
    CROSS JOIN LATERAL (
        SELECT CASE WHEN wrong > 0 THEN columns->(wrong - 1) END AS c,
               to_jsonb(bad)->>('f' || wrong) AS value) AS field
    LEFT JOIN LATERAL redshift.load_error(value, c) AS why ON bad.code IS NULL;
    IF rows IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM redshift.request('record_errors', jsonb_build_object(
        'rows', rows, 'database', current_database()));
    RETURN jsonb_array_length(rows);
END $$;
