"""The request bodies of Anthropic's Messages API. A conversation is loaded as the messages of a chat."""
