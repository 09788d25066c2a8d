"""Networks for pictures, tables, ratings and text, and the layer table of any network."""
