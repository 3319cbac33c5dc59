import { beforeAll, describe, expect, it } from "vitest";
import { type Connection, connect } from "@/test/support/client";
import { testContext } from "@/test/support/context";

let c: Connection;

beforeAll(async () => {
  c = connect(await testContext());
});

const qr = (userCode: string, accept = "*/*") =>
  c.call(`/device/qr?user_code=${encodeURIComponent(userCode)}`, { headers: { accept } });

describe("RFC 8628 §3.3.1: the address of a user code, to scan", () => {
  it("§3.3.1: an image, that no document can be made of", async () => {
    const response = await qr("WDJB-MJHT");
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/svg+xml"]);
    expect(response.headers.get("content-security-policy")).toBe("default-src 'none'");
    expect(await response.text()).toMatch(
      /^<svg [^>]*viewBox="0 0 \d+ \d+"><rect fill="white"[^<]*<path fill="black"/,
    );
  });

  it("§3.3.1: the same for one code however it is typed, and another for another", async () => {
    const drawn = async (code: string) => (await qr(code)).text();
    const code = await drawn("WDJB-MJHT");
    expect(await drawn("wdjb mjht")).toBe(code);
    expect(await drawn("WDJB-MJHX")).not.toBe(code);
  });

  it("§3.3.1: characters for a terminal", async () => {
    const response = await qr("WDJB-MJHT", "text/plain");
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(new Set(await response.text())).toEqual(new Set("█▀▄ \n"));
  });

  it.each(["", "WDJB", "AEIO-UAEI", "<script>", "WDJB-MJHT-WDJB"])(
    "refuses %j, which can be no code",
    async (code) => {
      const response = await qr(code);
      expect([response.status, (await response.json()).error]).toEqual([400, "invalid_request"]);
    },
  );
});
