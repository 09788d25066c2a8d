"""What the lessons are built from: NN_name.py is a source, ``build`` makes the notebook."""
