"""What runs: where a model comes from, how it is built, and the phases that are measured."""

import os

# The hub's client reads this when it is imported, and transformers imports it. Nobody is told how this tool is used.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
