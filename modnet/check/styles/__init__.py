"""How layers and losses of other courses, books and libraries are called, and what their answers mean.

It is found out by calling them, not by base class (`found_out`): `layer_calls` and `loss_calls` say which methods there are,
`called` calls a layer, and `adapters` makes it answer the three questions of a `Subject`. Read `adapters` first.
"""
