"""The tools of the server, by subject. Each states its contract, asks the studio and presents the result."""
