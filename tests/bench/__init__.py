"""The bench suite: what design section 10 budgets, measured; `python -m tests.bench` runs it."""
