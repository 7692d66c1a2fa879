"""The test harness: runs test files and drivers on real MicroPython builds."""
