"""The tables: campaigns and what is below them, and their reports."""
