"""Which objects a DASH manifest of ours names (ISO/IEC 23009-1, 5.3.9.4): every init and every segment of its timelines."""

from __future__ import annotations

from xml.etree import ElementTree

_MPD = "{urn:mpeg:dash:schema:mpd:2011}"


def named_by_dash(manifest: str) -> list[str]:
    named: list[str] = []
    for adaptation in ElementTree.fromstring(manifest).iter(f"{_MPD}AdaptationSet"):  # noqa: S314 - our own
        for representation in adaptation.iter(f"{_MPD}Representation"):
            template = representation.find(f"{_MPD}SegmentTemplate")
            if template is None:
                template = adaptation.find(f"{_MPD}SegmentTemplate")
            assert template is not None
            named += _of_template(template, representation.attrib["id"])
    return named


def _of_template(template: ElementTree.Element, representation_id: str) -> list[str]:
    def uri(name: str, time: int = 0) -> str:
        return template.attrib[name].replace("$RepresentationID$", representation_id).replace("$Time$", str(time))

    named = [uri("initialization")]
    at = 0
    for entry in template.iter(f"{_MPD}S"):
        at = int(entry.attrib.get("t", at))
        for _ in range(int(entry.attrib.get("r", 0)) + 1):
            named.append(uri("media", at))
            at += int(entry.attrib["d"])
    return named
