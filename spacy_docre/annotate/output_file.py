"""What every format of annotated documents is."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Optional

from spacy.tokens import Doc

from ..errors import describe_error
from .inputs import InputDocument


class Output(ABC):
    """A file of annotated documents.

    path (Path): Where to write.
    """

    # The package of an extra that it needs.
    needs: ClassVar[Optional[str]] = None

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def write(self, doc: Doc, source: InputDocument) -> None:
        """Add a document, whole or not at all.

        doc (Doc): The annotated document.
        source (InputDocument): What it was made from.
        RAISES (OSError): If the file cannot be written. All other errors are the document's.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""

    def try_to_write(self, doc: Doc, source: InputDocument) -> Optional[str]:
        """Add a document, or say why it cannot be added. Arguments as in `write`.

        RETURNS (Optional[str]): The problem; None where there is none.
        RAISES (OSError): If the file cannot be written.
        """
        try:
            self.write(doc, source)
        except OSError:
            # The file's, and so that of all documents.
            raise
        except Exception as error:
            return describe_error(error)
        return None
