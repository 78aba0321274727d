"""What a stranger's code says by its names and its lines, before anything of it is called.

Words of English and French and what they mean, the arguments of functions, the lines of methods, and what a name such as tanh
defines. Nothing here builds, asks or judges; every other room reads through this one. Read `vocabulary` first.
"""
