"""A live server under load: the client that drives it, what it measures, and what it makes of that."""
