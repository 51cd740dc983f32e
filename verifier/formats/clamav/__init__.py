"""ClamAV's containers: CVD, CLD and CUD, the tar and the `.info` in them, updates, `.sign`."""
