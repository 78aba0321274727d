"""A stranger's object, made safe to ask, and the truth that its answers are held against.

`call` turns what a stranger's code raises into a `Misbehaviour` with the author's line; a `Subject` asks copies, with the same
draws each time; a `Question` has the derivative by finite differences and says whether an answer agrees. Read `subject` first.
"""
