import { describe, expect, it } from "vitest";
import { cacheLifetime, entityTagOf } from "./document-cache";

const now = new Date("2026-11-01T12:00:00Z");

describe("cacheLifetime (RFC 9111 §4.2.1)", () => {
  it.each<[number, Record<string, string>]>([
    [600, { "cache-control": "max-age=600" }],
    [300, { "cache-control": "public, Max-Age=600, s-maxage=300" }],
    [600, { "cache-control": 'max-age="600"' }],
    [600, { "cache-control": "max-age=600, max-age=900" }],
    [500, { "cache-control": "max-age=600", age: "100" }],
    [600, { "cache-control": "max-age=600", age: "soon" }],
    [86_400, { "cache-control": "max-age=31536000, immutable" }],
    [86_400, { "cache-control": `max-age=${"9".repeat(400)}` }],
    [60, { "cache-control": "max-age=0" }],
    [60, { "cache-control": "max-age=600", age: "1000" }],
    [60, { "cache-control": "max-age=-1" }],
    [60, { "cache-control": "max-age=often" }],
    [60, { "cache-control": "max-age=600, no-store" }],
    [60, { "cache-control": "no-cache, max-age=600" }],
    [60, { "cache-control": "private, max-age=600" }],
    [120, { "cache-control": "max-age=120", expires: "Sun, 01 Nov 2026 13:00:00 GMT" }],
    [3600, { expires: "Sun, 01 Nov 2026 13:00:00 GMT" }],
    [1800, { expires: "Sun, 01 Nov 2026 13:00:00 GMT", date: "Sun, 01 Nov 2026 12:30:00 GMT" }],
    [60, { expires: "0" }],
    [60, {}],
  ])("is %d seconds for %j", (seconds, headers) => {
    expect(cacheLifetime(new Headers(headers), now)).toBe(seconds);
  });
});

it.each([
  ['"abc"', '"abc"'],
  ['W/"abc"', 'W/"abc"'],
  ['""', '""'],
  ["abc", undefined],
  ['"a"b"', undefined],
  [`"${"x".repeat(255)}"`, undefined],
])("RFC 9110 §8.8.3: the entity tag of %j is %j", (etag, expected) => {
  expect(entityTagOf(new Headers({ etag }))).toBe(expected);
});

it("has no entity tag where none was sent", () => {
  expect(entityTagOf(new Headers())).toBeUndefined();
});
