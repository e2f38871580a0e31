"""What the benchmarks measure, and how."""
