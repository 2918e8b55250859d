"""A timeline from anywhere: columnar events, interval algebra, the Kineto reader, integrity checks, the dependency graph."""
