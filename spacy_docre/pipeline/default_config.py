"""The default config of a `doc_relation_extractor`."""

from thinc.api import Config

DEFAULT_CONFIG = Config().from_str(
    """
[doc_relation_extractor]
threshold = 0.5
top_k = null
label_names = {}
learn_rate_factor = 1.0
keep_encoding = true
distillation = null
evidence = null

[doc_relation_extractor.entities]
@misc = "spacy_docre.entities.v1"

[doc_relation_extractor.loss]
@misc = "spacy_docre.AdaptiveFocalLoss.v1"

[doc_relation_extractor.partial]
@misc = "spacy_docre.PositivesOnly.v1"

[doc_relation_extractor.scorer]
@scorers = "spacy_docre.relation_scorer.v1"

[doc_relation_extractor.model]
@architectures = "spacy_docre.DocRelationModel.v1"

[doc_relation_extractor.model.tok2vec]
@architectures = "spacy_docre.TransformerListener.v1"

[doc_relation_extractor.model.pair_encoder]
@layers = "spacy_docre.AxialAttention.v1"
"""
)
