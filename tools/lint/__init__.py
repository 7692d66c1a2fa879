"""Checks that ruff and mypy cannot make: MicroPython traps, import rules, layout, forbidden text."""
