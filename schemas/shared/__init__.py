"""What both tiers know beside the messages: endpoints, keys, log lines, versions."""
