"""Built-in data sets in the published layouts, with the truth known."""
