import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readUserCode, userCodeFrom } from "./user-code";

const newUserCode = () => userCodeFrom(randomBytes(32));

describe("user codes (RFC 8628 §6.1)", () => {
  it("are eight consonants, shown as XXXX-XXXX", () => {
    const codes = Array.from({ length: 500 }, newUserCode);
    expect(
      codes.filter((code) => !/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/.test(code)),
    ).toEqual([]);
    expect(new Set(codes).size).toBe(500);
  });

  it("use every letter of the alphabet at every place", () => {
    const codes = Array.from({ length: 3000 }, newUserCode);
    const places = [0, 1, 2, 3, 5, 6, 7, 8].map((place) => new Set(codes.map((code) => code[place])).size);
    expect(places).toEqual(Array(8).fill(20));
  });

  it.each(["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "w-d-j-b-m-j-h-t", "WDJB–MJHT"])(
    "are read from %j",
    (typed) => {
      expect(readUserCode(typed)).toBe("WDJB-MJHT");
    },
  );

  it.each(["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB_MJHT", "WDJB-MJH0", "ẞDJB-MJHT"])(
    "are not read from %j",
    (typed) => {
      expect(readUserCode(typed)).toBe(undefined);
    },
  );
});
