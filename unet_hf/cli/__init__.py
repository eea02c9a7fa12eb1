"""`python -m unet_hf`: one module a command."""
