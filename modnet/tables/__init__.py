"""Tables as they are: text, dates, missing cells and commas in numbers, read, learned and predicted.

``python -m modnet train table.csv --target price --save model.modnet``, and `predict` and `evaluate` with that file, are made
of this: `read_sheet` reads a file as text, `TableEncoder` finds out what each column is and makes numbers of it, `Target` is
what is predicted, and `TableModel` is a network with all three, in one file.
"""

from modnet.tables.columns import column_of
from modnet.tables.encoder import TableEncoder
from modnet.tables.model import TableModel
from modnet.tables.reading import Sheet, read_sheet
from modnet.tables.target import Target

__all__ = ["Sheet", "TableEncoder", "TableModel", "Target", "column_of", "read_sheet"]
