"""The REST API from Python: `Headwater(url)`. Knows nothing of the product; a test holds it against the OpenAPI document."""

from headwater_client.client import Headwater
from headwater_client.problems import ApiProblem, FieldProblem

__all__ = ["ApiProblem", "FieldProblem", "Headwater"]
