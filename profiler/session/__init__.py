"""The stages composed. Each verb has its file; nothing is imported here, so that a request can be checked at once."""
