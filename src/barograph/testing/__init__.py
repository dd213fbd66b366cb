"""Venue servers for tests: true to the protocol on a real socket, and as ill-behaved as asked."""
