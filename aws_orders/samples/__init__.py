"""A small products feed and orders feed of made-up people and things, to start with."""
