"""What looks at the whole set of samples at once."""
