"""How the demo gets onto a Hugging Face Space."""
