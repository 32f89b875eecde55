"""Judges that others have written, between our connectors and what stands in for the vendors."""
