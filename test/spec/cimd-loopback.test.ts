import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { connect } from "@/test/support/client";
import { testContext } from "@/test/support/context";

describe("Client ID Metadata Document: on this machine, by real HTTP", () => {
  it("a document on loopback is fetched in local mode", async () => {
    let clientId = "";
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.headers.accept);
      if (request.url !== "/client.json")
        return void response.writeHead(302, { location: "/client.json" }).end();
      const document = { client_id: clientId, client_name: "Local", redirect_uris: ["http://127.0.0.1/cb"] };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    clientId = `http://127.0.0.1:${port}/client.json`;
    try {
      const local = connect(await testContext());
      const app = { clientId, redirectUri: "http://127.0.0.1:7777/cb" };
      const tokens = await local.tokensFor(app);
      expect((await local.introspect(tokens.access_token)).client_id).toBe(clientId);
      expect(asked).toEqual(["application/json"]);
      const redirecting = { clientId: `http://127.0.0.1:${port}/moved.json`, redirectUri: "" };
      expect((await local.authorize(local.requestOf(redirecting))).status).toBe(400);
      expect(asked.length).toBe(2);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
