"""The programme's authority: its key, and everything it signs; never on the gateway, never on a terminal."""
