"""Networks of students: how they put their layers together, go back through them, and train.

There is one plan for all of them: a network is built, driven, asked, and what is wrong gets its name.

1. Build: `workshop` from the hand-in's own layers, `scored_build` by the names of a constructor's arguments, `asbuilt` by the
   lines of a script, `parts` of its author's dense layers, loss and optimizer in any other style, `assembled` of layers of
   ours, which `pieces` has (of the contract's kind, `standins`); `wiring` says what a stranger's function asks for, and `flow`
   what it is given of what others returned, by the words of `modnet.check.reading.vocabulary`.
2. Drive: one way there and back, a training, or a step (`mover`, in ways that are `found`; by the gradients that are `left`).
   What layers do is written down as `calls`.
3. Ask: a `form` answers what it can of what `judge` asks, in one list: the way there, the loss, the way back, the gradients, a
   second call, the steps, the examples. Forms are those of the contract (`contract`), with a loss of its own (`scored`), moved
   by its own steps (`trained`, of which `solved` says by which loss and which examples; `trainers` reports on them), and
   trainings of layers of ours, which keep a log (`logged`): a network put together by ``add`` (`assembled`), a loop, a function
   or a method around a network (`loops`, `descent`).
4. Name: `mistakes` has the hypotheses, the simplest first; `dense` has the way back through dense layers with each usual
   mistake, for networks that move themselves and for those that hand out gradients.

`check_steps` asks a loop by hand for its steps (`steps`). Read `whole` first, then `judge`.
"""

from modnet.check.networks.steps import check_steps
from modnet.check.networks.whole import check_network

__all__ = ["check_network", "check_steps"]
