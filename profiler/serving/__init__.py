"""Many requests: what arrives, what it costs, which policy serves it, and where each request's time goes."""
