"""What the terminal remembers: the journal, the documents it was given, and the entitlements that follow from both."""
