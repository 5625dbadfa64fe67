"""The tables: their columns, and where each value stands in Shopify's objects."""
