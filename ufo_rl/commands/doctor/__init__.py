"""`ufo-rl doctor`: is the selection stable enough to trust?"""
