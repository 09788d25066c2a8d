"""The programs that make the built-in data sets and the bundled backbone; they are not installed.

``python -m worlds`` builds the data sets and packs each as one archive, which the package carries.
"""
