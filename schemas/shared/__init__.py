"""What both tiers share besides the wire messages: endpoints, CURVE keys, log formats, the version."""
