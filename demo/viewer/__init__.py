"""The viewer: what Python sends it, and (in `web/`) how the browser draws that."""
