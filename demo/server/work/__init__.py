"""What is computed: whose turn it is, where it runs, how far it is, and how it is ended."""
