import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

type Asked = { method: string; authorization: string | undefined; type: string | undefined; body: unknown };

export type OperatorService = {
  url: string;
  /** What it was asked, the first question first. */
  asked: Asked[];
  /** Answers every question from now on with 200 and this JSON. */
  answers(body: unknown): void;
  /** Answers every question from now on like this. */
  handles(listener: RequestListener): void;
  close(): Promise<void>;
};

/** A service of the operator's on a loopback port, such as a policy service; without an answer it says nothing. */
export async function operatorService(body?: unknown): Promise<OperatorService> {
  const asked: Asked[] = [];
  const answering =
    (value: unknown): RequestListener =>
    (_, response) =>
      response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  let listener = body === undefined ? () => {} : answering(body);

  const server = createServer(async (request, response) => {
    const { method = "", headers } = request;
    const sent = await text(request);
    asked.push({
      method,
      authorization: headers.authorization,
      type: headers["content-type"],
      body: sent === "" ? undefined : JSON.parse(sent),
    });
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/ask`,
    asked,
    answers: (value) => {
      listener = answering(value);
    },
    handles: (handle) => {
      listener = handle;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
