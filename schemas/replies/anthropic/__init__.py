"""The replies of Anthropic's Messages API."""
