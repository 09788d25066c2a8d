"""The lessons: NN_name.py is the source, NN_name.ipynb is built from it by ``notebooks.build``."""
