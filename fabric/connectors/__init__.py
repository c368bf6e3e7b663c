"""What objects are kept in while their tasks run: one module for each backend."""
