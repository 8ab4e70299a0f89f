"""The checker itself: it catches each kind of broken playlist, so that its silence means something."""

from __future__ import annotations

import pytest

from tests.rfc8216 import check_media_playlist, check_multivariant, check_succession

GOOD = """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:5
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="v/2-init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z
#EXTINF:2.000000,
v/2-0.m4s
#EXTINF:2.400000,
v/2-2000.m4s
#EXTINF:2.000000,
v/2-4400.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="v/3-init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:14:00.000Z
#EXTINF:2.000000,
v/3-0.m4s
"""
MULTIVARIANT = """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2000,AVERAGE-BANDWIDTH=1000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="audio"
720p.m3u8
"""


def test_good_playlists_pass() -> None:
    assert check_media_playlist(GOOD) == []
    assert check_multivariant(MULTIVARIANT) == []
    assert check_succession(GOOD, GOOD) == []


@pytest.mark.parametrize(
    ("found", "put", "section"),
    [
        ("#EXTM3U\n", "", "4.3.1.1"),
        ("#EXTM3U\n", "\ufeff#EXTM3U\n", "4.1"),
        ("v/3-0.m4s\n", "v/3-0.m4s", "4.1"),
        ("v/2-0.m4s\n", "v/2-0.m4s\r\n", "4.1"),
        ("#EXT-X-TARGETDURATION:2\n", "", "4.3.3.1"),
        ("#EXT-X-TARGETDURATION:2\n", "#EXT-X-TARGETDURATION:2.4\n", "4.2"),
        ("#EXT-X-TARGETDURATION:2\n", "#EXT-X-TARGETDURATION:2\n#EXT-X-TARGETDURATION:2\n", "4.3"),
        ("#EXTINF:2.400000,", "#EXTINF:2.500000,", "4.3.3.1"),
        ("#EXTINF:2.400000,", "#EXTINF:0.000000,", "4.3.2.1"),
        ("#EXTINF:2.400000,", "#EXTINF:2.400000", "4.3.2.1"),
        ("#EXTINF:2.400000,\n", "", "4.3.2.1"),
        ("#EXTINF:2.400000,\n", "#EXTINF:2.400000,\n#EXTINF:2.400000,\n", "4.3.2"),
        ("#EXT-X-VERSION:7", "#EXT-X-VERSION:5", "7"),
        ("#EXTINF:2.400000,", "#EXT-X-GAP\n#EXTINF:2.400000,", "7"),
        ('#EXT-X-MAP:URI="v/2-init.mp4"\n', "", "3.3"),
        ('#EXT-X-MAP:URI="v/2-init.mp4"', "#EXT-X-MAP:URI=v/2-init.mp4", "4.2"),
        ('#EXT-X-MAP:URI="v/2-init.mp4"', '#EXT-X-MAP:BYTERANGE="1@0"', "4"),
        ("#EXT-X-DISCONTINUITY\n", "", "4.3.2.3"),
        ("v/2-4400.m4s\n", "v/2-4400.m4s\n#EXT-X-DISCONTINUITY-SEQUENCE:9\n", "4.3"),
        ("v/2-4400.m4s\n", "v/2-4400.m4s\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "4.1"),
        ("v/2-4400.m4s\n", "v/2-4400.m4s\n#EXT-X-ENDLIST\n", "4.3.3.4"),
        ("v/3-0.m4s\n", "v/3-0.m4s\n#EXTINF:1.0,\n", "4.3.2"),
        ("#EXT-X-INDEPENDENT-SEGMENTS\n", "#EXT-X-PLAYLIST-TYPE:VOD\n", "4.3.3.5"),
        ("#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:14:00.000Z\n", "", "6.2.1"),
        ("2026-09-21T14:14:00.000Z", "2026-09-21 14:14:00", "4.3.2.6"),
    ],
)
def test_a_broken_media_playlist_is_told(found: str, put: str, section: str) -> None:
    assert found in GOOD
    assert [p for p in check_media_playlist(GOOD.replace(found, put, 1)) if p.startswith(section)]


@pytest.mark.parametrize(
    ("found", "put"),
    [
        ("720p.m3u8\n", ""),
        ("720p.m3u8\n", "720p.m3u8\n480p.m3u8\n"),
        ("BANDWIDTH=2000,", ""),
        ("AVERAGE-BANDWIDTH=1000", "AVERAGE-BANDWIDTH=3000"),
        ('CODECS="avc1.64001f,mp4a.40.2"', "CODECS=avc1.64001f"),
        ('CODECS="avc1.64001f,mp4a.40.2"', 'CODECS="avc1.64001f"'),
        ('CODECS="avc1.64001f,mp4a.40.2"', 'CODECS="h264,mp4a.40.2"'),
        ("RESOLUTION=1280x720", "RESOLUTION=720p"),
        ('AUDIO="audio"', 'AUDIO="other"'),
        ("TYPE=AUDIO,", ""),
        ("AUTOSELECT=YES", "AUTOSELECT=NO"),
        ("720p.m3u8\n", "720p.m3u8\n#EXT-X-ENDLIST\n"),
    ],
)
def test_a_broken_multivariant_playlist_is_told(found: str, put: str) -> None:
    assert found in MULTIVARIANT
    assert check_multivariant(MULTIVARIANT.replace(found, put, 1))


SLID = GOOD.replace("SEQUENCE:5", "SEQUENCE:6").replace("#EXTINF:2.000000,\nv/2-0.m4s\n", "", 1)
SLID = SLID.replace("14:13:20.000Z", "14:13:22.000Z") + "#EXTINF:2.000000,\nv/3-2000.m4s\n"


def test_a_window_that_slides_by_one_is_a_good_succession() -> None:
    assert check_succession(GOOD, SLID) == []


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (SLID, GOOD, "EXT-X-MEDIA-SEQUENCE fell"),
        (GOOD, SLID.replace("MEDIA-SEQUENCE:6", "MEDIA-SEQUENCE:7"), "changed its uri"),
        (GOOD, GOOD.replace("DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:0"), "DISCONTINUITY-SEQUENCE fell"),
        (GOOD, SLID.replace("DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:2"), "its discontinuity sequence"),
        (GOOD, SLID.replace("v/2-2000.m4s", "v/2-2001.m4s"), "changed its uri"),
        (GOOD, SLID.replace("2.400000", "2.300000"), "changed its duration"),
        (GOOD, SLID.replace("v/3-init", "v/4-init"), "changed its map_uri"),
        (GOOD, SLID.replace("14:13:22.000Z", "14:13:23.000Z"), "changed its date"),
        (GOOD, GOOD.replace("TARGETDURATION:2", "TARGETDURATION:3"), "TARGETDURATION changed"),
        (GOOD, "\n".join(GOOD.split("\n")[:14]) + "\n", "removed from the end"),
        (GOOD + "#EXT-X-ENDLIST\n", GOOD + "#EXTINF:2.0,\nv/3-2000.m4s\n#EXT-X-ENDLIST\n", "after EXT-X-ENDLIST"),
    ],
)
def test_a_broken_succession_is_told(before: str, after: str, rule: str) -> None:
    assert [problem for problem in check_succession(before, after) if rule in problem]


def test_a_window_must_not_shrink_below_three_target_durations() -> None:
    shrunk = SLID.replace("#EXTINF:2.400000,\nv/2-2000.m4s\n#EXTINF:2.000000,\nv/2-4400.m4s\n", "")
    shrunk = shrunk.replace("MEDIA-SEQUENCE:6", "MEDIA-SEQUENCE:8").replace(
        "DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:2"
    )
    shrunk = shrunk.replace('#EXT-X-MAP:URI="v/2-init.mp4"\n#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:22.000Z\n', "")
    shrunk = shrunk.replace("#EXT-X-DISCONTINUITY\n", "")
    assert check_succession(GOOD, shrunk) == [
        "6.2.2: removed a segment although less than three target durations remain"
    ]


def test_the_live_playlist_may_become_the_whole_recording() -> None:
    first = GOOD.replace("MEDIA-SEQUENCE:5", "MEDIA-SEQUENCE:0").replace("-SEQUENCE:1", "-SEQUENCE:0")
    front = '#EXT-X-MAP:URI="v/1-init.mp4"\n#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:00:00Z\n'
    front += "".join(f"#EXTINF:2.0,\nv/1-{2000 * n}.m4s\n" for n in range(5)) + "#EXT-X-DISCONTINUITY\n"
    whole = first.replace('#EXT-X-MAP:URI="v/2', front + '#EXT-X-MAP:URI="v/2') + "#EXT-X-ENDLIST\n"
    whole = whole.replace("#EXT-X-INDEPENDENT", "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT")
    assert check_succession(GOOD, whole) == []
    assert check_succession(GOOD, whole.replace("v/2-2000.m4s", "v/2-2001.m4s"))
