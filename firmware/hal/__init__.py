"""What touches the machine: the only package that may import machine, esp32 and network."""
