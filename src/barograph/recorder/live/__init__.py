"""The live process: connections in, tape and tables out, day and night."""
