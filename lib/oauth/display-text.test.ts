import { expect, it } from "vitest";
import { isPlainText, shortenForDisplay, toPlainText } from "./display-text";

it.each([
  "Claude Code",
  "<script>alert(1)</script>",
  "{{7*7}}",
  "日本語 العربية עברית हिन्दी ไทย",
  "Zażółć",
  "Cafe\u0301",
  "❤️ 🇫🇷 👍🏽",
  "",
])("takes %j", (text) => {
  expect(isPlainText(text)).toBe(true);
});

it.each([
  ["newline", "a\nb"],
  ["carriage return", "a\rb"],
  ["tab", "a\tb"],
  ["NUL", "a\0b"],
  ["escape", "\u001b[31m"],
  ["C1 control", "a\u0085b"],
  ["delete", "a\u007fb"],
  ["right-to-left override", "a\u202eb"],
  ["left-to-right embedding", "a\u202ab"],
  ["isolate", "a\u2066b"],
  ["pop isolate", "a\u2069b"],
  ["left-to-right mark", "a\u200eb"],
  ["right-to-left mark", "a\u200fb"],
  ["Arabic letter mark", "a\u061cb"],
  ["zero-width space", "a\u200bb"],
  ["zero-width joiner", "a\u200db"],
  ["word joiner", "a\u2060b"],
  ["byte order mark", "a\ufeffb"],
  ["soft hyphen", "a\u00adb"],
  ["tag", "a\u{e0041}b"],
  ["variation selector supplement", "a\u{e0100}"],
  ["line separator", "a\u2028b"],
  ["Hangul filler", "\u3164"],
  ["Braille blank", "\u2800"],
  ["lone surrogate", "a\ud800"],
  ["pile of marks", `a${"\u0301".repeat(5)}`],
])("security 154: refuses a %s", (_, text) => {
  expect(isPlainText(text)).toBe(false);
});

it.each([
  ["abc", 3, "abc"],
  ["abcd", 3, "ab…"],
  ["", 3, ""],
  ["ab", 1, "…"],
  ["👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 2, "👩‍👩‍👧‍👦…"],
  ["e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"],
])("shortens %j to %d as %j", (text, graphemes, expected) => {
  expect(shortenForDisplay(text, graphemes)).toBe(expected);
});

it.each([
  ["search-bot wants to send 250 EUR", "search-bot wants to send 250 EUR"],
  ["  two\r\n lines\t and\u2028 more ", "two lines and more"],
  ["a\0b\u001b[31mc\u202ed\u200be", "ab[31mcde"],
  ["half \ud83d a character", "half  a character"],
  [`pile ${"\u0301".repeat(12)}`, "pile \u0301\u0301"],
  ["x".repeat(30), `${"x".repeat(19)}…`],
])("security 154: makes %j plain", (text, expected) => {
  const plain = toPlainText(text, 20);
  expect(plain).toBe(expected.length > 20 ? `${expected.slice(0, 19)}…` : expected);
  expect(isPlainText(plain)).toBe(true);
});
