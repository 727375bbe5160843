"""Statistical disclosure control as code."""
