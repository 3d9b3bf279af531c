"""The base class of all formats of annotated documents."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Optional

from spacy.tokens import Doc

from ..errors import describe_error
from .inputs import InputDocument


class Output(ABC):
    """A file of annotated documents.

    path (Path): The file.
    """

    # The package of an extra that the format needs.
    needs: ClassVar[Optional[str]] = None

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def write(self, doc: Doc, source: InputDocument) -> None:
        """Add a document, whole or not at all.

        doc (Doc): The annotated document.
        source (InputDocument): The input of the document.
        RAISES (OSError): If the file cannot be written. All other errors concern this document.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""

    def try_to_write(self, doc: Doc, source: InputDocument) -> Optional[str]:
        """Add a document, or return the reason why it cannot be added. Arguments as in `write`.

        RETURNS (Optional[str]): The reason; None if the document is added.
        RAISES (OSError): If the file cannot be written.
        """
        try:
            self.write(doc, source)
        except OSError:
            # An error of the file concerns all documents.
            raise
        except Exception as error:
            return describe_error(error)
        return None
