-- Load errors. They are emptied at each start: session ids are process ids, which start again with
-- the server, and rows of an earlier session would appear to belong to a new one.
-- https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_ERROR_DETAIL.html
-- https://docs.aws.amazon.com/redshift/latest/dg/r_STL_LOAD_ERRORS.html

DROP TABLE IF EXISTS redshift.load_errors CASCADE;
CREATE UNLOGGED TABLE redshift.load_errors (
    user_id integer,
    query_id bigint,
    transaction_id bigint,
    session_id integer,
    database_name text,
    table_id integer,
    start_time timestamp,
    file_name text,
    line_number bigint,
    column_name text,
    column_type text,
    column_length text,
    position integer,
    error_code integer,
    error_message text,
    raw_line text,
    raw_value text
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
