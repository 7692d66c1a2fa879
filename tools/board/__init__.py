"""The reference board as something that can be built: schematic, checks, bill of materials, wiring picture, power."""
