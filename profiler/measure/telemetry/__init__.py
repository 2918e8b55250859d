"""The telemetry pass: a process of its own samples the driver and the host while a phase repeats."""
