"""Reading a shop: by time of change, or by bulk operations."""
