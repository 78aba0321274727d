"""From a folder of hand-ins to a table of what is wrong with them.

`discover` tells which files belong to whom. `run` starts a process for each hand-in (`worker`), which loads its files
(`source`, `loading`, `outside`), finds the classes (`classes`) and has each asked in a process of its own
(`ask`, and `others` for what the rest of the hand-in means), within bounds (`limits`). `results` and `page` say what came of
it. Read `run` first, then `worker`, then `ask`.
"""
