"""Images for training: `load` gives batches, `inspect` a report, `order_of` the place in the order.

Everything is `uint8` until the training step, in an order that depends on nothing but the seed, the
epoch and the position.
"""

from ganzoo.data.images import decode, to_array
from ganzoo.data.order import Order, order_of
from ganzoo.data.pipeline import load
from ganzoo.data.report import Report, inspect

__all__ = ["Order", "Report", "decode", "inspect", "load", "order_of", "to_array"]
