"""The demo: a Gradio page and an API. `app.py` launches it; nothing else imports it.

interface       which tabs there are
api             endpoints for programs
segment/ objects/ truth/ compare/ batch/ in_browser/    one folder a tab, scripts and styles beside
viewer/         the picture that all of them show
parts/          what several tabs use
server/         predictions, checkpoints and results, without Gradio
space/          how it gets onto a Hugging Face Space

Each line uses those below it, and `segment/` to `in_browser/` do not know each other.
"""
