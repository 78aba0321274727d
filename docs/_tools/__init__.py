"""What conf.py needs to make pages and pictures of the library."""
