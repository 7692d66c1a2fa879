"""The cellular modem: one task owns it and shares it between short messages and sockets."""
