"""Jobs, schedules and sensors: what starts a run."""
