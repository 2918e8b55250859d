"""The three passes of a measurement, which never share a run: clean, telemetry, trace."""
