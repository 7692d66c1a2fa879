"""What a technician does with a laptop and a cable; `python -m tools.technician` is the `lumbung` command."""
