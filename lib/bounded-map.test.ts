import { expect, it } from "vitest";
import { boundedMap } from "./bounded-map";

it("forgets what was looked up longest ago when it is full", () => {
  const map = boundedMap<number>({ maxEntries: 2 });
  map.set("a", 1);
  map.set("b", 2);
  expect(map.get("a")).toBe(1);
  map.set("c", 3);
  expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([1, undefined, 3]);
});

it("setting what is known again makes nothing be forgotten, and counts as a look", () => {
  const map = boundedMap<number>({ maxEntries: 2 });
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  expect([map.get("a"), map.get("b")]).toEqual([3, 2]);
  map.set("a", 4);
  map.set("c", 5);
  expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([4, undefined, 5]);
});

it("forgets what it is told to", () => {
  const map = boundedMap<number>({ maxEntries: 2 });
  map.set("a", 1);
  map.forget("a");
  expect(map.get("a")).toBe(undefined);
});

it("takes no key that is longer than it may be", () => {
  const map = boundedMap<number>({ maxEntries: 2, maxKeyLength: 3 });
  map.set("abc", 1);
  map.set("abcd", 2);
  expect([map.get("abc"), map.get("abcd")]).toEqual([1, undefined]);
});
