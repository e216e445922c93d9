"""A network for reading only, without its batch norm: the same answers, sooner."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(model: nn.Module) -> nn.Module:
    """A copy of a model in eval mode, in which each batch norm is part of the convolution before it.

    Once trained, batch norm multiplies each channel by a number and adds another, as a convolution can do itself
    (Jacob and others, 2018, section 3.2). One that does not follow right after a convolution stays.
    """
    reader = copy.deepcopy(model).eval().requires_grad_(False)
    for block in [module for module in reader.modules() if isinstance(module, nn.Sequential)]:
        for (name, layer), (next_name, next_layer) in pairwise(list(block.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(next_layer, nn.BatchNorm2d):
                setattr(block, name, fuse_conv_bn_eval(layer, next_layer))
                setattr(block, next_name, nn.Identity())
    return reader
