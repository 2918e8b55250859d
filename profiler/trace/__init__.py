"""A timeline from anywhere: events in columns, interval algebra, the Kineto reader, integrity checks, the graph."""
