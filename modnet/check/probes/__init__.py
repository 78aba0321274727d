"""What is asked of every subject: a plan of probes, each of which yields findings.

`forward`, `delta` and `gradient` have the probes by operation; `plan` carries them out and keeps a mistake from being said
twice. Read `plan` first.
"""
