"""How to talk with each venue live: descriptions and conversations, without a socket."""
