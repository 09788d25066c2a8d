"""Drive every explorer under the ipywidgets that is installed here, and say so."""

import ipywidgets

from tests.visuals.explorers import drive, explorers

for name, (make, moves) in explorers().items():
    drive(make(), moves)
    print(f"{name}: {len(moves)} moves under ipywidgets {ipywidgets.__version__}")
