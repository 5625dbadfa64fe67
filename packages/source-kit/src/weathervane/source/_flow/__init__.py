"""What a flow of this house needs of Prefect: its API, its history, deployments and automations."""
