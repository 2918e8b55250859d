"""Where it runs: CUDA and CPU behind one small interface, the driver, measured ceilings and their cache."""
