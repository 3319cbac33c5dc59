import { describe, expect, it } from "vitest";
import type { Command } from "./command";
import { helpOf, helpOfAll } from "./help";

const paint: Command = {
  name: "paint",
  summary: "Paint a wall",
  usage: "WALL [--colour COLOUR] [--twice]",
  positional: "wall",
  options: {
    wall: { type: "string", value: "WALL", about: "which one" },
    colour: { type: "string", value: "COLOUR", about: "of what colour (white)" },
    twice: { type: "boolean", about: "two coats" },
  },
  run: async () => "",
};
const SETTINGS = "Settings come from the environment and .env, as for the server: docs/configuration.md";

describe("help", () => {
  it("tells of a command how it is called, what it does, and each option on a line", () => {
    expect(helpOf(paint).split("\n")).toEqual([
      "authgent paint WALL [--colour COLOUR] [--twice]",
      "    Paint a wall",
      "",
      "    WALL             which one",
      "    --colour COLOUR  of what colour (white)",
      "    --twice          two coats",
      "",
      SETTINGS,
    ]);
  });

  it("tells the same of every command", () => {
    expect(helpOfAll([paint]).split("\n")).toEqual([
      "authgent COMMAND",
      "",
      "  paint WALL [--colour COLOUR] [--twice]",
      "      Paint a wall",
      "",
      "      WALL             which one",
      "      --colour COLOUR  of what colour (white)",
      "      --twice          two coats",
      "",
      SETTINGS,
    ]);
  });
});
