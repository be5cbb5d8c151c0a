-- The last file: clients may call only the routines that their statements are rewritten to.

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA redshift FROM PUBLIC;
GRANT EXECUTE ON ROUTINE redshift.copy, redshift.unload, redshift.raise_error, redshift.last,
    redshift.too_long, redshift.interval_of TO PUBLIC;
