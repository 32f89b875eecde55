"""A world to run against: channels, an ERP and centres over real HTTP, with faults on demand. Start at `world`."""
