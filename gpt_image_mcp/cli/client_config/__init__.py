"""Setting the server up in MCP clients: the block each wants, and putting it into the client's own file."""
