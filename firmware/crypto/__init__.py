"""The terminal's cryptography: pure integers over the built-in SHA-256 and AES."""
