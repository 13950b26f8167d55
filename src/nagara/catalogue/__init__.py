"""Which models there are, who made them, who serves them and at what list price.

`shipped` reads the catalogue that lies in this folder as data. `build` makes it anew from the
price data of genai-prices, which is an optional dependency: nothing here imports it at start.
"""
