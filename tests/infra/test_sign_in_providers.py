"""The API is told of the providers to sign in with, and of the one secret that holds what is secret about them."""

from __future__ import annotations

import json

from tests.templates import Templates


def test_the_api_knows_the_providers_and_where_their_secrets_are(synthesised: Templates) -> None:
    api = synthesised.function("api")
    variables = api.properties["Environment"]["Variables"]
    assert json.loads(variables["OAUTH_PROVIDERS"]) == [
        {"name": "google", "client_id": "of-google"},
        {"name": "acme", "client_id": "of-acme", "issuer": "https://acme.example", "label": "Acme"},
    ]
    held = synthesised.referred(api.stack, variables["OAUTH_CLIENTS_SECRET"])
    assert json.loads(held.properties["SecretString"]) == {"google": "of-google, hidden"}


def test_a_client_secret_is_in_the_secret_and_nowhere_else(synthesised: Templates) -> None:
    assert json.dumps(synthesised.stacks).count("of-google, hidden") == 1
