"""Reading an account: its campaigns, and the reports of its quarters."""
