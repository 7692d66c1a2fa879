"""Drivers of the chips around the processor, each written against the shapes of machine."""
