"""What stands between a browser and Gradio: isolation, caching, and the budget of uploads."""
