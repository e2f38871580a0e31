"""Reports on configs, data sets and finished runs, used by the tools only."""
