"""The playground: a page in which a network is put together with the mouse and watched while it learns.

``python -m modnet playground`` serves it on this machine; nothing comes from or goes to the network. It needs Panel, which
``pip install "modnet[playground]"`` brings.

`session` holds the training and knows nothing of the page, `mistakes` the gradients that are broken on purpose, `views` turns
a network into images of numbers, `page` is what Panel shows.
"""
