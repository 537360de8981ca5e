"""Is the evaluation honest? Noise must look like noise, a planted signal must be found; see docs/luck.md."""
