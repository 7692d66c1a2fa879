"""Tests by kind: unit, property, sim (whole system), fault, browser, bench."""
