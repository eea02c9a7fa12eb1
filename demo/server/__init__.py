"""What the page and the API ask for, without Gradio: predictions, checkpoints, results."""
