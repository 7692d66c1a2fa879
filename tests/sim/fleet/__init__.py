"""The whole system in one virtual time, with seeded faults: see the README of tests/sim."""
