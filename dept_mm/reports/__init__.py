"""Reports on configs, data and finished runs; only the tools import them."""
