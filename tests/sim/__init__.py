"""The whole system, or large parts of it, under faults."""
