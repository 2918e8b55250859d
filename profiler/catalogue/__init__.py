"""What is known before anything runs: architectures, their bytes and FLOPs, and device datasheets."""
