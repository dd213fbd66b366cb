"""The doors of the API: who may come in, how often, and how what goes wrong is told."""
