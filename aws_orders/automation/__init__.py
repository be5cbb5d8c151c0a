"""Jobs, the daily schedule, and the sensors that start runs or notify."""
