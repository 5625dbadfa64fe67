"""One way to ask a vendor: bounded, paced, retried by verdict, silent about secrets."""
