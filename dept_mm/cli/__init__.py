"""What the command line tools share: their options and their processes."""
