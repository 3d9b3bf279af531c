"""The layer of eq. 8 after training: room for more relations."""

import copy

import torch
from torch import nn


def grow_classifier(classifier: nn.Linear, num_relations: int) -> nn.Linear:
    """Add room for more relations, and keep the weights of the others.

    classifier (nn.Linear): The layer of eq. 8.
    num_relations (int): The new number of relations.
    RETURNS (nn.Linear): The larger layer.
    RAISES (ValueError): If the layer already has more relations.
    """
    known = classifier.out_features - 1
    if num_relations < known:
        raise ValueError(
            f"The network knows {known} relations and cannot be reduced to {num_relations}: it "
            "does not know which to forget. Train a new network for fewer relations."
        )
    added = nn.Linear(classifier.in_features, 1 + num_relations).to(classifier.weight.device)
    with torch.no_grad():
        added.weight[: 1 + known] = classifier.weight
        added.bias[: 1 + known] = classifier.bias
    # Keep the class of the layer, which may come from a user.
    grown = copy.deepcopy(classifier)
    grown.weight, grown.bias, grown.out_features = added.weight, added.bias, 1 + num_relations
    return grown
