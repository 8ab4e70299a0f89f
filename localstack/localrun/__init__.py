"""The local stack: every stage of the path on one machine, with nothing but this package knowing it."""
