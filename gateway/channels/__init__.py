"""Ways by which frames reach the gateway and leave it."""
