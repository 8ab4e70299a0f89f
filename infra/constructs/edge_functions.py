"""Stage 6 · the code that runs at CloudFront's edges before anything is looked up, and the store it reads."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_cloudfront as cloudfront
from constructs import Construct

from infra.bundling import ROOT
from infra.config.stage import Stage

RUNTIME = "cloudfront-js-2.0"  # 1.0 knows no store
_NO_ORIGINS = "const ORIGINS = [];"


def edge_name(stage: Stage, what: str) -> str:
    """CloudFront's names are the account's, whatever the region."""
    return f"headwater-{stage.name}-{Aws.REGION}-{what}"


class EdgeFunctions(Construct):
    """`media` decides who may have an object, `pages` finds the file of an address. `store` is written by
    functions/edge_access: 5 MB in all, which is some fifty thousand streams that are private or begin with previews."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, origins: Sequence[str]) -> None:
        super().__init__(scope, construct_id)
        self.store = cloudfront.CfnKeyValueStore(
            self, "Store", name=edge_name(stage, "access"), comment="Headwater: streams that are not open to everybody"
        )
        code = (ROOT / "infra" / "edge" / "media.js").read_text(encoding="utf-8")
        if _NO_ORIGINS not in code:
            raise AssertionError("infra/edge/media.js has a place for the origins")
        self.media = self._function(
            "Media",
            stage,
            code.replace(_NO_ORIGINS, f"const ORIGINS = {json.dumps(list(origins))};"),
            stores=[
                cloudfront.CfnFunction.KeyValueStoreAssociationProperty(key_value_store_arn=self.store.attr_arn),
            ],
        )
        self.pages = self._function(
            "Pages", stage, (ROOT / "infra" / "edge" / "pages.js").read_text(encoding="utf-8"), stores=[]
        )

    def _function(
        self,
        name: str,
        stage: Stage,
        code: str,
        *,
        stores: Sequence[cloudfront.CfnFunction.KeyValueStoreAssociationProperty],
    ) -> cloudfront.CfnFunction:
        return cloudfront.CfnFunction(
            self,
            name,
            name=edge_name(stage, name.lower()),
            auto_publish=True,
            function_code=code,
            function_config=cloudfront.CfnFunction.FunctionConfigProperty(
                comment=f"Headwater: infra/edge/{name.lower()}.js",
                runtime=RUNTIME,
                key_value_store_associations=list(stores) or None,
            ),
        )
