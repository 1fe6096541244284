"""The part of the http-parser distribution that pymesos uses, on top of httptools."""
