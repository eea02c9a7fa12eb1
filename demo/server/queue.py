"""Who gets the network next."""

# Options of Gradio's events: of all events that have them, one runs at a time.
ONE_AT_A_TIME = {"concurrency_id": "network", "concurrency_limit": 1}
