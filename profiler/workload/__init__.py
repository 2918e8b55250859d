"""What runs: where a model comes from, how it is built, and the phases that are measured."""
