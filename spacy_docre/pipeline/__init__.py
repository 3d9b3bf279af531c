"""What spaCy calls: the relation extractor, the entity clusterer, and a pipeline as teacher."""
