"""The mistakes that are made in derivatives, each as a hypothesis that is computed and compared with what came back.

A mistake gets its name here and nowhere else, unless it is one of losses, networks or optimizers, whose rooms have lists of
their own. Read `guesses` first, then `geometry` for windows.
"""
