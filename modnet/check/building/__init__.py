"""How an object of a stranger's class is built: what its constructor asks for, by meaning, in any size.

What cannot be built without a guess is refused (`NotBuilt`), never accused. Read `recipes` first.
"""
