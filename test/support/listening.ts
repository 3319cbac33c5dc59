import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "@/lib/http/routes";
import { sendWebResponse, toWebRequest } from "@/server/node-http";
import { type TestContext, testContext } from "./context";

type Options = NonNullable<Parameters<typeof testContext>[0]>;

/** A server in local mode on a loopback port of its own, for black-box clients that bring their own HTTP. */
export async function listening({ env, ...options }: Options = {}): Promise<{
  t: TestContext;
  url: string;
  close: () => Promise<void>;
}> {
  const server = createServer();
  const url = `http://127.0.0.1:${await listenAnywhere(server)}`;
  const t = await testContext({ ...options, env: { AUTHGENT_SERVER_URL: url, ...env } });
  server.on("request", async (incoming, outgoing) => {
    const request = await toWebRequest(incoming, url);
    const peer = { socketAddress: incoming.socket.remoteAddress ?? "" };
    await sendWebResponse(
      (await answer(t.ctx, request, peer)) ?? new Response(null, { status: 404 }),
      outgoing,
    );
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { t, url, close };
}

const listenAnywhere = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
