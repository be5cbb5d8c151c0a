-- UNLOAD: PostgreSQL writes the query's rows to the data pipe, and the relay writes them to S3.

CREATE OR REPLACE PROCEDURE redshift.unload(plan jsonb) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    number bigint;
    unloaded bigint;
    query text := plan->>'query';
    columns jsonb := '[]';
BEGIN
    CALL redshift.begin_as_client();
    -- Raises an error if the client may not read everything.
    PERFORM pg_temp.redshift_execute('EXPLAIN ' || query);
    IF (plan->>'verbose')::boolean OR (plan->>'parquet')::boolean OR NOT redshift.is_plain(query)
    THEN
        PERFORM pg_temp.redshift_execute(
            format(E'CREATE TEMP TABLE redshift_shape AS %s\n WITH NO DATA', query));
        columns := redshift.columns('pg_temp.redshift_shape', '[]');
        DROP TABLE pg_temp.redshift_shape;
    END IF;
    IF NOT redshift.is_plain(query) THEN
        query := format('SELECT * FROM pg_temp.redshift_query(%L) AS unloaded (%s)', query,
            (SELECT string_agg(format('%I %s', c->>'name', c->>'type'), ', ' ORDER BY place)
             FROM jsonb_array_elements(columns) WITH ORDINALITY AS listed(c, place)));
    END IF;
    number := redshift.request('receive_rows',
                               jsonb_build_object('plan', plan, 'columns', columns));
    BEGIN
        EXECUTE format(E'COPY (%s\n) TO %L (FORMAT csv, ENCODING ''UTF8'', HEADER %s, NULL %L,'
                       ' DELIMITER %L)', query, redshift.session_file('data'),
                       (plan->>'header')::boolean::text, plan->>'null_as', plan->>'delimiter');
        GET DIAGNOSTICS unloaded = ROW_COUNT;
    EXCEPTION WHEN OTHERS THEN
        -- If the relay closed the pipe, its answer has the reason.
        IF pg_read_file(redshift.session_file('done.' || number), true) IS NOT NULL THEN
            PERFORM redshift.wait_for('done', number);
        END IF;
        RAISE;
    END;
    CALL redshift.end_as_client();
    PERFORM redshift.request('finish_unload', jsonb_build_object('rows', unloaded));
    CALL redshift.save_last('unload', number, unloaded);
    RAISE INFO 'UNLOAD completed, % record(s) unloaded successfully.', unloaded;
END $$;
