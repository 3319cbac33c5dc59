import { beforeAll, describe, expect, it } from "vitest";
import { approvalOf, type Connection, connect, newBrowser, publicServer } from "@/test/support/client";
import { testContext } from "@/test/support/context";

const ISSUER = "https://auth.example.com";

let c: Connection;

beforeAll(async () => {
  c = connect(await testContext({ env: publicServer }));
});

describe("RFC 9207 Authorization Server Issuer Identification (client quirk Q4)", () => {
  it("§2: iss stands once beside a code, equal to the issuer of the metadata", async () => {
    const { searchParams } = await c.answerFor(await c.registerPublic());
    const { issuer } = await (await c.call("/.well-known/oauth-authorization-server")).json();
    expect(searchParams.get("code")).toMatch(/^ac_/);
    expect(searchParams.getAll("iss")).toEqual([issuer]);
  });

  it("§2: iss stands beside an error of the request", async () => {
    const { searchParams } = await c.answerFor(await c.registerPublic(), { response_type: "token" });
    expect(searchParams.get("error")).toBe("unsupported_response_type");
    expect(searchParams.getAll("iss")).toEqual([ISSUER]);
  });

  it("§2: iss stands beside a refusal of the person", async () => {
    const from = { person: await c.signIn(), browser: newBrowser() };
    const asked = await c.authorize(c.requestOf(await c.registerPublic()), from);
    const answered = await c.consent(approvalOf(asked) ?? "", { ...from, decision: "deny" });
    const { searchParams } = new URL(answered.headers.get("location") ?? "");
    expect(searchParams.get("error")).toBe("access_denied");
    expect(searchParams.getAll("iss")).toEqual([ISSUER]);
  });

  it("§2: iss is form-encoded", async () => {
    const { search } = await c.answerFor(await c.registerPublic());
    expect(search).toContain("iss=https%3A%2F%2Fauth.example.com");
  });

  it("§4: a client cannot register a redirect_uri that brings an iss of its own", async () => {
    const uri = "http://127.0.0.1/callback?iss=https://evil.example";
    expect((await c.json("/register", { redirect_uris: [uri] })).status).toBe(400);
  });

  it("§3: the metadata says so", async () => {
    const document = await (await c.call("/.well-known/oauth-authorization-server")).json();
    expect(document.authorization_response_iss_parameter_supported).toBe(true);
  });
});
