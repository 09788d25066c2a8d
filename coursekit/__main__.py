"""``python -m coursekit`` checks the machine, as ``ck.doctor()`` does in a notebook."""

from coursekit.doctor import doctor

print(doctor())
