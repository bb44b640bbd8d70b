"""The stages of an analysis: jobs, what they read and write, and what is due."""
