"""The web application and the API: one process that reads runs, submits jobs and directs the paper daemon."""
