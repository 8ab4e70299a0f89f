// What a link may make a page go on to after signing in.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ownPath } from "../../../web/own-path.js";

globalThis.location = { origin: "https://www.example.org" };

test("a path of this site is gone on to", () => {
  assert.equal(ownPath("/watch/abc?t=3#chat"), "https://www.example.org/watch/abc?t=3#chat");
});

for (const text of ["//x.example", "/\\x.example", "/\t/x.example", "/\n\\x.example", "https://x.example", "javascript:1", "x", "//", "", null])
  test(`${JSON.stringify(text)} is gone nowhere`, () => assert.equal(ownPath(text), null));

test("a path that only a second reading would take for another site stays here", () => {
  assert.ok(ownPath("/.//x.example").startsWith("https://www.example.org/"));
});
