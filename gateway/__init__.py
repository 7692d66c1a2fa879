"""The daemon between terminals and the settlement service."""
