"""One run of a flow: slices read, uploaded and committed, and what it says of itself."""
