"""Drive every explorer under the ipywidgets that is installed here, and say so."""

import ipywidgets

from tests.visuals.explorers import drive_all

for name, moves in drive_all().items():
    print(f"{name}: {moves} moves under ipywidgets {ipywidgets.__version__}")
