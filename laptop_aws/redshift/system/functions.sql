-- Functions that PostgreSQL does not have, or that return something else there.

CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017'
        ' (Red Hat 3.4.2-6.fc3), Redshift 1.0.100000'
$$;

CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;

-- One unit of a date part.
CREATE OR REPLACE FUNCTION redshift.interval_of(part text) RETURNS interval
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN part ~* '^q' THEN interval '3 months' ELSE ('1 ' || part)::interval END
$$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEDIFF_function.html
CREATE OR REPLACE FUNCTION pg_catalog.datediff(part text, since timestamp, until timestamp)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN months > 0 THEN (12 * extract(year FROM last) + extract(month FROM last)
            - 12 * extract(year FROM first) - extract(month FROM first))::bigint / months
        ELSE (extract(epoch FROM last - first)
            / extract(epoch FROM redshift.interval_of(part)))::bigint
    END
    FROM (SELECT date_trunc(part, since) AS first, date_trunc(part, until) AS last,
                 (12 * extract(year FROM redshift.interval_of(part))
                     + extract(month FROM redshift.interval_of(part)))::bigint AS months) AS bounds
$$;

CREATE OR REPLACE FUNCTION pg_catalog.dateadd(part text, amount bigint, moment timestamp)
RETURNS timestamp LANGUAGE sql IMMUTABLE
AS $$ SELECT moment + amount * redshift.interval_of(part) $$;
