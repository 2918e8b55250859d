"""Hardware counters through time: CUPTI's PM sampling, in a process of its own, beside a traced phase."""
