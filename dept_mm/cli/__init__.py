"""Options and process start-up that the command line tools share."""
