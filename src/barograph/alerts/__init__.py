"""Telling people: alerts to the log and to a webhook, each once, never blocking."""
