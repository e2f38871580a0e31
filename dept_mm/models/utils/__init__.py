"""What several parts of a model share."""
