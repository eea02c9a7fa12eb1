"""The Gradio interface. `app.py` launches it; nothing else imports it."""
