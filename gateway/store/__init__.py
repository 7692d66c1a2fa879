"""What the gateway keeps, behind one interface with two implementations."""
