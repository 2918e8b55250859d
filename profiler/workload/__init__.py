"""What runs: where a model comes from, how it is built, and the phases that are measured."""

import os

# The hub's client reads this when it is imported, and transformers imports it. Fetching a checkpoint tells nobody more
# than which files were asked for.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
