-- Code of the client's own, such as triggers and views, runs as the client: through functions that
-- the client owns and that exist only during the statement.

CREATE OR REPLACE PROCEDURE redshift.begin_as_client() LANGUAGE plpgsql AS $$
BEGIN
    CREATE OR REPLACE FUNCTION pg_temp.redshift_execute(statement text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER AS $body$
    DECLARE
        affected bigint;
    BEGIN
        EXECUTE statement;
        GET DIAGNOSTICS affected = ROW_COUNT;
        RETURN affected;
    END $body$;
    CREATE OR REPLACE FUNCTION pg_temp.redshift_query(query text) RETURNS SETOF record
    LANGUAGE plpgsql SECURITY DEFINER AS
    $body$ BEGIN RETURN QUERY EXECUTE query; END $body$;
    EXECUTE format('ALTER FUNCTION pg_temp.redshift_execute OWNER TO %I', session_user);
    EXECUTE format('ALTER FUNCTION pg_temp.redshift_query OWNER TO %I', session_user);
END $$;

CREATE OR REPLACE PROCEDURE redshift.end_as_client() LANGUAGE plpgsql AS $$
BEGIN
    DROP FUNCTION pg_temp.redshift_execute, pg_temp.redshift_query;
END $$;

-- Whether a query has the same result for every user: it does not refer to the user, and names
-- nothing that runs code and is defined by another user than the cluster's owner (whose id is 10).
CREATE OR REPLACE FUNCTION redshift.is_plain(query text) RETURNS boolean LANGUAGE sql AS $$
    SELECT query !~* '\y(current_|session_user|user|has_)'
        AND NOT EXISTS (SELECT FROM pg_operator WHERE oprowner <> 10)
        AND NOT EXISTS (SELECT FROM pg_proc
                        WHERE proowner <> 10 AND strpos(lower(query), lower(proname)) > 0)
        AND NOT EXISTS (SELECT FROM pg_class
                        WHERE relowner <> 10 AND (relkind IN ('v', 'm') OR relrowsecurity)
                            AND strpos(lower(query), lower(relname)) > 0)
$$;

-- Whether loading a table runs no code except that of its columns' types.
CREATE OR REPLACE FUNCTION redshift.is_plain(target regclass) RETURNS boolean LANGUAGE sql AS $$
    SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = target AND NOT tgisinternal)
        AND NOT EXISTS (SELECT FROM pg_attrdef WHERE adrelid = target AND
            pg_get_expr(adbin, adrelid) ~* '\y(?!varying|character|numeric)\w+\(|_user|_role')
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = target AND contype = 'c'
                            AND conname !~ '^[0-9]+_bytes_[0-9]+$')
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = target
                            AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
$$;
