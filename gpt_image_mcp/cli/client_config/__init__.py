"""Adds the server to MCP clients: makes the block of configuration and merges it into the client's file."""
