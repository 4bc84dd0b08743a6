"""A run, from the plan to the report."""
