"""The tools of the server, by subject. Each declares parameters, calls the studio and presents the result."""
