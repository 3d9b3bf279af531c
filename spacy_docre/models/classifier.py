"""The layer of eq. 8 after training: room for more relations."""

import copy

import torch
from torch import nn


def grow_classifier(classifier: nn.Linear, num_relations: int) -> nn.Linear:
    """Make room for more relations, keeping what is known of those there are.

    classifier (nn.Linear): The layer of eq. 8.
    num_relations (int): The new number of relations.
    RETURNS (nn.Linear): The larger layer.
    RAISES (ValueError): If there are more relations already.
    """
    known = classifier.out_features - 1
    if num_relations < known:
        raise ValueError(
            f"The network knows {known} relations and cannot be cut to {num_relations}: "
            "it does not know which to forget. Train one anew for fewer relations."
        )
    added = nn.Linear(classifier.in_features, 1 + num_relations).to(classifier.weight.device)
    with torch.no_grad():
        added.weight[: 1 + known] = classifier.weight
        added.bias[: 1 + known] = classifier.bias
    # A layer of the same class, which may be someone else's.
    grown = copy.deepcopy(classifier)
    grown.weight, grown.bias, grown.out_features = added.weight, added.bias, 1 + num_relations
    return grown
