"""A settlement sandbox: plays the bank's service, trusts nothing that it cannot check itself, books each record once."""
