"""What is wrong with the platform, and who is told of it: probes, findings, incidents, messages."""
