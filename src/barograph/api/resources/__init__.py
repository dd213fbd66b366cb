"""What can be read, one module a resource."""
