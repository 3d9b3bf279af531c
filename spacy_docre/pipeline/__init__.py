"""The components that spaCy calls: the relation extractor, the entity clusterer and others; and a
pipeline as teacher."""
