"""What makes two fits the same: hashes of model, weights, data, settings and the code in them."""

import dataclasses
import hashlib
import re
import types

import numpy
import torch
from torch import nn

LIBRARIES = ("builtins", "coursekit", "numpy", "torch", "torchvision")  # known by name, not by code


def describe(model, data, settings, callbacks):
    """Return {part: hash} of everything that a fit starts from; equal means it may resume.

    An edited forward pass, loss, schedule or callback counts as another one, so that no result of
    the old code is read back for the new.
    """
    frozen = [name for name, value in model.named_parameters() if not value.requires_grad]
    listeners = [(_class(type(one)), _public(one)) for one in callbacks]
    return {
        "model": short_hash(repr(model), frozen, _code_of_model(model)),
        "weights": hash_weights(model),
        "data": short_hash(_data(data.train), _data(data.valid)),
        "settings": short_hash(_plain(settings), listeners),
    }


def hash_weights(model):
    """Return a hash of all weights and buffers of ``model``."""
    return short_hash(*((name, _plain(value)) for name, value in model.state_dict().items()))


def short_hash(*parts):
    """Return a hash of the text of ``parts``."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _data(batches):
    if hasattr(batches, "fingerprint"):
        changes = [getattr(batches, name, None) for name in ("transform", "augment")]
        return batches.fingerprint(), _plain(changes)
    examples = getattr(batches, "dataset", batches)  # of a DataLoader, or a list of batches
    content = examples if isinstance(examples, list) else _plain(vars(examples))
    return type(batches).__name__, len(batches), type(examples).__name__, _plain(content)


def _code_of_model(model):
    """Return the code of the layers that the learner wrote, and the plain numbers in all layers."""
    classes = {type(module) for module in model.modules()}
    written = sorted((_class(kind) for kind in classes if not _known(kind)), key=repr)
    return written, [_public(module, (bool, int, float, str)) for module in model.modules()]


def _public(thing, kinds=object):
    return {
        name: _plain(value)
        for name, value in vars(thing).items()
        if isinstance(value, kinds) and not name.startswith("_") and name != "training"
    }


def _known(thing):
    return (getattr(thing, "__module__", None) or "").split(".")[0] in LIBRARIES


def _class(kind):
    """Return the name of a class and the code of its methods, inherited ones included."""
    written = [base for base in kind.__mro__ if not _known(base)]
    methods = [
        _plain(getattr(thing, "__func__", getattr(thing, "fget", thing)))
        for base in written
        for thing in vars(base).values()
        if callable(thing) or isinstance(thing, (property, classmethod, staticmethod))
    ]
    return kind.__qualname__, methods


def _plain(thing, around=()):
    """Return what is the same in every kernel, and another where content or code is another.

    Args:
        thing: anything.
        around: the functions that ``thing`` was found in; one that calls itself ends there.
    """
    if isinstance(thing, numpy.ndarray) and thing.dtype != object:
        thing = torch.from_numpy(numpy.array(thing))
    if isinstance(thing, torch.Tensor):
        content = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return str(thing.dtype), tuple(thing.shape), hashlib.blake2b(content).hexdigest()
    if isinstance(thing, (list, tuple)):
        return [_plain(part, around) for part in thing]
    if isinstance(thing, dict):
        return {str(key): _plain(value, around) for key, value in thing.items()}
    function = getattr(thing, "__func__", thing)
    if isinstance(function, types.FunctionType) and function not in around:
        return _function(function, (*around, function))
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return type(thing).__name__, _plain(vars(thing), around)
    if isinstance(thing, nn.Module):
        return repr(thing), hash_weights(thing), _public(thing)
    return re.sub(r" at 0x[0-9a-f]+", "", repr(thing))


def _function(function, around):
    """Return name, closure and defaults; of the learner's own, code and what it calls, too."""
    inside = [cell.cell_contents for cell in function.__closure__ or ()]
    inside += [function.__defaults__, function.__kwdefaults__]
    written = None
    if not _known(function):
        written = _code(function.__code__)
        outside = [function.__globals__.get(name) for name in function.__code__.co_names]
        kinds = (types.FunctionType, bool, int, float, str)
        inside += [thing for thing in outside if isinstance(thing, kinds)]
    return function.__qualname__, written, _plain(inside, around)


def _code(code):
    constants = [
        _code(one) if isinstance(one, types.CodeType) else _in_order(one) for one in code.co_consts
    ]
    return code.co_code, code.co_names, constants


def _in_order(constant):
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
