"""What runs: worker, relay, API server, and the supervisor that starts them on one machine."""
