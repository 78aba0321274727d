def doctor(): return 0
def warmup(d): return 0
