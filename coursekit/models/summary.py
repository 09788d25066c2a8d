"""The layer table of a network: shapes, parameters and multiply-adds, from one forward pass."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from coursekit.arguments import ERRORS, checked
from coursekit.console import CourseError, reason

if TYPE_CHECKING:
    import pandas


@checked
def summary(model: nn.Module, x: Tensor | tuple[Tensor, ...]) -> pandas.DataFrame:
    """Tabulate the layers of a network, in the order in which they finish their work.

    A row stands for a module that holds weights itself or has no module inside it; the last row
    is the total. Weights, statistics and mode of the network stay as they are.

    Args:
        model: any ``torch.nn.Module``.
        x: what it is called with: a tensor (B, ...), or a tuple of several inputs.

    Returns:
        pandas.DataFrame: layer, kind, output (shape, or one shape for each of several outputs),
        parameters (a weight that layers share counts in the first of them), multiply_adds (of
        convolutions and matrix products, for one example; torch's recurrent layers hide theirs).
    """
    import pandas
    from torch.utils.flop_counter import FlopCounterMode  # imports triton: not with coursekit

    inputs = x if isinstance(x, tuple) else (x,)
    shapes: dict[str, str] = {}
    counter = FlopCounterMode(display=False)
    modules = dict(model.named_modules())
    modes = {module: module.training for module in modules.values()}
    with contextlib.ExitStack() as hooks:
        for name, module in modules.items():

            def keep(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                shapes[name] = shape(output)

            hooks.callback(module.register_forward_hook(keep).remove)
        model.eval()
        try:
            with torch.no_grad(), counter:
                model(*inputs)
        except ERRORS as error:
            raise CourseError(
                f"{type(model).__name__} cannot be called with {shape(x)} ({reason(error)}); "
                "give a batch as the data does: x, y = data.train.one_batch()."
            ) from error
        finally:
            for module, training in modes.items():
                module.training = training
    counts, top = counter.get_flop_counts(), type(model).__name__

    def multiply_adds(name: str) -> int:  # two operations each, and a batch of several examples
        operations = sum(counts.get(f"{top}.{name}".rstrip("."), {}).values())
        return operations // 2 // (len(inputs[0]) or 1)

    rows: list[tuple[str, str, str, int, int]] = []
    counted: set[int] = set()
    for name, output in shapes.items():
        module = modules[name]
        inside = [f"{name}.{child}".lstrip(".") for child, _ in module.named_children()]
        own = {id(p): p.numel() for p in module.parameters(recurse=False)}
        if own or not inside:
            parameters = sum(count for key, count in own.items() if key not in counted)
            counted.update(own)
            work = multiply_adds(name) - sum(map(multiply_adds, inside))
            rows.append((name, type(module).__name__, output, parameters, work))
    total = sum(p.numel() for p in model.parameters())
    rows.append(("total", top, shapes[""], total, multiply_adds("")))
    columns = ["layer", "kind", "output", "parameters", "multiply_adds"]
    return pandas.DataFrame(rows, columns=columns)


def shape(output: object) -> str:
    """Write the shape of an output, or the shapes of its parts, as ``2 x 64 x 8 x 8``."""
    if isinstance(output, Tensor):
        return " x ".join(map(str, output.shape)) or "one number"
    if isinstance(output, (tuple, list)):
        return ", ".join(f"({shape(part)})" for part in output)
    return type(output).__name__
