"""Judgement: pure functions from timeline, work and ceilings to parts, shares, verdict and advice."""
