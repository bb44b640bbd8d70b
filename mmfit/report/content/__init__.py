"""What the sections of the page hold."""
