-- The columns of a table, as JSON with the fields of plan.py's Column: those in `named`, in that
-- order, or all columns if `named` is empty.
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

-- The names of columns, as a list for a statement.
CREATE OR REPLACE FUNCTION redshift.column_list(columns jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%I', c->>'name'), ', ' ORDER BY place)
    FROM jsonb_array_elements(columns) WITH ORDINALITY AS listed(c, place)
$$;
